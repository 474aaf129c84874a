/** Compiles one version of a procedure: every reference looked up, every binding checked against its dataset, every look-up given its stage. */
import {
  type Component,
  type Field,
  type PlannedLookUp,
  type Procedure,
  type Provision,
  type Question,
  type RecordCheck,
  type Role,
  splitPointer,
} from '../domain.ts';
import { Bindings } from './bindings.ts';
import type { ConfigFile } from './files.ts';
import { isCrimePreventionName } from './forbidden.ts';
import type { RawComponent, RawField, RawProcedure, RawQuestion, RawRole } from './raw.ts';
import type { Surroundings } from './surroundings.ts';
import { covers, days, overlap } from './validity.ts';

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
    ...(raw.replaces === undefined ? {} : { replaces: raw.replaces }),
    ...(raw.parts === undefined ? {} : { parts: raw.parts }),
    name: raw.name,
    ...(raw.sector === undefined ? {} : { sector: raw.sector }),
    agency: raw.agency,
    form: raw.form,
    legalBasis: raw.legalBasis.flatMap((ref, i) => compiler.provision(ref, `/legalBasis/${i}`, 'throughout') ?? []),
    factSources: raw.sources,
    ...(raw.maxAgeSeconds === undefined ? {} : { maxAgeSeconds: raw.maxAgeSeconds }),
    ...(raw.staleSeconds === undefined ? {} : { staleSeconds: raw.staleSeconds }),
    ...(raw.people === undefined ? {} : { people: raw.people }),
    roles,
    lookUps: compiler.lookUps(),
    fields,
    components,
    questions: (raw.questions ?? []).flatMap((question, i) => compiler.question(question, `/questions/${i}`, indexOf) ?? []),
  };
}

class Compiler {
  readonly #file: ConfigFile;
  readonly #raw: RawProcedure;
  readonly #around: Surroundings;
  readonly #bindings: Bindings;

  constructor(file: ConfigFile, raw: RawProcedure, around: Surroundings) {
    this.#file = file;
    this.#raw = raw;
    this.#around = around;
    this.#bindings = new Bindings(file, raw, around);
  }

  role(name: string, raw: RawRole): Role {
    const at = `/roles/${name}`;
    if (raw.confirm && !this.#bindings.role(raw.confirm.is)) {
      this.#file.fault(`${at}/confirm/is`, 'unknown-reference', `the procedure has no role ${raw.confirm.is}`);
    }
    return {
      name,
      label: raw.name,
      kind: raw.kind,
      given: raw.given ?? 'never',
      from: (raw.from ?? []).map((binding, i) =>
        this.#bindings.binding(binding, `${at}/from/${i}`, raw.kind === 'person' ? 'personalId' : 'text'),
      ),
      not: raw.not ?? [],
      ...(raw.confirm ? { confirm: { value: splitPointer(raw.confirm.value), is: raw.confirm.is } } : {}),
    };
  }

  field(raw: RawField, at: string): Field {
    const { schemas } = this.#around;
    if (!schemas.types.has(raw.type)) this.#file.fault(`${at}/type`, 'unknown-reference', `there is no type ${raw.type}`);
    if (raw.precision && raw.type !== 'date') this.#file.fault(`${at}/precision`, 'type-mismatch', 'only a date has a precision');
    for (const member of ['as', 'choices'] as const) {
      if (raw[member] !== undefined && raw.type !== 'declared')
        this.#file.fault(`${at}/${member}`, 'type-mismatch', 'only what is declared is chosen or written by the declarant');
    }
    if (raw.as !== undefined && !schemas.types.has(raw.as)) this.#file.fault(`${at}/as`, 'unknown-reference', `there is no type ${raw.as}`);
    if (raw.asOfToday !== undefined && raw.type !== 'address')
      this.#file.fault(`${at}/asOfToday`, 'type-mismatch', 'only an address has a unit of today');
    if (isCrimePreventionName(raw.at)) this.#bindings.forbidden(`${at}/at`);
    const compare = this.#around.meanings(raw.type);
    const prevails = raw.prevails === undefined ? undefined : this.provision(raw.prevails, `${at}/prevails`, 'some day');
    return {
      at: raw.at,
      path: splitPointer(raw.at),
      name: raw.name,
      type: raw.type,
      required: raw.required,
      editable: raw.editable ?? false,
      ...(raw.precision ? { precision: raw.precision } : {}),
      ...(raw.as ? { as: raw.as } : {}),
      ...(raw.choices ? { choices: raw.choices } : {}),
      ...(raw.asOfToday ? { asOfToday: true } : {}),
      ...(compare ? { compare } : {}),
      from: (raw.from ?? []).map((binding, i) => this.#bindings.binding(binding, `${at}/from/${i}`, raw.type)),
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
        const { lookUp, values } = this.#bindings.binding(check, where, undefined);
        if (check.is !== undefined && !this.#bindings.role(check.is)) {
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
      return { provision, fields: indexes, records, compare: evidence.compare ?? false };
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

  question({ id, name, field, ageAtLeast }: RawQuestion, at: string, indexOf: ReadonlyMap<string, number>): Question | undefined {
    const index = indexOf.get(field);
    const raw = this.#raw.fields[index ?? -1];
    if (index === undefined || raw === undefined) {
      this.#file.fault(`${at}/field`, 'unknown-reference', `the form has no field ${field}`);
      return undefined;
    }
    if (raw.from === undefined) this.#file.fault(`${at}/field`, 'unknown-value', 'no register holds the field: nobody could answer');
    if (ageAtLeast !== undefined && raw.type !== 'date') this.#file.fault(`${at}/ageAtLeast`, 'type-mismatch', 'only a date has an age');
    return { id, name, field: index, ...(ageAtLeast === undefined ? {} : { ageAtLeast }) };
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

  #checkDatabases(provision: Provision, used: readonly (readonly number[])[], at: string): void {
    const planned = this.#bindings.planned();
    const databasesOf = (lookUps: readonly number[]): string[] =>
      lookUps.flatMap((index) => this.#around.sources.get(planned[index]?.source ?? '')?.database ?? []);
    const foreign = used
      .map(databasesOf)
      .find((databases) => databases.length > 0 && !databases.some((one) => provision.databases.includes(one)));
    if (foreign !== undefined) {
      const named = provision.databases.join(', ') || 'no database';
      this.#file.fault(
        at,
        'wrong-provision',
        `${provision.ref} lets data of ${named} replace a paper, the evidence is of ${foreign.join(', ')}`,
      );
    }
    // A row about a procedure is about the one that took its place.
    const { code, replaces = [] } = this.#raw;
    if (provision.procedures.length > 0 && ![code, ...replaces].some((one) => provision.procedures.includes(one))) {
      this.#file.fault(at, 'wrong-provision', `${provision.ref} is about ${provision.procedures.join(', ')}`);
    }
  }

  checkRoles(): void {
    const { roles } = this.#raw;
    if (roles.subject && roles.subject.kind !== 'person')
      this.#file.fault('/roles/subject/kind', 'key-mismatch', 'the subject is a person');
    for (const [name, role] of Object.entries(roles)) {
      if (name in {}) this.#file.fault(`/roles/${name}`, 'schema', 'is a name that every object has: choose another');
      for (const [i, other] of (role.not ?? []).entries()) {
        if (!this.#bindings.role(other))
          this.#file.fault(`/roles/${name}/not/${i}`, 'unknown-reference', `the procedure has no role ${other}`);
      }
      if (name !== 'subject' && (role.given ?? 'never') === 'never' && role.from === undefined) {
        this.#file.fault(`/roles/${name}`, 'unknown-reference', 'its key is neither given by the caller nor found in a record');
      }
      if (this.#bindings.stage(name) === undefined) this.#file.fault(`/roles/${name}/from`, 'cycle', 'its key depends on itself');
      if (role.confirm) this.#checkConfirmation(name, role.confirm.value);
    }
  }

  #checkConfirmation(role: string, value: string): void {
    for (const lookUp of this.#bindings.planned()) {
      if (lookUp.role === role && this.#around.schemas.typeAt(lookUp.dataset, splitPointer(value)) === undefined) {
        this.#file.fault(`/roles/${role}/confirm/value`, 'unknown-value', `a record of ${lookUp.dataset} has no ${value}`);
      }
    }
  }

  lookUps(): PlannedLookUp[] {
    return this.#bindings.planned();
  }

  checkUnique(): void {
    const seen = new Set<string>();
    this.#raw.fields.forEach(({ at }, i) => {
      if ([...seen].some((other) => other === at || other.startsWith(`${at}/`) || at.startsWith(`${other}/`))) {
        this.#file.fault(`/fields/${i}/at`, 'duplicate', `${at} stands twice in the form, or within another field`);
      }
      seen.add(at);
    });
    const once = (list: readonly { readonly id: string }[], member: string, what: string): void =>
      list.forEach(({ id }, i) => {
        if (list.findIndex((one) => one.id === id) !== i)
          this.#file.fault(`/${member}/${i}/id`, 'duplicate', `there are two ${what} ${id}`);
      });
    once(this.#raw.components, 'components', 'papers');
    once(this.#raw.questions ?? [], 'questions', 'questions');
  }
}
