/** The JSON Schemas of the datasets, and what they say about a value in a record. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { KeyKind } from '../adapter.ts';
import type { Pointer } from '../domain.ts';
import type { Fault } from './faults.ts';

interface Schema {
  readonly $id?: string;
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly 'x-key'?: KeyKind;
  readonly 'x-never-stale'?: readonly string[];
  readonly 'x-legal'?: { readonly basis?: string; readonly decree58AnnexV?: string };
  readonly required?: readonly string[];
  readonly $defs?: Readonly<Record<string, Schema>>;
}

export interface DatasetSchema {
  readonly name: string;
  readonly file: string;
  readonly key: KeyKind;
  readonly schema: Schema;
  readonly validate: ValidateFunction;
}

export interface Schemas {
  readonly datasets: ReadonlyMap<string, DatasetSchema>;
  /** Every file that a dataset's schema was read from, those of shared types too: all of them go into the digest. */
  readonly files: readonly string[];
  /** The types that fields may have, by name. */
  readonly types: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  /** The type of the value a pointer leads to in a dataset's record: a name of `types`, `''` for a value without a named type, undefined where there is no such value. */
  typeAt(dataset: string, pointer: Pointer): string | undefined;
  /** Whether a value, or the whole record for a pointer without members, is one that nobody may take from an answer past its age. */
  neverStale(dataset: string, pointer: Pointer): boolean;
}

const PREFIX = 'oncegate:datasets/';
const TYPES = `${PREFIX}types#/$defs/`;

/** The gateway's own alone, by directory: they do not change while it runs, and what is compiled of them serves again. */
const shipped = new Map<string, Schemas>();

export function loadSchemas(schemaDirectory: string, operators: string | undefined, faults: Fault[]): Schemas {
  if (operators !== undefined) return readSchemas(schemaDirectory, operators, faults);
  const schemas = shipped.get(schemaDirectory) ?? readSchemas(schemaDirectory, undefined, faults);
  shipped.set(schemaDirectory, schemas);
  return schemas;
}

/**
 * Reads the schemas: the gateway's own, then those in the operator's directory, if there is one, which so adds a dataset without
 * touching the software. An operator's schema that is not one is a fault; one of the gateway's own throws.
 */
function readSchemas(schemaDirectory: string, operators: string | undefined, faults: Fault[]): Schemas {
  const ajv = new Ajv2020({ allErrors: true, strict: true, strictTypes: false, strictRequired: false });
  ajv.addVocabulary(['x-key', 'x-legal', 'x-never-stale']);
  (formats as unknown as (ajv: Ajv2020) => void)(ajv);
  // That the gateway's own are schemas is tested.
  const read = (file: string, tested: boolean): { file: string; schema: Schema } => {
    const schema = JSON.parse(readFileSync(file, 'utf8')) as Schema;
    ajv.addSchema(schema, undefined, undefined, !tested);
    return { file, schema };
  };
  const found = jsonFiles(join(schemaDirectory, 'datasets')).map((file) => read(file, true));
  const own = found.length;
  const refuse = (file: string, error: unknown): void => {
    const message = error instanceof SyntaxError ? 'is not JSON' : (error as Error).message;
    faults.push({ file: `datasets/${basename(file)}`, pointer: '', rule: 'schema', message });
  };
  for (const file of operators === undefined ? [] : jsonFiles(operators)) {
    try {
      found.push(read(file, false));
    } catch (error) {
      refuse(file, error);
    }
  }
  const types = found.find(({ schema }) => schema.$id === `${PREFIX}types`)?.schema.$defs ?? {};
  const datasets = new Map<string, DatasetSchema>();
  for (const [i, { file, schema }] of found.entries()) {
    const { $id, 'x-key': key } = schema;
    for (const fault of i >= own ? declarationFaults(file, schema) : []) refuse(file, new Error(fault));
    if (key === undefined || !$id?.startsWith(PREFIX)) continue;
    const validator = (): ValidateFunction => ajv.getSchema($id) as ValidateFunction;
    const name = $id.slice(PREFIX.length);
    try {
      // The gateway's own are known to compile, and do so when they are first used: `check` need not wait for them.
      if (i >= own) validator();
    } catch (error) {
      refuse(file, error);
      continue;
    }
    const dataset = {
      name,
      file,
      key,
      schema,
      get validate() {
        return validator();
      },
    };
    datasets.set(name, dataset);
  }

  const walk = (schema: Schema | undefined, pointer: Pointer, typeName: string): string | undefined => {
    if (schema === undefined) return undefined;
    if (schema.$ref !== undefined) {
      const name = schema.$ref.replace(TYPES, '').replace('#/$defs/', '');
      return walk(member(types, name), pointer, name);
    }
    const [head, ...rest] = pointer;
    if (head === undefined) return typeName;
    return walk(head === '*' ? schema.items : member(schema.properties, head), rest, '');
  };

  return {
    datasets,
    files: found.map(({ file }) => file),
    types: new Map(Object.entries(types as Record<string, Record<string, unknown>>)),
    typeAt: (dataset, pointer) => walk(datasets.get(dataset)?.schema, pointer, ''),
    neverStale: (dataset, pointer) =>
      (datasets.get(dataset)?.schema['x-never-stale'] ?? []).some((never) => `/${pointer.join('/')}/`.startsWith(`${never}/`)),
  };
}

/** What an operator's schema must say of itself, or it would be passed over in silence. A file with `$defs` alone is shared by others. */
function declarationFaults(file: string, schema: Schema): string[] {
  const faults: string[] = [];
  // Letters that look alike would hide from a reader what a member is called.
  const odd = Object.keys(schema.properties ?? {}).some((name) => !/^[A-Za-z][A-Za-z0-9]*$/.test(name));
  if (odd) faults.push('members are called by Latin letters and digits');
  const id = `${PREFIX}${basename(file, '.json')}`;
  if (schema.$id !== id) faults.push(`$id must be ${id}`);
  if (schema['x-key'] === undefined && schema.$defs !== undefined) return faults;
  if (schema['x-key'] !== 'person' && schema['x-key'] !== 'certificate') faults.push('x-key must be person or certificate');
  const never: unknown = schema['x-never-stale'] ?? [];
  if (!Array.isArray(never) || !never.every((one) => /^(\/[A-Za-z][A-Za-z0-9]*)*$/.test(String(one))))
    faults.push('x-never-stale must be a list of pointers to members, or of "" for the whole record');
  const { basis, decree58AnnexV } = schema['x-legal'] ?? {};
  if (typeof basis !== 'string' || basis === '') faults.push('x-legal/basis must say under which law the data is held');
  if (!/^(list [123]\b|not listed$)/i.test(decree58AnnexV ?? ''))
    faults.push('x-legal/decree58AnnexV must begin with list 1, list 2 or list 3, or be: not listed');
  return faults;
}

function jsonFiles(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => join(directory, name));
}

/** A pointer may be written `/constructor`: what every object inherits is no member of a record. */
const member = (schemas: Readonly<Record<string, Schema>> | undefined, name: string): Schema | undefined =>
  schemas !== undefined && Object.hasOwn(schemas, name) ? schemas[name] : undefined;
