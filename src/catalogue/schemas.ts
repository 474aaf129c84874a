/** The JSON Schemas of the configuration and of the datasets, and what they say about a value in a record. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { KeyKind } from '../adapter.ts';
import type { Pointer } from '../domain.ts';

interface Schema {
  readonly $id?: string;
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly 'x-key'?: KeyKind;
  readonly 'x-legal'?: { readonly decree58AnnexV?: string };
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
  /** The names of the types that fields may have. */
  readonly types: ReadonlySet<string>;
  /** What a value of a configuration file breaks, with pointers into it. */
  faultsOf(kind: string, value: unknown): { pointer: string; message: string }[];
  /** The type of the value a pointer leads to in a dataset's record: a name of `types`, `''` for a value without a named type, undefined where there is no such value. */
  typeAt(dataset: string, pointer: Pointer): string | undefined;
}

const PREFIX = 'oncegate:datasets/';
const TYPES = `${PREFIX}types#/$defs/`;

/**
 * Loads the schemas. `directories` are searched in order for dataset schemas: the gateway's own, then the operator's, who can so add
 * a dataset without touching the software. Throws where a schema is not one.
 */
export function loadSchemas(schemaDirectory: string, datasetDirectories: readonly string[]): Schemas {
  const ajv = new Ajv2020({ allErrors: true, strict: true, strictTypes: false, strictRequired: false });
  ajv.addVocabulary(['x-key', 'x-legal']);
  (formats as unknown as (ajv: Ajv2020) => void)(ajv);
  for (const { schema } of readSchemas(join(schemaDirectory, 'config'))) ajv.addSchema(schema);
  const found = datasetDirectories.flatMap(readSchemas);
  for (const { schema } of found) ajv.addSchema(schema);
  const types = found.find(({ schema }) => schema.$id === `${PREFIX}types`)?.schema.$defs ?? {};
  const datasets = new Map<string, DatasetSchema>();
  for (const { file, schema } of found) {
    const key = schema['x-key'];
    if (key === undefined || !schema.$id?.startsWith(PREFIX)) continue;
    const name = schema.$id.slice(PREFIX.length);
    datasets.set(name, { name, file, key, schema, validate: ajv.getSchema(schema.$id) as ValidateFunction });
  }

  const walk = (schema: Schema | undefined, pointer: Pointer, typeName: string): string | undefined => {
    if (schema === undefined) return undefined;
    if (schema.$ref !== undefined) {
      const name = schema.$ref.replace(TYPES, '').replace('#/$defs/', '');
      return walk(types[name], pointer, name);
    }
    const [head, ...rest] = pointer;
    if (head === undefined) return typeName;
    return walk(head === '*' ? schema.items : schema.properties?.[head], rest, '');
  };

  return {
    datasets,
    types: new Set(Object.keys(types)),
    typeAt: (dataset, pointer) => walk(datasets.get(dataset)?.schema, pointer, ''),
    faultsOf(kind, value) {
      const validate = ajv.getSchema(`oncegate:config/${kind}`) as ValidateFunction;
      return validate(value) ? [] : (validate.errors ?? []).filter(isLeaf).map(explain);
    },
  };
}

function readSchemas(directory: string): { file: string; schema: Schema }[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((file) => ({ file: join(directory, file), schema: JSON.parse(readFileSync(join(directory, file), 'utf8')) as Schema }));
}

const isLeaf = (error: ErrorObject): boolean =>
  !['oneOf', 'anyOf', 'allOf', 'if'].includes(error.keyword) || error.schemaPath.split('/').length < 4;

function explain(error: ErrorObject): { pointer: string; message: string } {
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case 'additionalProperties':
      return {
        pointer: `${error.instancePath}/${String(params.additionalProperty)}`,
        message: 'is not a member of this file; is it misspelt?',
      };
    case 'required':
      return { pointer: error.instancePath, message: `lacks ${String(params.missingProperty)}` };
    case 'enum':
      return { pointer: error.instancePath, message: `must be one of ${(params.allowedValues as unknown[]).join(', ')}` };
    case 'pattern':
      return { pointer: error.instancePath, message: `must look like ${String(params.pattern)}` };
    default:
      return { pointer: error.instancePath, message: error.message ?? 'does not fit its schema' };
  }
}
