/** Holds values to the schemas of the HTTP interface. */
import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

/** The returned function throws where the value does not fit the schema of `schemas/api/` with that `$id`. */
export function schemaCheck(): (name: string, value: unknown) => void {
  // That they are schemas is held by test/catalogue.test.ts, once and not in every file.
  const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false, validateSchema: false });
  (formats as unknown as (ajv: Ajv2020) => void)(ajv);
  for (const file of readdirSync('schemas/api')) {
    if (file.endsWith('.json')) ajv.addSchema(JSON.parse(readFileSync(`schemas/api/${file}`, 'utf8')) as object);
  }
  return (name, value) => {
    const validate = ajv.getSchema(name) as ValidateFunction;
    if (!validate(value)) throw new Error(`not a ${name}: ${ajv.errorsText(validate.errors)}`);
  };
}
