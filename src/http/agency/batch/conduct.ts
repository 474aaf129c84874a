/** One batch, from its first line to the end of its connection: whoever is too slow is told so, and whatever ends it is said in its last line. */
import type { PassThrough } from 'node:stream';
import { setTimeout as after, setImmediate as nextTurn } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Catalogue } from '../../../catalogue/load.ts';
import type { PrefillRequest } from '../../../domain.ts';
import { LEFT_BY_BATCHES, type Limits, tooMany } from '../../../misuse/limits.ts';
import { Problem, whereItArose } from '../../../problems.ts';
import type { Admission } from '../../admission.ts';
import { watchArrival } from '../../arrival.ts';
import { goneSignal } from '../../deadline.ts';
import { happening } from '../../happening.ts';
import { callerOf } from '../../operation.ts';
import { logFailure, problemDocument, toProblem } from '../../problem.ts';
import { type ExchangeInBatch, spliced } from '../prefilled.ts';
import { type Line, Lines } from './lines.ts';
import { endLine, type Said, type Worked, workOff } from './work.ts';

/** For a line to arrive, for what is unread to be read, for a busy gateway to have time. Less than the 30 s after which a silent connection is cut without a word. */
const PATIENCE_MS = 20_000;
/** How often a busy gateway is asked again. */
const PAUSE_MS = 100;
/** How long the rest of a body is thrown away: a connection that is closed on bytes that nobody took is reset, and the last line is lost with it. */
const LINGER_MS = 5000;
export const RETRY_SECONDS = 30;

export interface ConductTools {
  readonly catalogue: Catalogue;
  readonly admission: Admission;
  readonly limits: Pick<Limits, 'agency' | 'agencyWait' | 'tryOfficer'>;
  readonly exchangeInBatch: ExchangeInBatch;
}

export interface Conducted extends ConductTools {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly out: PassThrough;
  readonly readRequest: (line: Line) => PrefillRequest;
  /** Rejects once the token has expired. */
  readonly authenticated: () => Promise<unknown>;
  readonly stopping: AbortSignal;
}

/** Never rejects. */
export async function conduct(batch: Conducted): Promise<void> {
  const { catalogue, request, reply, out, stopping } = batch;
  const gone = goneSignal(reply);
  const early = new AbortController();
  const halt = AbortSignal.any([gone, stopping, early.signal]);
  watchArrival(request.raw);
  // Whoever writes after the caller has gone is told so by an event.
  out.on('error', () => {});
  try {
    const worked = await workOff({
      lines: new Lines(request.raw),
      out,
      atOnce: catalogue.gateway.batch.atOnce,
      patienceMs: PATIENCE_MS,
      halt,
      turn: () => turn(batch, halt),
      answer: (line) => answer(batch, line, gone, early, halt),
    });
    if (!gone.aborted) await finish(batch, worked, gone);
    const { problem, ...count } = worked;
    request.log.info({ ...count, ended: problem?.code ?? 'whole' }, 'batch');
  } catch (error) {
    if (!gone.aborted) request.log.error({ cause: whereItArose(error) }, 'batch broke off');
    request.raw.socket.destroy();
  }
}

/** A line waits where a single request would be refused, and judged is the token of now. */
async function turn({ admission, limits, request, authenticated }: Conducted, halt: AbortSignal): Promise<void> {
  const agency = callerOf(request).agency.id;
  // Many lines may have come at once, and none of them may have to wait for anything: others have their turn.
  await nextTurn();
  for (let waited = 0; ; waited += PAUSE_MS) {
    const wait = limits.agencyWait(agency, LEFT_BY_BATCHES);
    if (wait === 0 && !admission.crowded()) break;
    if (waited + wait > PATIENCE_MS) throw tooMany('the agency has asked as often as batches may', wait);
    if (waited >= PATIENCE_MS) throw new Problem('overloaded', { retryAfterSeconds: RETRY_SECONDS });
    await after(PAUSE_MS, undefined, { signal: halt }).catch(() => halt.throwIfAborted());
  }
  halt.throwIfAborted();
  limits.agency(agency);
  await authenticated();
}

/** A line waits for its official too. False where that would take too long, and then nothing was counted. */
async function officialsTurn({ limits, request }: Conducted, asked: PrefillRequest, halt: AbortSignal): Promise<boolean> {
  for (let waited = 0; !halt.aborted; waited += PAUSE_MS) {
    const wait = limits.tryOfficer(callerOf(request), asked, LEFT_BY_BATCHES);
    if (wait === 0) return true;
    if (waited + wait > PATIENCE_MS) return false;
    await after(PAUSE_MS, undefined, { signal: halt }).catch(() => {});
  }
  return false;
}

async function answer(
  batch: Conducted,
  line: Line,
  gone: AbortSignal,
  early: AbortController,
  halt: AbortSignal,
): Promise<Said | undefined> {
  const { request, readRequest, admission, exchangeInBatch } = batch;
  try {
    const asked = readRequest(line);
    const counted = await officialsTurn(batch, asked, halt);
    admission.enter();
    const done = await exchangeInBatch(callerOf(request), asked, gone, counted).finally(() => admission.leave());
    return done && { text: spliced(done), refused: false };
  } catch (error) {
    const problem = toProblem(error);
    logFailure(problem, request);
    // Every line to come would hear the same.
    if (problem.code === 'log-unavailable') early.abort(problem);
    return { text: `"problem":${JSON.stringify(problemDocument(problem))}`, refused: true };
  }
}

/** The last line; and a connection that is left in good order, or cut. */
async function finish({ request, reply, out }: Conducted, worked: Worked, gone: AbortSignal): Promise<void> {
  out.write(endLine(worked));
  if (!request.raw.readableEnded) {
    request.raw.resume();
    await happening(request.raw, ['end'], LINGER_MS, gone);
  }
  out.end();
  const read = reply.raw.closed || (await happening(reply.raw, ['close'], PATIENCE_MS, gone));
  if (!read || !request.raw.readableEnded) request.raw.socket.destroy();
}
