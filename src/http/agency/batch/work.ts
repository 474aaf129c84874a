/** Works off the lines of a batch, a few at once, and says at its end how many there were: an answer without that end was cut off. */
import type { Writable } from 'node:stream';
import { Problem } from '../../../problems.ts';
import { happening } from '../../happening.ts';
import { problemDocument } from '../../problem.ts';
import type { Line, Lines } from './lines.ts';

export interface Work {
  readonly lines: Lines;
  /** Takes the answers; its buffer bounds what the caller leaves unread. */
  readonly out: Writable;
  readonly atOnce: number;
  /** How long the caller has to send a line, and to read what fills the buffer. */
  readonly patienceMs: number;
  /** Aborts with the `Problem` for which no further line is taken, or with another reason where nobody is there any more. */
  readonly halt: AbortSignal;
  /** Resolves when the next line may be worked on. Rejects as `halt` aborts. */
  readonly turn: () => Promise<void>;
  /** What a line gets; undefined where nobody is there any more. Never rejects. */
  readonly answer: (line: Line) => Promise<Said | undefined>;
}

/** Members of a JSON object. */
export interface Said {
  readonly text: string;
  readonly refused: boolean;
}

export interface Worked {
  /** Each line up to this one was taken, and none after it. */
  read: number;
  answered: number;
  refused: number;
  /** Why the lines after it were not taken. */
  problem?: Problem;
}

/** Resolves when every line that was taken has its answer in `out`. Rejects with the reason of `halt` where that is no `Problem`. */
export async function workOff({ lines, out, atOnce, patienceMs, halt, turn, answer }: Work): Promise<Worked> {
  const worked: Worked = { read: 0, answered: 0, refused: 0 };
  let atWork = 0;
  let done = (): void => {};
  const oneDone = (): Promise<void> => new Promise((resolve) => (done = resolve));
  const begin = async (line: Line): Promise<void> => {
    const said = await answer(line);
    if (said !== undefined) {
      worked[said.refused ? 'refused' : 'answered']++;
      out.write(`{"line":${line.number},${said.text}}\n`);
    }
    atWork--;
    done();
  };
  try {
    for (;;) {
      while (atWork >= atOnce) await oneDone();
      if (out.writableNeedDrain && !(await happening(out, ['drain'], patienceMs, halt))) {
        halt.throwIfAborted();
        throw new Problem('reply-not-read');
      }
      const line = await lines.next(patienceMs, halt);
      if (line === undefined) break;
      await turn();
      worked.read++;
      atWork++;
      void begin(line);
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    worked.problem = error;
  }
  while (atWork > 0) await oneDone();
  return worked;
}

/** The last line. `end` is true only where the body was worked off to its end. */
export function endLine({ problem, ...count }: Worked): string {
  const early = problem && { problem: problemDocument(problem), retryAfterSeconds: problem.options.retryAfterSeconds };
  return `${JSON.stringify({ end: problem === undefined, ...count, ...early })}\n`;
}
