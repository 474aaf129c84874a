/** Citizens' tokens, from an issuer that the configuration names. */
import type { CitizenIssuer } from '../domain.ts';
import { issuerKeys, type KeyTools } from './issuer-keys.ts';
import { statementOf } from './statement.ts';
import type { Binding } from './tokens.ts';

const LIFETIME_SECONDS = 3600;

/** What a verified token says. Expiry in seconds since the epoch. Personal data. */
export interface CitizenClaims {
  readonly issuer: string;
  readonly number: string;
  readonly scopes: readonly string[];
  readonly expires: number;
  readonly binding?: Binding;
}

export interface CitizenTokenSettings extends KeyTools {
  /** With the keys of the sandbox put in place of `sandbox`. */
  readonly citizens: CitizenIssuer;
  /** The gateway's own issuer. */
  readonly issuer: string;
}

/**
 * The returned function gives what a token says, or undefined where it is not to be trusted. It throws a `Problem` where the issuer's keys
 * cannot be had. Throws an Error for an issuer that cannot be told from the gateway itself, whose tokens are those of agencies.
 */
export function citizenTokens(settings: CitizenTokenSettings): (token: string) => Promise<CitizenClaims | undefined> {
  const { citizens, issuer, clock } = settings;
  if (citizens.issuer === issuer) throw new Error('the issuer of citizens’ tokens must be another than the gateway');
  if (citizens.keys === 'sandbox') throw new Error('the keys of the sandbox were not made');
  const expected = {
    issuer: citizens.issuer,
    audience: citizens.audience ?? issuer,
    lifetimeSeconds: LIFETIME_SECONDS,
    claims: ['scope', citizens.numberClaim],
    findKey: issuerKeys(citizens.keys, settings),
    clock,
  };
  return async (token) => {
    const { payload, expires, binding } = (await statementOf(token, expected)) ?? {};
    const { scope, [citizens.numberClaim]: number } = payload ?? {};
    if (typeof scope !== 'string' || typeof number !== 'string' || !/^[0-9]{12}$/.test(number) || expires === undefined) return undefined;
    return { issuer: citizens.issuer, number, scopes: scope.split(' '), expires, ...(binding === undefined ? {} : { binding }) };
  };
}
