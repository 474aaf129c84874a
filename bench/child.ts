/** The child's side of a benchmark process: says that it is ready, answers the parent's questions, ends with the parent. */

/** How a child is asked: by name, with an argument that survives JSON. */
export type Answers = Readonly<Record<string, (argument: unknown) => unknown>>;

export interface Question {
  readonly id: number;
  readonly name: string;
  readonly argument?: unknown;
}

export type Message =
  | { readonly ready: unknown }
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: string };

/** What the parent handed over at the start. */
export const handed = <T>(): T => JSON.parse(process.argv[2] ?? 'null') as T;

export function serve(ready: object, answers: Answers = {}): void {
  const known: Answers = { cpu, ...answers };
  process.on('message', (question: Question) => void reply(question, known));
  process.once('disconnect', () => process.exit());
  send({ ready });
}

/** Microseconds of all threads of this process, in user and in system mode, since its start. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

async function reply({ id, name, argument }: Question, answers: Answers): Promise<void> {
  try {
    const answer = answers[name];
    if (answer === undefined) throw new Error(`nobody answers ${name}`);
    send({ id, answer: (await answer(argument)) ?? null });
  } catch (error) {
    send({ id, error: String(error) });
  }
}

const send = (message: Message): void => void process.send?.(message);
