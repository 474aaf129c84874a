/** What comes in is taken as it stands, or refused: Fastify would drop unknown members, turn 7 into "7" and take the last of two equal ones. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { FastifyInstance } from 'fastify';
import { Problem } from '../problems.ts';
import { NotStrictJson, parseStrictJson } from './strict-json.ts';

/** By the list of schemas: servers of one process that are given the same compile them once. */
const validators = new WeakMap<readonly object[], Ajv2020>();

function makeValidators(): Ajv2020 {
  const ajv = new Ajv2020({
    coerceTypes: false,
    useDefaults: false,
    removeAdditional: false,
    allErrors: false,
    strict: true,
    strictRequired: false,
  });
  (formats as unknown as (ajv: Ajv2020) => void)(ajv);
  return ajv;
}

/** Validates by these schemas, and parses strictly. */
export function strictInput(server: FastifyInstance, schemas: readonly object[]): void {
  const ajv = validators.get(schemas) ?? makeValidators();
  validators.set(schemas, ajv);
  server.setValidatorCompiler(({ schema }) => {
    const id = (schema as { $id?: string; $ref?: string }).$ref ?? (schema as { $id?: string }).$id;
    for (const [name, known] of Object.entries(server.getSchemas())) {
      if (ajv.getSchema(name) === undefined) ajv.addSchema(known as object, name);
    }
    return (id === undefined ? undefined : ajv.getSchema(id.replace('#', ''))) ?? ajv.compile(schema);
  });
  // Fastify's own serialiser would drop from a reply whatever its schema does not name; tests hold replies to their schemas instead.
  server.setSerializerCompiler(() => (data) => JSON.stringify(data));
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (_request: unknown, body: Buffer) => {
    try {
      return parseStrictJson(body);
    } catch (error) {
      if (error instanceof NotStrictJson) throw new Problem('malformed-json', { detail: error.message });
      throw error;
    }
  });
}
