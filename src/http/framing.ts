/** How a request says that it is written: what we and something in front of us could read in two ways is refused. */
import type { FastifyInstance } from 'fastify';
import { Problem } from '../problems.ts';

/** Of two of these Node takes the first without a word; something in front may have judged by the second (RFC 9112 §3.2). */
const ONCE = new Set(['host', 'content-type']);
const CHARSET = /;\s*charset\s*=\s*"?([^\s";]*)/gi;

/** To be called before there are routes. */
export function refuseAmbiguous(server: FastifyInstance): void {
  server.addHook('onRequest', async ({ raw: { rawHeaders, headers } }) => {
    const seen = new Set<string>();
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i]?.toLowerCase() ?? '';
      if (!ONCE.has(name)) continue;
      if (seen.has(name)) throw new Problem('invalid-request', { detail: `the header ${name} stands twice` });
      seen.add(name);
    }
    // Node takes the chunks off and leaves every other coding as it is (RFC 9112 §6.1).
    const coding = headers['transfer-encoding'];
    if (coding !== undefined && coding.toLowerCase() !== 'chunked')
      throw new Problem('invalid-request', { detail: 'no transfer coding but chunked is taken' });
  });
  server.addHook('preParsing', async ({ headers }) => {
    const coding = headers['content-encoding'];
    if (coding !== undefined && coding !== 'identity')
      throw new Problem('unsupported-media-type', { detail: 'no content coding is taken' });
    // Bodies are read as UTF-8, whatever is said of them.
    for (const [, charset] of (headers['content-type'] ?? '').matchAll(CHARSET))
      if (charset?.toLowerCase() !== 'utf-8') throw new Problem('unsupported-media-type', { detail: 'no charset but UTF-8 is taken' });
  });
}
