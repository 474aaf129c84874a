/** For citizens: who read my data, when, why, under which law. That a citizen looked is itself on record first. */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { AuditLog } from '../audit/log.ts';
import type { Conditions, LogSearch } from '../audit/search.ts';
import { leafHash } from '../audit/tree.ts';
import type { Catalogue } from '../catalogue/load.ts';
import { type Citizen, type Clock, dayInVietnam } from '../domain.ts';
import type { Pseudonyms } from '../pseudonyms.ts';
import type { Credentials } from '../stages/authenticate.ts';
import { asLogged } from './audit/conditions.ts';
import { accessOf } from './citizen/access.ts';
import { ledgerPage, type Shown } from './citizen/ledger.ts';
import { credentialsOf, offerNonce, operation } from './operation.ts';
import { putOnRecord } from './reading.ts';

export interface CitizenTools {
  readonly log: Pick<AuditLog, 'append' | 'entry'>;
  readonly search: LogSearch;
  readonly catalogue: Catalogue;
  readonly pseudonyms: Pseudonyms;
  readonly clock: Clock;
  /** The citizen who shows these. Throws a `Problem` where there is none. */
  readonly authenticate: (credentials: Credentials) => Promise<Citizen>;
  /** For proofs of those whose token is bound to a key. */
  readonly nonce: () => string;
  /** Counts a look by the pseudonym of who looks. Throws a `Problem` where there were too many. */
  readonly count: (citizen: string) => void;
}

interface AccessesBody extends Pick<Conditions, 'from' | 'to'> {
  readonly cursor?: string;
  readonly limit?: number;
}

export const citizenRoutes = (tools: CitizenTools): FastifyPluginAsync => {
  const { log, search, catalogue, pseudonyms, clock, authenticate, count, nonce } = tools;
  const citizens = new WeakMap<FastifyRequest, Citizen>();

  return async (server) => {
    server.post<{ Body: AccessesBody }>('/v1/accesses', {
      onRequest: async (request, reply) => {
        offerNonce(request, reply, nonce);
        const citizen = await authenticate(credentialsOf(request));
        count(pseudonyms.of('person', citizen.number));
        citizens.set(request, citizen);
      },
      schema: operation({
        summary: 'Who read my data, and why',
        description:
          'A citizen’s own ledger, newest first: which agency and officer, for which procedure and dossier, under which law, which fields left, each with a receipt. What concerns other people of the same dossier is left out.',
        tag: 'Citizens',
        scope: 'citizen',
        body: 'AccessesRequest',
        reply: 'Accesses',
        refusals: [400, 401, 403, 503],
      }),
      handler: async (request) => {
        const citizen = citizens.get(request);
        if (citizen === undefined) throw new Error('the route is not guarded');
        const { from, to, cursor, limit = 50 } = request.body;
        const own = pseudonyms.all('person', citizen.number);
        const { index } = await putOnRecord(
          { log, configDigest: catalogue.digest, clock },
          {
            kind: 'citizen-read',
            agency: 'citizen',
            client: citizen.issuer,
            subjects: { subject: pseudonyms.of('person', citizen.number) },
            query: { ...request.body },
          },
        );
        const page = await ledgerPage(
          { search, own, today: dayInVietnam(clock()) },
          { ...(from === undefined ? {} : { from: asLogged(from) }), ...(to === undefined ? {} : { to: asLogged(to) }) },
          // The signed head reaches up to the read itself; what comes after it is for the next time.
          Math.min(index, Number(cursor ?? index)),
          limit,
        );
        const accesses = await Promise.all(page.shown.map((shown) => accessWithReceipt(shown, new Set(own))));
        return { accesses, ...(page.next === undefined ? {} : { next: String(page.next) }) };
      },
    });
  };

  async function accessWithReceipt({ found, entry, outcome }: Shown, own: ReadonlySet<string>): Promise<object> {
    const { view, alone } = accessOf(entry, outcome, own, catalogue);
    const receipt = await log.entry(found.index);
    if (receipt === undefined) throw new Error('an entry that the signed head does not reach');
    if (alone && 'entry' in receipt) return { ...view, receipt };
    const { index, proof, checkpoint } = receipt;
    return { ...view, receipt: { index, leaf: leafHash(found.body).toString('base64'), proof, checkpoint } };
  }
};
