/** Shut-outs with all that belongs to them: where they are kept, how every gateway follows, who shuts out and lets in. */
import { type KeptOut, openKeptOut } from './kept-out.ts';
import { type DeskTools, type ShutOutDesk, shutOutDesk } from './shut-out-desk.ts';
import type { ShutOut, ShutOutStore } from './shut-outs.ts';
import { openPostgresShutOuts } from './shut-outs-postgres.ts';
import { openSqliteShutOuts } from './shut-outs-sqlite.ts';

/** How often each gateway looks what others did: with what it takes to look, everybody follows within a second. */
export const FOLLOW_MS = 400;

export interface ShutOutOptions {
  /** An SQLite file, unless a database has them. */
  readonly path: string;
  readonly databaseUrl: string | undefined;
  readonly clock: () => number;
  /** Hears of what the operator should know: with an id and a kind, never with a name. */
  readonly report: (what: string, about?: { readonly id: string; readonly kind: string }, error?: unknown) => void;
}

export interface ShutOuts {
  readonly keptOut: KeptOut;
  /** Once there is a log to write to. */
  desk(tools: Pick<DeskTools, 'log' | 'configDigest'>): ShutOutDesk;
}

/** What is opened is put on the stack, and begun. Rejects where it cannot be read who is shut out: then nobody may be let in. */
export async function openShutOuts({ path, databaseUrl, clock, report }: ShutOutOptions, opened: AsyncDisposableStack): Promise<ShutOuts> {
  const store: ShutOutStore = databaseUrl === undefined ? openSqliteShutOuts(path) : await openPostgresShutOuts(databaseUrl);
  opened.defer(() => store.close());
  const keptOut = await openKeptOut(store, clock, (error) =>
    report('who is shut out cannot be read: what was known stands', undefined, error),
  );
  let looking = false;
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    await keptOut.refresh();
    looking = false;
  };
  const timer = setInterval(() => void look(), FOLLOW_MS).unref();
  opened.defer(async () => {
    clearInterval(timer);
    await keptOut.refresh();
  });
  const told = ({ id, kind }: ShutOut): void => report('shut out for misuse', { id, kind });
  return { keptOut, desk: (tools) => shutOutDesk({ ...tools, store, keptOut, clock, told }) };
}
