/** `GET /v1/audit/entries/{index}`: one entry with its proof; and beside it why that request got what it got. */
import type { FastifyInstance } from 'fastify';
import { Problem } from '../../problems.ts';
import type { AuditorTools } from '../auditor.ts';
import { callerOf, operation } from '../operation.ts';
import { READER_HEADERS, readerOf } from '../reading.ts';
import { explanation } from './explanation.ts';

const PARAMS = {
  index: { type: 'string', pattern: '^(0|[1-9][0-9]{0,14})$', description: 'Place of the entry in the log.', examples: ['0'] },
};
/** Far more than one request makes. */
const MAX_ENTRIES = 100;

interface At {
  readonly Params: { readonly index: string };
}

export function entryRoutes(server: FastifyInstance, tools: AuditorTools): void {
  const { log, search, catalogue, authentication, onRecord } = tools;

  server.get<At>('/v1/audit/entries/:index', {
    ...authentication('audit'),
    schema: operation({
      summary: 'One entry with the proof that it is in the log',
      description: 'Or with the proof of its hash, where its body was forgotten at the end of its time.',
      tag: 'Auditors',
      scope: 'audit',
      params: PARAMS,
      headers: READER_HEADERS,
      reply: 'EntryProof',
      refusals: [400, 401, 403, 404, 503],
    }),
    handler: async (request) => {
      const index = Number(request.params.index);
      await onRecord(callerOf(request), { ...readerOf(request), query: { index } });
      const proof = await log.entry(index);
      if (proof === undefined) throw new Problem('unknown-entry');
      return proof;
    },
  });

  server.get<At>('/v1/audit/entries/:index/explanation', {
    ...authentication('audit'),
    schema: operation({
      summary: 'Why that request got what it got',
      description:
        'All entries of the request put in order: who asked, the rule with its citations, which registries were asked and what each said, what left and what did not, the verdicts, how long it took. Never a value.',
      tag: 'Auditors',
      scope: 'audit',
      params: PARAMS,
      headers: READER_HEADERS,
      reply: 'AuditExplanation',
      refusals: [400, 401, 403, 404, 410, 503],
    }),
    handler: async (request) => {
      const index = Number(request.params.index);
      await onRecord(callerOf(request), { ...readerOf(request), query: { index, view: 'explanation' } });
      const proof = await log.entry(index);
      if (proof === undefined) throw new Problem('unknown-entry');
      if (!('entry' in proof)) throw new Problem('entry-pruned');
      const found = await search.search({ id: String(proof.entry.id), limit: MAX_ENTRIES });
      return explanation(found, catalogue);
    },
  });
}
