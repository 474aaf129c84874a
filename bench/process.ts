/** The parent's side of a benchmark process: starts it, asks it, ends it. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { Message } from './child.ts';

export interface Child<Ready> {
  readonly ready: Ready;
  ask<T>(name: string, argument?: unknown): Promise<T>;
  stop(): Promise<void>;
}

/** `file` beside this one. What the child writes to stdout is thrown away: a log line costs its making, and nobody's reading. */
export async function startChild<Ready>(file: string, argument: unknown = null): Promise<Child<Ready>> {
  const child = fork(join(import.meta.dirname, file), [JSON.stringify(argument)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>();
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let last = 0;
  const ready = await new Promise<Ready>((resolve, reject) => {
    void ended.then(() => {
      const error = new Error(`${file} ended`);
      reject(error);
      for (const one of waiting.values()) one.reject(error);
    });
    child.on('message', (message: Message) => {
      if ('ready' in message) return resolve(message.ready as Ready);
      const one = waiting.get(message.id);
      waiting.delete(message.id);
      if ('error' in message) one?.reject(new Error(`${file}: ${message.error}`));
      else one?.resolve(message.answer);
    });
  });
  return {
    ready,
    ask: <T>(name: string, asked?: unknown) =>
      new Promise<T>((resolve, reject) => {
        const id = ++last;
        waiting.set(id, { resolve: (answer) => resolve(answer as T), reject });
        child.send({ id, name, argument: asked });
      }),
    stop: async () => {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
