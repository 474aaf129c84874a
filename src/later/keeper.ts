/** Takes in what is to be completed later, and hands out what became of it to the agency that asked. */
import { setTimeout as after } from 'node:timers/promises';
import { actorIn } from '../access/mandates.ts';
import type { Caller, CompletedBy } from '../domain.ts';
import type { Keeper, Reply, Unfinished } from '../exchange.ts';
import { Problem } from '../problems.ts';
import { checkStanding } from '../stages/authenticate.ts';
import type { AuthoriseTools } from '../stages/authorise.ts';
import type { RecordTools } from '../stages/record.ts';
import { allowAgain, releaseOnRecord } from '../stages/release.ts';
import { later } from './pauses.ts';
import type { Kept, Over, Seal } from './sealed.ts';
import type { LaterStore, Task } from './store.ts';

/** Hears of what went wrong, for the operator; `about` is what it went wrong with. */
export type Report = (what: string, error: unknown, about?: Pick<Task, 'id' | 'agency'>) => void;

export interface KeeperTools extends Pick<RecordTools, 'log' | 'configDigest'>, AuthoriseTools {
  readonly store: LaterStore;
  readonly seal: Seal;
  readonly random: () => number;
  readonly report: Report;
}

/** Not there yet. */
export interface StillPending {
  readonly id: string;
  readonly by: CompletedBy;
  readonly until: string;
  readonly retryAfterSeconds: number;
}

export interface Completions extends Keeper {
  /** Throws a `Problem` where there is nothing for this caller, or not any more. */
  fetch(caller: Caller, id: string): Promise<StillPending | Reply>;
}

/** How long a caller waits for it to be kept. Milliseconds. */
const KEEP_MS = 1000;
const HOUR_MS = 3_600_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function completions(tools: KeeperTools): Completions {
  const { store, seal, catalogue, clock, random, report } = tools;

  /** Another gateway of the same database may have another key. */
  const opened = <T extends Kept | Over>(task: Task): T => {
    try {
      return seal.open<T>(task);
    } catch (cause) {
      throw new Problem('completion-unavailable', { cause });
    }
  };
  const drop = (id: string): Promise<void> =>
    store.remove(id).catch((error: unknown) => report('a prefill whose caller got no answer is kept to be completed', error));

  return {
    async keep({ id, authorised, waits }: Unfinished) {
      const { caller, request, grant } = authorised;
      const created = clock();
      const ends = created + catalogue.gateway.completion.forHours * HOUR_MS;
      const { completion: by = 'fetch' } = request;
      const { withheldUntil } = grant.disclosure ?? {};
      const kept: Kept = {
        by,
        client: caller.client,
        ...actorIn(caller),
        request,
        ...(withheldUntil === undefined ? {} : { withheldUntil }),
        purpose: grant.purpose,
        waits: [...waits.keys()],
        tries: 0,
      };
      const whose = { id, agency: caller.agency.id };
      const due = Math.min(ends, later(created, 0, Math.max(...waits.values()), random));
      const task = { ...whose, state: 'pending', created, due, ends, sealed: seal.seal(whose, kept) } as const;
      const adding = store.add(task, catalogue.gateway.completion.perAgency);
      try {
        // What cannot be kept is no reason to give no answer, nor is a store that hangs: the caller is told that nothing follows.
        const slow = after(KEEP_MS, undefined, { ref: false }).then(() => {
          throw new Error(`not kept within ${KEEP_MS} ms`);
        });
        if (await Promise.race([adding, slow])) return { by, until: new Date(ends).toISOString() };
        report('an agency leaves more prefills to be completed than it may', undefined, whose);
        return undefined;
      } catch (error) {
        report('a prefill could not be kept to be completed', error, whose);
        void adding.then(
          () => drop(id),
          () => undefined,
        );
        return undefined;
      }
    },
    drop,
    async fetch(caller, id) {
      checkStanding(tools.standing, caller, caller.officer);
      if (!UUID.test(id)) throw new Problem('unknown-completion');
      const task = await store.get(id).catch((cause: unknown) => {
        throw new Problem('completion-unavailable', { retryAfterSeconds: 2, cause });
      });
      // To a stranger it is as though there were none.
      if (task === undefined || task.agency !== caller.agency.id) throw new Problem('unknown-completion');
      // A supplier has what it began itself, and the agency all that was begun for it.
      if (caller.actor !== undefined && opened<Kept | Over>(task).actor !== caller.actor) throw new Problem('unknown-completion');
      // Its time is over, though it was not forgotten yet.
      if (task.due === undefined && task.ends <= clock()) throw new Problem('unknown-completion');
      if (task.state === 'delivered') throw new Problem('completion-delivered');
      if (task.state === 'expired') throw new Problem('completion-expired');
      if (task.state === 'refused') throw refusedFor(opened<Over>(task).code);
      const kept = opened<Kept>(task);
      if (kept.reply === undefined) return stillPending(task, kept, clock());
      const { prefill, receipt } = kept.reply;
      try {
        allowAgain(caller, kept, prefill, tools);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        await releaseOnRecord(tools, receipt, caller, 'completion-refused');
        // One who is stopped may be let in again: it is not refused for good.
        throw error.code === 'officer-stopped' ? error : refusedFor(error.code);
      }
      await releaseOnRecord(tools, receipt, caller, 'fetched');
      return kept.reply;
    },
  };
}

const refusedFor = (code: string | undefined): Problem => new Problem('completion-refused', code === undefined ? {} : { detail: code });

const stillPending = ({ id, due = 0, ends }: Task, { by }: Kept, now: number): StillPending => ({
  id,
  by,
  until: new Date(ends).toISOString(),
  retryAfterSeconds: Math.max(1, Math.ceil((due - now) / 1000)),
});
