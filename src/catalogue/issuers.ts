/** Compiles the other issuers of agencies' tokens: whose keys are trusted, and for which agencies alone. */
import type { Agency, AgencyKey, CitizenIssuer, Scope } from '../domain.ts';
import { checkKeys } from './agencies.ts';
import { inTheOpen, literal } from './connections.ts';
import type { ConfigFile } from './files.ts';
import type { RawAgency } from './raw.ts';
import type { Broken } from './surroundings.ts';

export interface TokenIssuer {
  readonly id: string;
  /** `iss` of its tokens, exactly. */
  readonly issuer: string;
  /** `aud` of its tokens; the gateway's own issuer unless said. */
  readonly audience?: string;
  readonly keys: readonly AgencyKey[] | { readonly jwks: string; readonly algorithms: readonly string[] };
  /** The agencies that it may speak for. */
  readonly agencies: ReadonlySet<string>;
  readonly claims: ClaimNames;
  /** Its names of scopes → ours; undefined where it calls them as we do. */
  readonly scopes?: ReadonlyMap<string, Scope>;
  readonly maxLifetimeSeconds: number;
}

/** Where its tokens say what. With `officer` each says who is acting, and nobody else is. */
interface ClaimNames {
  readonly agency: string;
  readonly client: string;
  readonly scopes: string;
  readonly officer?: string;
}

/** As the schema lets it through. */
interface RawIssuer {
  id: string;
  issuer: string;
  audience?: string;
  keys?: AgencyKey[];
  jwks?: string;
  algorithms?: string[];
  agencies?: string[];
  claims: { agency: string; client?: string; scopes?: string; officer?: string };
  scopes?: Record<string, Scope>;
  maxLifetimeSeconds?: number;
}

export interface IssuerSurroundings {
  readonly agencies: ReadonlyMap<string, Agency>;
  readonly citizens: CitizenIssuer | undefined;
  readonly broken: Broken;
  readonly sandbox: boolean;
}

/** By their `iss`. */
export function compileIssuers(files: readonly ConfigFile[], around: IssuerSurroundings): Map<string, TokenIssuer> {
  const issuers = new Map<string, TokenIssuer>();
  const names = new Set<string>();
  for (const file of files) {
    const raw = file.value as RawIssuer;
    const { id, issuer, audience, keys, jwks = '', algorithms = ['EdDSA', 'ES256'], agencies = [], claims, scopes } = raw;
    if (names.has(id)) file.fault('/id', 'duplicate', `there are two issuers ${id}`);
    if (issuers.has(issuer)) file.fault('/issuer', 'duplicate', `is that of ${issuers.get(issuer)?.id} too`);
    if (issuer === around.citizens?.issuer)
      file.fault('/issuer', 'duplicate', 'is that of citizens’ tokens: one of the two could be taken for the other');
    checkWhereKeysAre(file, raw, around);
    agencies.forEach((agency, i) => {
      if (!around.agencies.has(agency) && !around.broken('agencies', agency))
        file.fault(`/agencies/${i}`, 'unknown-reference', `there is no agency ${agency}`);
    });
    names.add(id);
    issuers.set(issuer, {
      id,
      issuer,
      ...(audience === undefined ? {} : { audience }),
      keys: keys ?? { jwks, algorithms },
      agencies: new Set(agencies),
      claims: { client: 'client_id', scopes: 'scope', ...claims },
      ...(scopes === undefined ? {} : { scopes: new Map(Object.entries(scopes)) }),
      maxLifetimeSeconds: raw.maxLifetimeSeconds ?? 600,
    });
  }
  return issuers;
}

/** Whoever can change what comes over plain HTTP could put in a key of their own and be any of the agencies. */
function checkWhereKeysAre(file: ConfigFile, { issuer, keys, jwks = '' }: RawIssuer, { sandbox }: IssuerSurroundings): void {
  if (keys === undefined && jwks === '') file.fault('', 'schema', 'lacks "keys" or "jwks"');
  if (keys !== undefined && jwks !== '') file.fault('/jwks', 'duplicate', 'the issuer’s keys stand in `keys` already');
  if (keys !== undefined) checkKeys(file, keys);
  for (const [member, url] of Object.entries({ issuer, jwks })) {
    if (!url.startsWith('http:')) continue;
    if (!sandbox) file.fault(`/${member}`, 'sandbox-in-production', 'only the sandbox trusts what is not https');
    else if (member === 'jwks' && inTheOpen(literal(url)))
      file.fault('/jwks', 'connection', 'must begin with https://: the sandbox takes keys by http, and only on this machine');
  }
}

/** An agency without keys gets no token of ours; without an issuer that speaks for it either, it was forgotten. */
export function checkSpokenFor(files: readonly ConfigFile[], issuers: ReadonlyMap<string, TokenIssuer>, broken: Broken): void {
  const spokenFor = new Set([...issuers.values()].flatMap(({ agencies }) => [...agencies]));
  for (const file of files) {
    const { id, keys } = file.value as RawAgency;
    if (keys === undefined && !spokenFor.has(id) && !broken('issuers'))
      file.fault('', 'schema', 'lacks "keys", and no issuer in issuers/ speaks for it');
  }
}
