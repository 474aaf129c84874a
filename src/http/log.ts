/** The log for outsiders: the keys that verify it, its signed head, and its tree and entries as tiles (C2SP tlog-tiles). */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyPluginAsync, FastifyReply } from 'fastify';
import { readCheckpoint } from '../audit/checkpoint.ts';
import { parseNote } from '../audit/note.ts';
import { LogBroken, type LogReader } from '../audit/store.ts';
import { encodeBundle, parseTilePath, type TilePath, widthIn } from '../audit/tiles.ts';
import { HASH_BYTES, TILE_WIDTH } from '../audit/tree.ts';
import type { Scope } from '../domain.ts';
import { Problem } from '../problems.ts';
import { callerOf, operation, type RouteAuthentication } from './operation.ts';
import { type OnRecord, READER_HEADERS, readerOf } from './reading.ts';

export interface LogTools {
  readonly reader: LogReader;
  /** Every verifier key of the log as text, newest first. */
  readonly verifierKeys: readonly string[];
  /** Whether only what a quorum of witnesses cosigned is shown. */
  readonly witnessed: boolean;
  readonly onRecord: OnRecord;
  readonly authentication: (scope: Scope) => RouteAuthentication;
}

const FOR_EVER = 'public, max-age=31536000, immutable';
const TILE = 'Which tile, as C2SP tlog-tiles writes it: `x001/x234/067`, with `.p/<width>` for the first hashes of one.';

export const logRoutes = ({ reader, verifierKeys, witnessed, onRecord, authentication }: LogTools): FastifyPluginAsync => {
  const published = async (): Promise<string> => {
    const { checkpoint, cosigned } = await reader.head();
    const newest = witnessed ? cosigned : checkpoint;
    if (newest === undefined) throw new Problem('not-found', { detail: witnessed ? 'no head has been witnessed yet' : 'the log is empty' });
    return newest;
  };
  /** What the address names, where the published tree has it: what it does not reach yet could still become another. */
  const within = async (path: string): Promise<TilePath> => {
    const tile = parseTilePath(path);
    if (tile === undefined) throw new Problem('not-found');
    const { size } = readCheckpoint(parseNote(await published()).body);
    if (tile.width > widthIn(size, tile)) throw new Problem('not-found', { detail: 'the tree does not reach so far' });
    return tile;
  };

  return async (server) => {
    server.get('/v1/log/key', {
      schema: operation({
        summary: 'The keys that verify the log',
        description: 'C2SP verifier keys as text, one a line, the newest first. Keep them: with them every receipt verifies offline.',
        tag: 'The log',
        scope: 'none',
        reply: { type: 'text/plain', description: '`<name>+<key id>+<base64>`' },
      }),
      handler: async (_request, reply) => text(reply).send(verifierKeys.map((key) => `${key}\n`).join('')),
    });
    server.get('/v1/log/checkpoint', {
      schema: operation({
        summary: 'The signed head of the log',
        description:
          'A C2SP checkpoint; where the log has witnesses, the newest that enough of them cosigned. Kept elsewhere, it shows later whether the log was rolled back.',
        tag: 'The log',
        scope: 'none',
        reply: { type: 'text/plain', description: 'A signed note.' },
        refusals: [404],
      }),
      handler: async (_request, reply) => {
        const checkpoint = await published();
        return text(reply).header('cache-control', 'public, max-age=2').send(checkpoint);
      },
    });
    server.get<{ Params: { level: string; '*': string } }>('/v1/log/tile/:level/*', {
      schema: operation({
        summary: 'A tile of the tree',
        description:
          'Hashes of 32 bytes, one after another: from them anyone makes a proof of any entry, or that one head continues another.',
        tag: 'The log',
        scope: 'none',
        params: {
          level: { type: 'string', description: 'Level of the tile, 0 to 63.', examples: ['0'] },
          '*': { type: 'string', description: TILE, examples: ['000.p/1'] },
        },
        reply: { type: 'application/octet-stream', description: '256 hashes, or as many as the address says.' },
        refusals: [404],
      }),
      handler: async ({ params }, reply) => {
        const { level, index, width } = await within(`${params.level}/${params['*']}`);
        if (level === 'entries') throw new Problem('not-found');
        const hashes = await reader.tile(level, index);
        if (hashes.length < width * HASH_BYTES) throw new LogBroken(`the log lost hashes of its tile ${level}/${index}`);
        // A full one has the same hashes at its beginning: what is asked for stays the same for ever.
        return octets(reply)
          .header('cache-control', FOR_EVER)
          .send(hashes.subarray(0, width * HASH_BYTES));
      },
    });
    server.get<{ Params: { '*': string } }>('/v1/log/tile/entries/*', {
      ...authentication('audit'),
      schema: operation({
        summary: 'A bundle of entries',
        description:
          'Each entry after its length, a big-endian 16-bit number; one whose body was forgotten has length 0, and its hash stands in the tile of level 0. The read is put on record first.',
        tag: 'The log',
        scope: 'audit',
        params: { '*': { type: 'string', description: TILE.replace('hashes', 'entries'), examples: ['000.p/1'] } },
        headers: READER_HEADERS,
        reply: { type: 'application/octet-stream', description: '256 entries, or as many as the address says.' },
        refusals: [400, 401, 403, 404, 503],
      }),
      handler: async (request, reply) => {
        const who = readerOf(request);
        const { index, width } = await within(`entries/${request.params['*']}`);
        await onRecord(callerOf(request), { ...who, query: { bundle: index, width } });
        const bodies = await reader.read(index * TILE_WIDTH, index * TILE_WIDTH + width);
        if (bodies.length !== width) throw new LogBroken(`the log lost entries of its bundle ${index}`);
        const bundle = encodeBundle(bodies);
        // No cache: each read is on record, and what was forgotten must not live on in one.
        octets(reply).header('cache-control', 'private, no-store').header('vary', 'accept-encoding');
        if (!takesGzip(request.headers['accept-encoding'])) return reply.send(bundle);
        return reply.header('content-encoding', 'gzip').send(await promisify(gzip)(bundle));
      },
    });
  };
};

const text = (reply: FastifyReply): FastifyReply => reply.type('text/plain; charset=utf-8');
const octets = (reply: FastifyReply): FastifyReply => reply.type('application/octet-stream');

/** Whether the header lists gzip, or anything at all, without forbidding it (RFC 9110 §12.5.3). */
function takesGzip(header = ''): boolean {
  const codings = header.split(',').map((one) => one.toLowerCase().replaceAll(/\s/g, '').split(';'));
  const [, ...parameters] = codings.find(([name]) => name === 'gzip') ?? codings.find(([name]) => name === '*') ?? ['', 'q=0'];
  return !parameters.some((one) => /^q=0(\.0*)?$/.test(one));
}
