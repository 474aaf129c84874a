/** From here on a look-up counts: it takes of the budget, and what comes of it speaks for or against the registry. */
import { SourceError, type SourceFailure } from '../../adapter.ts';
import { TimeUp } from '../deadline.ts';
import type { Known } from './around.ts';
import type { Finding } from './circuit.ts';
import type { LookUpOnce } from './question.ts';

/**
 * Which failures speak against a registry. Who refuses, answers nonsense or answers about another is there, and fast: to stop asking would
 * cost everybody the answers that are good, and hide what is wrong.
 */
const AGAINST: Readonly<Record<SourceFailure, boolean>> = {
  unreachable: true,
  timeout: true,
  error: true,
  refused: false,
  malformed: false,
  'wrong-subject': false,
};

/** To be put right behind the door: nothing may come between, and nothing is awaited between. */
export function withVerdict(next: LookUpOnce, { circuit, budget, clock, source }: Known): LookUpOnce {
  let lastError = '';
  /** An error about the same record again is about that record: one that no registry can read must not close the registry for all. */
  const findingOf = (reason: SourceFailure, record: string, fair: boolean): Finding => {
    if (!AGAINST[reason]) return 'answered';
    if (reason === 'timeout') return fair ? 'failed' : 'nothing';
    if (reason === 'unreachable') return 'failed';
    const again = record === lastError;
    lastError = record;
    return again ? 'nothing' : 'failed';
  };
  return async (question, signal) => {
    const passage = circuit.enter();
    budget.take(question.agency);
    // Whoever spent its time waiting asks too late for a fair answer; so does a process that is too busy to hear one.
    const early = question.until - clock() >= source.timeoutMs / 2;
    let finding: Finding = 'nothing';
    try {
      const answer = await next(question, signal);
      finding = 'answered';
      return answer;
    } catch (error) {
      if (error instanceof SourceError) {
        if (error.retryAfterSeconds) circuit.leaveAlone(error.retryAfterSeconds);
        const fair = early && !(signal.reason instanceof TimeUp && signal.reason.late);
        finding = findingOf(error.reason, `${question.dataset} ${question.key}`, fair);
      }
      throw error;
    } finally {
      circuit.leave(passage, finding);
    }
  };
}
