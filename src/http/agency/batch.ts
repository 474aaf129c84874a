/** `POST /v1/prefills/batch`: many prefills in one request, as a stream of lines each way, in constant memory and behind whoever waits for one. */
import { PassThrough } from 'node:stream';
import type { FastifyInstance, FastifySchemaCompiler } from 'fastify';
import type { PrefillRequest, Scope } from '../../domain.ts';
import { Problem } from '../../problems.ts';
import { callerOf, operation, type RouteAuthentication } from '../operation.ts';
import { toProblem } from '../problem.ts';
import { NotStrictJson, parseStrictJson } from '../strict-json.ts';
import { type ConductTools, conduct, RETRY_SECONDS } from './batch/conduct.ts';
import { LINE_BYTES, type Line } from './batch/lines.ts';
import { Slots } from './batch/slots.ts';

const TYPE = 'application/x-ndjson';
/** What the gateway keeps of answers that the caller does not read; with it a caller who sends all before reading gets through a batch of moderate size. */
const UNREAD_BYTES = 1024 * 1024;

export interface BatchTools extends ConductTools {
  readonly authentication: (scope?: Scope) => RouteAuthentication;
}

export async function batchRoute(server: FastifyInstance, tools: BatchTools): Promise<void> {
  const { catalogue, authentication } = tools;
  const { atOnce, batches } = catalogue.gateway.batch;
  const slots = new Slots(batches);
  const stopping = new AbortController();
  server.addHook('preClose', async () => stopping.abort(new Problem('stopping', { retryAfterSeconds: RETRY_SECONDS })));
  const guard = authentication('prefill').onRequest;
  const readRequest = requestReader(server.validatorCompiler);
  // The body is a stream that the handler reads: nothing is parsed or validated before it.
  server.removeAllContentTypeParsers();
  server.addContentTypeParser(TYPE, (_request, _body, done) => done(null));

  server.post('/v1/prefills/batch', {
    onRequest: guard,
    validatorCompiler: () => () => true,
    schema: operation({
      summary: 'Fill many forms',
      description: `One \`PrefillRequest\` a line, each authorised, put on record and answered by itself as \`POST /v1/prefills\` does; one \`PrefillBatchLine\` a line back, in the order in which they are done, while the body still arrives. The last line counts them: without it the answer was cut off, and where its \`end\` is false, each line up to \`read\` was answered and none after it. At most ${atOnce} lines are worked on at once.`,
      tag: 'Agencies',
      scope: 'prefill',
      body: {
        type: TYPE,
        description: `A \`PrefillRequest\` a line, of at most ${LINE_BYTES} bytes; any number of lines.`,
        example: EXAMPLE,
      },
      reply: { type: TYPE, description: 'A `PrefillBatchLine` a line.' },
      refusals: [401, 403, 415, 503],
    }),
    handler: async (request, reply) => {
      stopping.signal.throwIfAborted();
      const { agency } = callerOf(request);
      if (!slots.enter(agency.id))
        throw new Problem('overloaded', { detail: 'as many batches are at work as may be', retryAfterSeconds: RETRY_SECONDS });
      const out = new PassThrough({ writableHighWaterMark: UNREAD_BYTES });
      const authenticated = (): Promise<unknown> => guard.call(server, request, reply);
      void conduct({ ...tools, request, reply, out, readRequest, authenticated, stopping: stopping.signal }).finally(() =>
        slots.leave(agency.id),
      );
      return reply.type(`${TYPE}; charset=utf-8`).send(out);
    },
  });
}

const EXAMPLE = `${JSON.stringify({
  procedure: '1.004873',
  dossier: 'X01.1-261122-0002',
  officer: 'X01.1-0042',
  subject: '003088000131',
})}\n`;

/** What a line asks, by the same parser and schema as a single request. Throws a `Problem`. */
function requestReader(compile: FastifySchemaCompiler<unknown> | undefined): (line: Line) => PrefillRequest {
  if (compile === undefined) throw new Error('the server validates nothing');
  const validate = compile({ schema: { $ref: 'PrefillRequest#' }, method: 'POST', url: '/v1/prefills', httpPart: 'body' });
  return ({ bytes }) => {
    if (bytes === undefined) throw new Problem('body-too-large', { detail: `a line holds at most ${LINE_BYTES} bytes` });
    try {
      const value = parseStrictJson(bytes);
      if (validate(value) === true) return value as PrefillRequest;
    } catch (error) {
      if (error instanceof NotStrictJson) throw new Problem('malformed-json', { detail: error.message });
      throw error;
    }
    throw toProblem({ validation: validate.errors });
  };
}
