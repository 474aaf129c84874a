/** Compiles one version of a procedure: every reference looked up, every binding checked against its dataset, every look-up given its stage. */
import type {
  Binding,
  Component,
  Field,
  PlannedLookUp,
  Pointer,
  Procedure,
  Provision,
  RecordCheck,
  Role,
  Source,
  Validity,
} from '../domain.ts';
import type { ConfigFile } from './files.ts';
import { isCrimePreventionName } from './forbidden.ts';
import type { RawBinding, RawComponent, RawField, RawProcedure, RawRole } from './raw.ts';
import type { Schemas } from './schemas.ts';

/**
 * Whether a file of the folder, or any file of it where no name is given, has faults of its own: a reference to what stands in it is no
 * second fault.
 */
export type Broken = (folder: 'legal' | 'procedures' | 'sources' | 'datasets', name?: string) => boolean;

/** What a procedure may refer to. */
export interface Surroundings {
  readonly schemas: Schemas;
  readonly provisions: ReadonlyMap<string, Provision>;
  readonly sources: ReadonlyMap<string, Source>;
  readonly broken: Broken;
}

/** `/a/b` as ['a', 'b']. */
export const splitPointer = (pointer: string): Pointer => pointer.slice(1).split('/');

/** Compiles, adding faults to the file. The result is of use only where none were added. */
export function compileProcedure(file: ConfigFile, around: Surroundings): Procedure {
  const raw = file.value as RawProcedure;
  const compiler = new Compiler(file, raw, around);
  const fields = raw.fields.map((field, i) => compiler.field(field, `/fields/${i}`));
  const indexOf = new Map(raw.fields.map((field, i) => [field.at, i]));
  const components = raw.components.map((component, i) => compiler.component(component, `/components/${i}`, indexOf, fields));
  const roles = new Map(Object.entries(raw.roles).map(([name, role]) => [name, compiler.role(name, role)]));
  compiler.checkRoles();
  compiler.checkUnique();
  return {
    code: raw.code,
    validFrom: raw.validFrom,
    ...(raw.validTo === undefined ? {} : { validTo: raw.validTo }),
    name: raw.name,
    ...(raw.sector === undefined ? {} : { sector: raw.sector }),
    agency: raw.agency,
    form: raw.form,
    legalBasis: raw.legalBasis.flatMap((ref, i) => compiler.provision(ref, `/legalBasis/${i}`, 'throughout') ?? []),
    factSources: raw.sources,
    ...(raw.maxAgeSeconds === undefined ? {} : { maxAgeSeconds: raw.maxAgeSeconds }),
    roles,
    lookUps: compiler.lookUps(),
    fields,
    components,
  };
}

class Compiler {
  readonly #file: ConfigFile;
  readonly #raw: RawProcedure;
  readonly #around: Surroundings;
  readonly #lookUps = new Map<string, { index: number; role: string; source: string; dataset: string }>();

  constructor(file: ConfigFile, raw: RawProcedure, around: Surroundings) {
    this.#file = file;
    this.#raw = raw;
    this.#around = around;
  }

  role(name: string, raw: RawRole): Role {
    const at = `/roles/${name}`;
    if (raw.confirm && !this.#role(raw.confirm.is)) {
      this.#file.fault(`${at}/confirm/is`, 'unknown-reference', `the procedure has no role ${raw.confirm.is}`);
    }
    return {
      name,
      label: raw.name,
      kind: raw.kind,
      given: raw.given ?? 'never',
      from: (raw.from ?? []).map((binding, i) => this.binding(binding, `${at}/from/${i}`, raw.kind === 'person' ? 'personalId' : 'text')),
      ...(raw.confirm ? { confirm: { value: splitPointer(raw.confirm.value), is: raw.confirm.is } } : {}),
    };
  }

  field(raw: RawField, at: string): Field {
    const { schemas } = this.#around;
    if (!schemas.types.has(raw.type)) this.#file.fault(`${at}/type`, 'unknown-reference', `there is no type ${raw.type}`);
    if (raw.precision && raw.type !== 'date') this.#file.fault(`${at}/precision`, 'type-mismatch', 'only a date has a precision');
    if (isCrimePreventionName(raw.at)) this.#forbidden(`${at}/at`);
    const prevails = raw.prevails === undefined ? undefined : this.provision(raw.prevails, `${at}/prevails`, 'some day');
    return {
      at: raw.at,
      path: splitPointer(raw.at),
      name: raw.name,
      type: raw.type,
      required: raw.required,
      editable: raw.editable ?? false,
      ...(raw.precision ? { precision: raw.precision } : {}),
      from: (raw.from ?? []).map((binding, i) => this.binding(binding, `${at}/from/${i}`, raw.type)),
      ...(prevails ? { prevails } : {}),
      ...(raw.note ? { note: raw.note } : {}),
    };
  }

  component(raw: RawComponent, at: string, indexOf: ReadonlyMap<string, number>, fields: readonly Field[]): Component {
    const replacedBy = (raw.replacedBy ?? []).flatMap((evidence, i) => {
      const here = `${at}/replacedBy/${i}`;
      const provision = this.provision(evidence.provision, `${here}/provision`, 'some day');
      const indexes = (evidence.fields ?? []).flatMap((pointer, j) => {
        const index = indexOf.get(pointer);
        if (index === undefined) this.#file.fault(`${here}/fields/${j}`, 'unknown-reference', `the form has no field ${pointer}`);
        return index ?? [];
      });
      const records = (evidence.records ?? []).map((check, j): RecordCheck => {
        const where = `${here}/records/${j}`;
        const { lookUp, values } = this.binding(check, where, undefined);
        if (check.is !== undefined && !this.#role(check.is)) {
          this.#file.fault(`${where}/is`, 'unknown-reference', `the procedure has no role ${check.is}`);
        }
        return {
          lookUp,
          value: values[0] ?? [],
          ...(check.is === undefined ? {} : { is: check.is }),
          ...(check.equals === undefined ? {} : { equals: check.equals }),
        };
      });
      if (provision === undefined) return [];
      const used = [
        ...indexes.map((index) => fields[index]?.from.map((binding) => binding.lookUp) ?? []),
        ...records.map((r) => [r.lookUp]),
      ];
      this.#checkDatabases(provision, used, `${here}/provision`);
      return { provision, fields: indexes, records };
    });
    return {
      id: raw.id,
      name: raw.name,
      ...(raw.condition ? { condition: raw.condition } : {}),
      confidence: raw.confidence,
      ...(raw.kept ? { kept: raw.kept } : {}),
      replacedBy,
      ...(raw.note ? { note: raw.note } : {}),
    };
  }

  /** A provision that must be in force on every day of the procedure, or at least on one. */
  provision(ref: string, at: string, when: 'throughout' | 'some day'): Provision | undefined {
    const provision = this.#around.provisions.get(ref);
    if (provision === undefined) {
      if (!this.#around.broken('legal', ref.split('#')[0]))
        this.#file.fault(at, 'unknown-reference', `there is no provision ${ref} in legal/`);
      return undefined;
    }
    const fits = when === 'throughout' ? covers(provision, this.#raw) : overlap(provision, this.#raw);
    if (!fits) this.#file.fault(at, 'validity', `${ref} is in force ${days(provision)}, the procedure applies ${days(this.#raw)}`);
    return provision;
  }

  /** `type` undefined: the value is only checked, so it may have any type. */
  binding(raw: RawBinding | (Omit<RawBinding, 'value'> & { value: string }), at: string, type: string | undefined): Binding {
    const { schemas } = this.#around;
    const values = [raw.value].flat().map(splitPointer);
    const role = this.#role(raw.role);
    const dataset = schemas.datasets.get(raw.dataset);
    if (role === undefined) this.#file.fault(`${at}/role`, 'unknown-reference', `the procedure has no role ${raw.role}`);
    if (dataset === undefined) {
      if (!this.#around.broken('datasets')) this.#file.fault(`${at}/dataset`, 'unknown-reference', `there is no dataset ${raw.dataset}`);
      return { lookUp: -1, values };
    }
    if (role !== undefined && role.kind !== dataset.key) {
      this.#file.fault(
        `${at}/dataset`,
        'key-mismatch',
        `${raw.dataset} is looked up by a ${dataset.key}, and ${raw.role} is a ${role.kind}`,
      );
    }
    if (isCrimePreventionName(raw.dataset) || values.flat().some(isCrimePreventionName)) this.#forbidden(at);
    for (const value of values) {
      const found = schemas.typeAt(raw.dataset, value);
      const pointer = `/${value.join('/')}`;
      if (found === undefined) this.#file.fault(`${at}/value`, 'unknown-value', `a record of ${raw.dataset} has no ${pointer}`);
      else if (type !== undefined && found !== type) {
        this.#file.fault(
          `${at}/value`,
          'type-mismatch',
          `${pointer} of ${raw.dataset} is ${found || 'without a named type'}, the form wants ${type}`,
        );
      }
    }
    return { lookUp: this.#lookUp(raw, at), values };
  }

  #lookUp(raw: { role: string; dataset: string; source?: string }, at: string): number {
    const holders = [...this.#around.sources.values()].filter((source) => raw.dataset in source.datasets);
    const chosen = raw.source === undefined ? holders : holders.filter((source) => source.id === raw.source);
    const [source] = chosen;
    if (source === undefined) {
      if (!this.#around.broken('sources')) {
        this.#file.fault(
          at,
          'unknown-reference',
          `${raw.source === undefined ? 'no source' : `not the source ${raw.source}`} holds ${raw.dataset}`,
        );
      }
      return -1;
    }
    if (chosen.length > 1) {
      this.#file.fault(at, 'ambiguous-source', `${chosen.map((one) => one.id).join(' and ')} hold ${raw.dataset}: name the source`);
    }
    const key = `${raw.role} ${source.id} ${raw.dataset}`;
    const known = this.#lookUps.get(key);
    if (known !== undefined) return known.index;
    const index = this.#lookUps.size;
    this.#lookUps.set(key, { index, role: raw.role, source: source.id, dataset: raw.dataset });
    return index;
  }

  #checkDatabases(provision: Provision, used: readonly (readonly number[])[], at: string): void {
    const all = [...this.#lookUps.values()];
    for (const lookUps of used) {
      const databases = lookUps.flatMap((index) => this.#around.sources.get(all[index]?.source ?? '')?.database ?? []);
      if (databases.length > 0 && !databases.some((database) => provision.databases.includes(database))) {
        const named = provision.databases.join(', ') || 'no database';
        this.#file.fault(
          at,
          'wrong-provision',
          `${provision.ref} lets data of ${named} replace a paper, the evidence is of ${databases.join(', ')}`,
        );
      }
    }
    if (provision.procedures.length > 0 && !provision.procedures.includes(this.#raw.code)) {
      this.#file.fault(at, 'wrong-provision', `${provision.ref} is about ${provision.procedures.join(', ')}`);
    }
  }

  #forbidden(at: string): void {
    this.#file.fault(
      at,
      'crime-prevention-only',
      'data for crime prevention only (Decree 58/2026/NĐ-CP, annex V, list 3) cannot be configured',
    );
  }

  checkRoles(): void {
    const { roles } = this.#raw;
    if (roles.subject && roles.subject.kind !== 'person')
      this.#file.fault('/roles/subject/kind', 'key-mismatch', 'the subject is a person');
    for (const [name, role] of Object.entries(roles)) {
      if (name !== 'subject' && (role.given ?? 'never') === 'never' && role.from === undefined) {
        this.#file.fault(`/roles/${name}`, 'unknown-reference', 'its key is neither given by the caller nor found in a record');
      }
      if (this.#stage(name, []) === undefined) this.#file.fault(`/roles/${name}/from`, 'cycle', 'its key depends on itself');
      if (role.confirm) this.#checkConfirmation(name, role.confirm.value);
    }
  }

  #checkConfirmation(role: string, value: string): void {
    for (const lookUp of this.#lookUps.values()) {
      if (lookUp.role === role && this.#around.schemas.typeAt(lookUp.dataset, splitPointer(value)) === undefined) {
        this.#file.fault(`/roles/${role}/confirm/value`, 'unknown-value', `a record of ${lookUp.dataset} has no ${value}`);
      }
    }
  }

  checkUnique(): void {
    const seen = new Set<string>();
    this.#raw.fields.forEach(({ at }, i) => {
      if ([...seen].some((other) => other === at || other.startsWith(`${at}/`) || at.startsWith(`${other}/`))) {
        this.#file.fault(`/fields/${i}/at`, 'duplicate', `${at} stands twice in the form, or within another field`);
      }
      seen.add(at);
    });
    const ids = this.#raw.components.map((component) => component.id);
    ids.forEach((id, i) => {
      if (ids.indexOf(id) !== i) this.#file.fault(`/components/${i}/id`, 'duplicate', `there are two papers ${id}`);
    });
  }

  lookUps(): PlannedLookUp[] {
    return [...this.#lookUps.values()].map(({ role, source, dataset }) => ({ role, source, dataset, stage: this.#stage(role, []) ?? 0 }));
  }

  /** 1 for a key that is given at once, one more than the role it is found through; undefined for a cycle. */
  #stage(name: string, above: readonly string[]): number | undefined {
    if (above.includes(name)) return undefined;
    let stage = 1;
    for (const binding of this.#role(name)?.from ?? []) {
      // A record that is confirmed first is not read before the key that confirms it is known.
      const confirming = this.#role(binding.role)?.confirm?.is;
      for (const needed of confirming === undefined ? [binding.role] : [binding.role, confirming]) {
        const before = this.#stage(needed, [...above, name]);
        if (before === undefined) return undefined;
        stage = Math.max(stage, before + 1);
      }
    }
    return stage;
  }

  /** Not what every object inherits: a role may be misspelt `constructor`. */
  #role(name: string): RawRole | undefined {
    return Object.hasOwn(this.#raw.roles, name) ? this.#raw.roles[name] : undefined;
  }
}

export const days = (validity: Validity): string => `${validity.validFrom} to ${validity.validTo ?? 'no known end'}`;

export function overlap(a: Validity, b: Validity): boolean {
  return a.validFrom <= (b.validTo ?? '9999') && b.validFrom <= (a.validTo ?? '9999');
}

/** Whether `outer` is in force on every day of `inner`. */
export function covers(outer: Validity, inner: Validity): boolean {
  return outer.validFrom <= inner.validFrom && (inner.validTo ?? '9999') <= (outer.validTo ?? '9999');
}
