/** `POST /v1/audit/export`: everything a search finds as one stream, in constant memory, that cannot end early unnoticed. */
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Found, LogSearch, SearchQuery } from '../../audit/search.ts';
import { Problem, whereItArose } from '../../problems.ts';
import { checkStanding } from '../../stages/authenticate.ts';
import type { AuditorTools } from '../auditor.ts';
import { callerOf, operation } from '../operation.ts';
import { readerOf } from '../reading.ts';
import { auditorsQuery, type ConditionsBody } from './conditions.ts';
import { FORMATS, type Format } from './formats.ts';

/** Exports at work at once: each keeps the search busy for as long as its caller reads. */
const MAX_EXPORTS = 4;
/** Entries taken from the search at a time. */
const PAGE = 200;
/** Characters handed on at a time. */
const PIECE = 64 * 1024;

interface ExportBody extends ConditionsBody {
  readonly format: keyof typeof FORMATS;
}

export function exportRoute(server: FastifyInstance, tools: AuditorTools): void {
  const { search, pseudonyms, authentication, clock, onRecord, standing } = tools;
  const running = new Set<Readable>();
  let atWork = 0;
  let stopping = false;
  // A process that is told to stop does not wait for a reader: the connection breaks, and who reads sees that it did.
  server.addHook('preClose', async () => {
    stopping = true;
    for (const stream of running) stream.destroy(new Error('the gateway is stopping'));
  });
  /** A search that fails at once is a refusal like any other; once the reply has begun, there is only the connection to break. */
  const begin = async (request: FastifyRequest, { format, ...body }: ExportBody, reply: FastifyReply): Promise<Readable> => {
    const { query, recorded } = auditorsQuery(body, pseudonyms);
    const [caller, reader] = [callerOf(request), readerOf(request, body)];
    await onRecord(caller, { ...reader, query: { ...recorded, format } });
    const look = (): void => checkStanding(standing, caller, reader.auditor);
    const pages = everyPage(search, query, unhurried(reply));
    return Readable.from(written(await pages.next(), pages, FORMATS[format], reply, look), { objectMode: false, highWaterMark: PIECE });
  };

  server.post<{ Body: ExportBody }>('/v1/audit/export', {
    ...authentication('audit'),
    schema: operation({
      summary: 'Everything a search finds, as a stream',
      description:
        'Newest first, of any size. NDJSON ends with `{"end":true,"entries":<count>}`, CSV with a record that begins with `end` and the count: an export without that end was cut off, and goes on with `cursor` set to the index of its last whole record. The export and its reason are put on record first.',
      tag: 'Auditors',
      scope: 'audit',
      body: 'AuditExport',
      reply: { type: Object.values(FORMATS).map(({ type }) => type), description: 'The entries.' },
      refusals: [400, 401, 403, 503],
    }),
    handler: async (request, reply) => {
      if (stopping || atWork >= MAX_EXPORTS) throw new Problem('overloaded', { retryAfterSeconds: 30 });
      const { format } = request.body;
      atWork++;
      const stream = await begin(request, request.body, reply).catch((error: unknown) => {
        atWork--;
        throw error;
      });
      running.add(stream);
      stream.once('close', () => {
        running.delete(stream);
        atWork--;
      });
      const stamp = new Date(clock()).toISOString().replace(/[-:]|\.\d+/g, '');
      return reply
        .type(`${FORMATS[format].type}; charset=utf-8`)
        .header('content-disposition', `attachment; filename="audit-${stamp}.${format}"`)
        .send(stream);
    },
  });
}

type Pages = AsyncGenerator<readonly Found[], void>;
type Unhurried = <T>(work: () => Promise<T>) => Promise<T>;

/** Newest first; what is appended meanwhile stands before the first page and so changes none. */
async function* everyPage(search: LogSearch, query: Omit<SearchQuery, 'limit'>, unhurriedly: Unhurried): Pages {
  let from = query;
  for (;;) {
    const asked = { ...from, limit: PAGE };
    const found = await unhurriedly(() => search.search(asked));
    yield found;
    const last = found.at(-1);
    if (last === undefined || found.length < PAGE) return;
    from = { ...query, before: last.index };
    // A search in this process may never wait for anything: others have their turn.
    await setImmediate();
  }
}

/** The text of the whole export, in pieces; the next page is fetched when the one before has been read. Before each `look` throws where the reader was shut out. */
async function* written(
  first: IteratorResult<readonly Found[], void>,
  pages: Pages,
  format: Format,
  reply: FastifyReply,
  look: () => void,
): AsyncGenerator<string> {
  let text = format.head;
  let entries = 0;
  try {
    for (let page = first; !page.done; page = await pages.next()) {
      for (const found of page.value) {
        text += format.line(found);
        entries++;
        if (text.length < PIECE) continue;
        look();
        yield text;
        text = '';
      }
    }
    look();
    yield text + format.end(entries);
  } catch (error) {
    reply.log.error({ entries, cause: whereItArose(error) }, 'export broke off');
    // Said anew, since Fastify logs it with its message.
    throw new Error('the export broke off');
  } finally {
    await pages.return();
  }
}

/** While the gateway itself is searching, that nothing moves on the connection is not its reader's fault. */
const unhurried =
  ({ raw, server }: FastifyReply): Unhurried =>
  async (work) => {
    const { socket } = raw;
    if (!(socket instanceof Socket)) return work();
    socket.setTimeout(0);
    try {
      return await work();
    } finally {
      socket.setTimeout(server.server.timeout);
    }
  };
