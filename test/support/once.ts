/** A store of what was used once, by its address. */
import type { OnceStore } from '../../src/access/once.ts';
import { openPostgresOnce } from '../../src/access/once-postgres.ts';
import { openSqliteOnce } from '../../src/access/once-sqlite.ts';
import { openAt } from './places.ts';

export const openOnceAt = async (
  address: string,
  settings: { readonly clock: () => number; readonly durable: boolean },
): Promise<OnceStore> =>
  openAt(
    address,
    (path) => openSqliteOnce(path, settings),
    (url) => openPostgresOnce(url, settings),
  );
