/** What the schemas of `schemas/config/` say of a value of a configuration file, in words for whoever wrote the file. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

/** What a value of a kind of file breaks, with pointers into it. */
export type CheckValue = (kind: string, value: unknown) => { pointer: string; message: string }[];

/** By directory. The gateway's own schemas do not change while it runs, and compiling them costs more than all they are used for. */
const known = new Map<string, CheckValue>();

export function configSchemas(schemaDirectory: string): CheckValue {
  const check = known.get(schemaDirectory) ?? compile(join(schemaDirectory, 'config'));
  known.set(schemaDirectory, check);
  return check;
}

function compile(directory: string): CheckValue {
  // That they are schemas is tested. Code that runs a few times needs no polish.
  const ajv = new Ajv2020({ allErrors: true, strictTypes: false, strictRequired: false, validateSchema: false, code: { optimize: false } });
  (formats as unknown as (ajv: Ajv2020) => void)(ajv);
  for (const name of readdirSync(directory)) {
    if (name.endsWith('.json')) ajv.addSchema(JSON.parse(readFileSync(join(directory, name), 'utf8')) as object);
  }
  return (kind, value) => {
    const validate = ajv.getSchema(`oncegate:config/${kind}`) as ValidateFunction;
    return validate(value) ? [] : (validate.errors ?? []).filter(isLeaf).map(explain);
  };
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
      return { pointer: error.instancePath, message: `lacks "${String(params.missingProperty)}"` };
    case 'enum':
      return {
        pointer: error.instancePath,
        message: `must be one of ${[...new Set((params.allowedValues as unknown[]).map(String))].join(', ')}`,
      };
    case 'const':
      return { pointer: error.instancePath, message: `must be ${String(params.allowedValue)}` };
    case 'false schema':
      return {
        pointer: error.instancePath,
        message: 'is not for this adapter: a coded one knows how to ask its registry, and a database takes no token',
      };
    case 'pattern':
      return { pointer: error.instancePath, message: `must look like ${String(params.pattern)}` };
    default:
      return { pointer: error.instancePath, message: error.message ?? 'does not fit its schema' };
  }
}
