/** What the checks of tokens and proofs stand on, opened: where it is kept what was used, nonces, proofs and what tokens are bound to. */
import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../domain.ts';
import { type Bindings, bindings } from './binding.ts';
import { dpopProofs, type Proofs } from './dpop.ts';
import { type Nonces, nonces } from './nonces.ts';
import { type Once, type OnceStore, orRefused } from './once.ts';
import { openPostgresOnce } from './once-postgres.ts';
import { openSqliteOnce } from './once-sqlite.ts';

export interface AccessOptions {
  readonly dataDirectory: string;
  /** PostgreSQL, where not the data directory has what is kept. */
  readonly databaseUrl: string | undefined;
  readonly issuer: string;
  readonly nonceKey: KeyObject;
  /** Whether only tokens that are bound to something are issued and taken. */
  readonly demanded: boolean;
  readonly clock: Clock;
}

export interface Access {
  /** For assertions. */
  readonly once: Once;
  readonly nonces: Nonces;
  readonly proofs: Proofs;
  readonly bindings: Bindings;
  readonly demanded: boolean;
}

/** What is opened is put on the stack. */
export async function openAccess(options: AccessOptions, opened: AsyncDisposableStack): Promise<Access> {
  const { dataDirectory, databaseUrl, issuer, nonceKey, demanded, clock } = options;
  const open = async (durable: boolean): Promise<Once> => {
    const settings = { clock, durable };
    const store: OnceStore =
      databaseUrl === undefined ? openSqliteOnce(join(dataDirectory, 'once.db'), settings) : await openPostgresOnce(databaseUrl, settings);
    opened.defer(() => store.close());
    return orRefused(store);
  };
  // Assertions are rare, hold for minutes and are worth a token: each is synced. A proof comes with every request and holds for a minute, for
  // most of which the machine is off after a power cut: what that took of the marks can be used again for the rest of the minute.
  const once = await open(true);
  const made = nonces(nonceKey, clock);
  const proofs = dpopProofs({ issuer, nonces: made, once: await open(false), clock });
  return { once, nonces: made, proofs, bindings: bindings({ proofs, demanded }), demanded };
}

/** Tokens and proofs name it. Of an address without a scheme the host is not seen, and a proof for any other address would hold. */
export function checkIssuer(issuer: string): void {
  const url = /^https?:\/\/[\x21-\x7e]+$/i.test(issuer) ? URL.parse(issuer) : null;
  if (url === null || url.username !== '' || url.password !== '' || /[?#]|\/$/.test(issuer))
    throw new Error('ONCEGATE_ISSUER must begin with https:// or http:// and have no user, no query, no fragment and no slash at its end');
}
