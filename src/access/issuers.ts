/** Tokens of the issuers that files of `config/issuers/` name: which agency one speaks for, and what it may say of it. */
import { ConfigurationError } from '../catalogue/faults.ts';
import type { TokenIssuer } from '../catalogue/issuers.ts';
import { issuerKeys, type KeyTools } from './issuer-keys.ts';
import { claimedIssuer, type Statement, statementOf } from './statement.ts';
import type { TokenClaims } from './tokens.ts';

type Verify = (token: string) => Promise<TokenClaims | undefined>;

export interface IssuerSettings extends KeyTools {
  /** By their `iss`. */
  readonly issuers: ReadonlyMap<string, TokenIssuer>;
  /** The gateway's own issuer, and what verifies its tokens. */
  readonly issuer: string;
  readonly own: Verify;
  /** Whether a token of theirs must be bound to a key or certificate of the client. */
  readonly bound: boolean;
}

/**
 * What any agency's token says, whoever issued it. A token is verified by the keys of the one whose it claims to be, and by no others.
 * Throws `ConfigurationError` for an issuer that cannot be told from the gateway.
 */
export function tokensOfAll(settings: IssuerSettings): Verify {
  const { issuers, issuer, own } = settings;
  const same = issuers.get(issuer);
  if (same !== undefined) {
    const message = 'is the gateway’s own, ONCEGATE_ISSUER: its tokens could not be told from ours';
    throw new ConfigurationError([{ file: `issuers/${same.id}.yaml`, pointer: '/issuer', rule: 'duplicate', message }]);
  }
  if (issuers.size === 0) return own;
  const others = new Map([...issuers].map(([iss, one]) => [iss, tokensOf(one, settings)]));
  return (token) => (others.get(claimedIssuer(token) ?? '') ?? own)(token);
}

function tokensOf(issuer: TokenIssuer, settings: IssuerSettings): Verify {
  const { claims, maxLifetimeSeconds: lifetimeSeconds } = issuer;
  const expected = {
    issuer: issuer.issuer,
    audience: issuer.audience ?? settings.issuer,
    lifetimeSeconds,
    claims: Object.values(claims),
    findKey: issuerKeys(issuer.keys, settings),
    clock: settings.clock,
  };
  return async (token) => {
    const statement = await statementOf(token, expected);
    const said = statement && claimsIn(statement, issuer);
    return said?.binding === undefined && settings.bound ? undefined : said;
  };
}

const CLIENT = /^[A-Za-z0-9][A-Za-z0-9._~:/@-]{0,99}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const OFFICER = /^[A-Y][0-9]{2}(\.[0-9A-Z]{1,8})*-[0-9A-Z]{1,8}$/;

function claimsIn(
  { payload, jti, kid, expires, binding }: Statement,
  { id, agencies, claims, scopes: names }: TokenIssuer,
): TokenClaims | undefined {
  const agency = payload[claims.agency];
  const client = payload[claims.client];
  const officer = claims.officer === undefined ? undefined : payload[claims.officer];
  if (typeof agency !== 'string' || !agencies.has(agency)) return undefined;
  // It stands in the log, where no person may be named by number.
  if (typeof client !== 'string' || !CLIENT.test(client) || namesPerson(client)) return undefined;
  // Somebody acts for the agency (RFC 8693 §4.1): whom it lets do so its file says, and they come with a key of their own.
  if (payload.act !== undefined) return undefined;
  if (claims.officer !== undefined && (typeof officer !== 'string' || officer.length > 60 || !OFFICER.test(officer))) return undefined;
  const scopes = scopesIn(payload[claims.scopes]);
  if (scopes === undefined) return undefined;
  return {
    // What two issuers call by one name are two things, to whoever shuts one out and to whoever reads the log.
    token: `${id}:${jti}`,
    key: `${id}:${kid}`,
    client: `${id}:${client}`,
    agency,
    scopes: names === undefined ? scopes : scopes.flatMap((name) => names.get(name) ?? []),
    expires,
    ...(officer === undefined ? {} : { officer: officer as string }),
    ...(binding === undefined ? {} : { binding }),
  };
}

/** Whether a personal number can be read in it, whatever stands between the digits; in what is random one may seem to be. */
const namesPerson = (text: string): boolean => !UUID.test(text) && /[0-9]{12}/.test(text.replaceAll(/[^0-9A-Za-z]/g, ''));

/** A text as RFC 9068 has it, or a list as some issuers do. */
function scopesIn(claim: unknown): string[] | undefined {
  const scopes = typeof claim === 'string' ? claim.split(' ') : claim;
  return Array.isArray(scopes) && scopes.every((one) => typeof one === 'string') ? scopes : undefined;
}
