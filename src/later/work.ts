/** One step for one task: what was away is asked for again, or what came is delivered. What comes of it is the task as it is now. */
import { actorIn } from '../access/mandates.ts';
import { SourceError } from '../adapter.ts';
import { type Caller, dayInVietnam, type PrefillRequest } from '../domain.ts';
import type { Attempt } from '../exchange.ts';
import { Problem, type ProblemCode, problems } from '../problems.ts';
import { callerAgain, heldBack } from '../stages/authenticate.ts';
import type { Completes } from '../stages/record.ts';
import { allowAgain, releaseOnRecord } from '../stages/release.ts';
import type { EventOf } from './event.ts';
import type { KeeperTools } from './keeper.ts';
import { later } from './pauses.ts';
import type { Kept } from './sealed.ts';
import type { Task } from './store.ts';

export interface WorkTools extends KeeperTools {
  readonly attempt: (
    caller: Caller,
    request: PrefillRequest,
    completes: Completes,
    waited: readonly string[],
    gone: AbortSignal,
  ) => Promise<Attempt | undefined>;
  /** Seconds for which it is not worth asking a source. */
  readonly wait: (source: string, agency: string) => number;
  readonly event: EventOf;
  /** Brings an event to an agency. Resolves when it was acknowledged. */
  readonly post: (agency: string, event: string, signal: AbortSignal) => Promise<void>;
}

export type Step = (task: Task, stop: AbortSignal) => Promise<Task>;

const HOUR_MS = 3_600_000;
/** The longer it has waited, the less often it is looked whether a registry is back: many may wait for one that is away for hours. */
const WAITED_SHARE = 0.2;
const LONGEST_LOOK_SECONDS = 600;
/** A task that this gateway's key does not open is left to one whose key does. */
const UNOPENED_SECONDS = 600;
/** How soon it is looked whether somebody who was shut out was let in. */
const HELD_SECONDS = 10;

export function step(tools: WorkTools): Step {
  const { seal, catalogue, standing, clock, random, report } = tools;
  const keptUntil = (): number => clock() + catalogue.gateway.completion.keepHours * HOUR_MS;
  /** Only the fact remains. */
  const over = (task: Task, state: 'delivered' | 'refused' | 'expired', by: Pick<Kept, 'actor'>, code?: ProblemCode): Task => ({
    ...task,
    state,
    due: undefined,
    ends: keptUntil(),
    sealed: seal.seal(task, { ...(code === undefined ? {} : { code }), ...actorIn(by) }),
  });
  const again = (task: Task, kept: Kept, seconds: number): Task => ({
    ...task,
    due: Math.min(task.ends, later(clock(), kept.tries, seconds, random)),
    sealed: seal.seal(task, { ...kept, tries: kept.tries + 1 }),
  });
  const callerOf = (task: Task, { client, actor }: Kept): Caller => {
    const acted = actor === undefined ? undefined : { actor, today: dayInVietnam(clock()) };
    return callerAgain(catalogue.agencies, standing, task.agency, client, acted);
  };

  const held = (task: Task, { request, actor }: Kept): boolean =>
    heldBack(catalogue.agencies, standing, task.agency, request.officer, actor);
  const hold = (task: Task): Task => ({ ...task, due: Math.min(task.ends, later(clock(), 0, HELD_SECONDS, random)) });

  const ask = async (task: Task, kept: Kept, stop: AbortSignal): Promise<Task> => {
    const closed = Math.max(0, ...kept.waits.map((source) => tools.wait(source, task.agency)));
    if (closed > 0) {
      const waited = Math.min(LONGEST_LOOK_SECONDS, (WAITED_SHARE * (clock() - task.created)) / 1000);
      return { ...task, due: Math.min(task.ends, later(clock(), 0, Math.max(closed, waited), random)) };
    }
    const { withheldUntil, purpose } = kept;
    const completes = {
      id: task.id,
      ...(withheldUntil === undefined ? {} : { withheldUntil }),
      ...(purpose === undefined ? {} : { purpose }),
    };
    const attempt = await tools.attempt(callerOf(task, kept), kept.request, completes, kept.waits, stop);
    if (attempt === undefined) return task;
    if ('waits' in attempt) return again(task, { ...kept, waits: [...attempt.waits.keys()] }, Math.max(0, ...attempt.waits.values()));
    const sealed = seal.seal(task, { ...kept, tries: 0, reply: attempt.reply });
    const done = { ...task, ends: keptUntil(), sealed };
    return kept.by === 'deliver' ? { ...done, state: 'delivering', due: clock() } : { ...done, state: 'ready', due: undefined };
  };

  const deliver = async (task: Task, kept: Kept, reply: NonNullable<Kept['reply']>, stop: AbortSignal): Promise<Task> => {
    try {
      allowAgain(callerOf(task, kept), kept, reply.prefill, tools);
    } catch (error) {
      if (error instanceof Problem) await releaseOnRecord(tools, reply.receipt, kept, 'completion-refused');
      throw error;
    }
    await releaseOnRecord(tools, reply.receipt, kept, 'sent');
    await tools.post(task.agency, await tools.event(task, reply), stop);
    return over(task, 'delivered', kept);
  };

  return async (task, stop) => {
    const late = clock() >= task.ends;
    if (late && task.state !== 'pending') report('a completed prefill was not taken by its receiver in its time', undefined, task);
    let kept: Kept;
    try {
      kept = seal.open<Kept>(task);
    } catch (error) {
      if (late) return over(task, 'expired', {});
      report('what is kept to be completed was not sealed with this key: gateways of one database need the same keys.json', error, task);
      return { ...task, due: Math.min(task.ends, later(clock(), 0, UNOPENED_SECONDS, random)) };
    }
    // Its time passes for one who is shut out too: held beyond it, it would be due again and again, before all others.
    if (late) return over(task, 'expired', kept);
    if (held(task, kept)) return hold(task);
    try {
      return kept.reply === undefined ? await ask(task, kept, stop) : await deliver(task, kept, kept.reply, stop);
    } catch (error) {
      // What this process was told to leave, the next one does.
      if (stop.aborted) return task;
      // Shut out while it was worked on: what was refused for that alone is not over.
      if (held(task, kept)) return hold(task);
      if (error instanceof Problem && problems[error.code].status < 500) return over(task, 'refused', kept, error.code);
      const sending = kept.reply !== undefined;
      report(sending ? 'a completed prefill could not be delivered' : 'a prefill could not be completed', error, task);
      const seconds = error instanceof SourceError || error instanceof Problem ? secondsOf(error) : 0;
      return again(sending ? { ...task, state: 'failing' } : task, kept, seconds);
    }
  };
}

const secondsOf = (error: SourceError | Problem): number =>
  (error instanceof Problem ? error.options.retryAfterSeconds : error.retryAfterSeconds) ?? 0;
