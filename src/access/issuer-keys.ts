/** The keys of other issuers of tokens: listed in a file, or fetched from where an issuer publishes them, which may fail, lie or be somebody else’s by now. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { type AgencyKey, type Clock, dayInVietnam, inForce } from '../domain.ts';
import { Problem } from '../problems.ts';
import { keysIn, nameOf } from './key-set.ts';

/** Public keys as a file lists them, or where they are published and which algorithms are taken from there. */
export type IssuerKeys = readonly AgencyKey[] | { readonly jwks: string; readonly algorithms: readonly string[] };

/** The part of an HTTP client that keys need. It follows nobody elsewhere, and what it takes as an answer is bounded. */
export interface KeyWire {
  exchange(
    call: {
      readonly method: 'GET';
      readonly path: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: null;
      readonly statuses: readonly number[];
      readonly form: { readonly type: RegExp; readonly name: string };
    },
    signal: AbortSignal,
  ): Promise<{ readonly bytes: Uint8Array }>;
}

export interface KeyTools {
  readonly open: (address: URL) => KeyWire;
  readonly clock: Clock;
}

/**
 * The key that a token's header names; undefined where the issuer has none of that name and algorithm. Throws a `Problem` where that cannot be
 * known because the issuer's keys cannot be had.
 */
export type FindKey = (header: { readonly alg: string; readonly kid: string }) => Promise<KeyObject | undefined>;

/** A set this old is fetched anew while it is used, an older one before. Milliseconds. */
const AHEAD_MS = 300_000;
const FRESH_MS = 600_000;
/** How long what was fetched is used while nothing newer can be had: for so long may somebody who keeps us from the issuer keep a key alive that it took back. */
const STALE_MS = 3_600_000;
/** Strangers' tokens, and an issuer that is gone, make us ask no oftener. */
const PAUSE_MS = 30_000;
const PATIENCE_MS = 5000;

const JSON_SET = { type: /^application\/(?:jwk-set\+)?json\b/i, name: 'a JWK Set' };

export const issuerKeys = (keys: IssuerKeys, tools: KeyTools): FindKey =>
  'jwks' in keys ? publishedKeys(keys, tools) : listedKeys(keys, tools.clock);

function listedKeys(keys: readonly AgencyKey[], clock: Clock): FindKey {
  const known = keys.map((one) => {
    const { kty, crv, x, y } = one;
    return { one, key: createPublicKey({ key: { kty, crv, x, ...(y === undefined ? {} : { y }) }, format: 'jwk' }) };
  });
  return async ({ kid, alg }) => {
    const today = dayInVietnam(clock());
    return known.find(({ one }) => one.kid === kid && one.alg === alg && inForce({ validFrom: '0000', ...one }, today))?.key;
  };
}

function publishedKeys({ jwks, algorithms }: Extract<IssuerKeys, { readonly jwks: string }>, { open, clock }: KeyTools): FindKey {
  const { pathname, search, href } = new URL(jwks);
  const wire = open(new URL(href));
  const call = {
    method: 'GET',
    path: pathname + search,
    headers: { accept: 'application/json' },
    body: null,
    statuses: [],
    form: JSON_SET,
  } as const;
  let held: { readonly keys: ReadonlyMap<string, KeyObject>; readonly at: number } | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  /** Of the last time that the issuer was asked. */
  let failure: unknown;
  let asking: Promise<void> | undefined;

  const ask = (): Promise<void> => {
    asking ??= (async () => {
      const at = clock();
      askedAt = at;
      try {
        const { bytes } = await wire.exchange(call, AbortSignal.timeout(PATIENCE_MS));
        held = { keys: keysIn(bytes, algorithms), at };
        failure = undefined;
      } catch (error) {
        failure = error;
      }
      asking = undefined;
    })();
    return asking;
  };
  const mayAsk = (): boolean => asking !== undefined || clock() - askedAt >= PAUSE_MS;
  const heldWithin = (age: number): ReadonlyMap<string, KeyObject> | undefined =>
    held !== undefined && clock() - held.at < age ? held.keys : undefined;

  return async ({ alg, kid }) => {
    if (!algorithms.includes(alg)) return undefined;
    const name = nameOf(alg, kid);
    // While the issuer is away only the first to notice waits for it.
    const known = heldWithin(failure === undefined ? FRESH_MS : STALE_MS)?.get(name);
    if (known !== undefined) {
      if (heldWithin(AHEAD_MS) === undefined && mayAsk()) void ask();
      return known;
    }
    if (mayAsk()) await ask();
    const found = heldWithin(STALE_MS)?.get(name);
    // That the token names no key of the issuer is certain only where the issuer could be asked.
    if (found === undefined && (failure !== undefined || held === undefined))
      throw new Problem('issuer-unavailable', { retryAfterSeconds: PAUSE_MS / 1000, cause: failure });
    return found;
  };
}
