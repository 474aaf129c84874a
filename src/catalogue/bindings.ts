/** The bindings of one procedure: each checked against its dataset, each look-up kept once and given its stage. */
import { type Binding, type PlannedLookUp, type Source, splitPointer } from '../domain.ts';
import type { ConfigFile } from './files.ts';
import { CRIME_PREVENTION_ONLY, isCrimePreventionName } from './forbidden.ts';
import type { RawBinding, RawProcedure, RawRole, RawSource } from './raw.ts';
import { mappedMembers } from './sources.ts';
import type { Surroundings } from './surroundings.ts';

export class Bindings {
  readonly #file: ConfigFile;
  readonly #raw: Pick<RawProcedure, 'roles' | 'staleSeconds'>;
  readonly #around: Surroundings;
  readonly #lookUps = new Map<string, { index: number; role: string; source: string; dataset: string }>();

  constructor(file: ConfigFile, raw: Pick<RawProcedure, 'roles' | 'staleSeconds'>, around: Surroundings) {
    this.#file = file;
    this.#raw = raw;
    this.#around = around;
  }

  /** `type` undefined: the value is only checked, so it may have any type. */
  binding(raw: RawBinding | (Omit<RawBinding, 'value'> & { value: string }), at: string, type: string | undefined): Binding {
    const { schemas } = this.#around;
    const values = [raw.value].flat().map(splitPointer);
    const role = this.role(raw.role);
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
    if (isCrimePreventionName(raw.dataset) || values.flat().some(isCrimePreventionName)) this.forbidden(at);
    for (const value of values) {
      const found = schemas.typeAt(raw.dataset, value);
      const pointer = `/${value.join('/')}`;
      if (found === undefined)
        this.#file.fault(
          `${at}/value`,
          'unknown-value',
          `a record of ${raw.dataset} has no ${pointer}; schemas/datasets/${raw.dataset}.json says what it has`,
        );
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

  #lookUp(raw: Omit<RawBinding, 'value'> & { value: string | string[] }, at: string): number {
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
    const { map } = (source as RawSource).datasets[raw.dataset] ?? {};
    const filled = map && mappedMembers(map);
    for (const value of [raw.value].flat()) {
      if (filled && !filled.some((pointer) => pointer === value || pointer.startsWith(`${value}/`) || value.startsWith(`${pointer}/`))) {
        this.#file.fault(
          `${at}/value`,
          'unknown-value',
          `the source ${source.id} never fills ${value} of ${raw.dataset}: its map does not name it`,
        );
      }
    }
    if (this.#mayBeStale(source, raw.dataset)) {
      for (const value of [raw.value].flat()) {
        if (!this.#around.schemas.neverStale(raw.dataset, splitPointer(value))) continue;
        const why = `${value} must be of today, and staleSeconds lets this procedure use a ${raw.dataset} past its age`;
        this.#file.fault(`${at}/value`, 'stale', why);
      }
    }
    const key = `${raw.role} ${source.id} ${raw.dataset}`;
    const known = this.#lookUps.get(key);
    if (known !== undefined) return known.index;
    const index = this.#lookUps.size;
    this.#lookUps.set(key, { index, role: raw.role, source: source.id, dataset: raw.dataset });
    return index;
  }

  #mayBeStale(source: Source, dataset: string): boolean {
    return Math.min(this.#raw.staleSeconds ?? 0, source.datasets[dataset]?.staleSeconds ?? 0) > 0;
  }

  forbidden(at: string): void {
    this.#file.fault(at, 'crime-prevention-only', CRIME_PREVENTION_ONLY);
  }

  /** Every look-up that a binding names, in the order of their indexes. */
  planned(): PlannedLookUp[] {
    return [...this.#lookUps.values()].map(({ role, source, dataset }) => {
      const coverage = this.#around.coverage.get(this.#around.sources.get(source)?.database ?? '');
      return { role, source, dataset, ...(coverage === undefined ? {} : { coverage }), stage: this.stage(role) ?? 0 };
    });
  }

  /** 1 for a key that is given at once, one more than the role it is found through; undefined for a cycle. */
  stage(name: string, above: readonly string[] = []): number | undefined {
    if (above.includes(name)) return undefined;
    let stage = 1;
    for (const binding of this.role(name)?.from ?? []) {
      // A record that is confirmed first is not read before the key that confirms it is known.
      const confirming = this.role(binding.role)?.confirm?.is;
      for (const needed of confirming === undefined ? [binding.role] : [binding.role, confirming]) {
        const before = this.stage(needed, [...above, name]);
        if (before === undefined) return undefined;
        stage = Math.max(stage, before + 1);
      }
    }
    return stage;
  }

  /** Not what every object inherits: a role may be misspelt `constructor`. */
  role(name: string): RawRole | undefined {
    return Object.hasOwn(this.#raw.roles, name) ? this.#raw.roles[name] : undefined;
  }
}
