/** An agency proves itself by an assertion that it signed (RFC 7523), once. */
import { generateKeyPairSync } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, errors, importJWK, type JWK, jwtVerify } from 'jose';
import { type Agency, type AgencyKey, type Clock, dayInVietnam, inForce } from '../domain.ts';
import type { Once } from './once.ts';
import { TokenRefusal } from './refusal.ts';

/**
 * The algorithms an agency may sign with; a key is used with its own one, whatever the assertion says. `Ed25519` is the newer name of what
 * `EdDSA` means here (RFC 9864).
 */
export const ASSERTION_ALGORITHMS = ['EdDSA', 'ES256', 'Ed25519'];
const LIFETIME_SECONDS = 300;
const CLOCK_TOLERANCE_SECONDS = 10;
/** jose tolerates more than the compact form; one token has one spelling. */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const MAX_LENGTH = 4096;

export interface AssertionSettings {
  readonly issuer: string;
  readonly agencies: ReadonlyMap<string, Agency>;
  readonly once: Once;
  readonly clock: Clock;
}

/** An agency that proved itself, and with which of its keys. */
export interface ProvenClient {
  readonly agency: Agency;
  readonly key: string;
}

/** Why an assertion proves nothing, for the operator alone. */
class Unproven extends Error {}

/** One refusal for every reason: it says nothing about which agencies and keys there are. */
const refused = (reason: string): TokenRefusal => new TokenRefusal('invalid_client', 'the client assertion is not valid', reason);

/** The returned function gives the agency that an assertion proves, or throws a `TokenRefusal`. */
export function clientAssertions(settings: AssertionSettings): (assertion: string, tokenEndpoint: string) => Promise<ProvenClient> {
  const { issuer, agencies, once, clock } = settings;
  const imported = new WeakMap<AgencyKey, ReturnType<typeof importJWK>>();
  const imports = (key: AgencyKey): ReturnType<typeof importJWK> => {
    let known = imported.get(key);
    if (known === undefined) imported.set(key, (known = importJWK({ ...key } as JWK, key.alg)));
    return known;
  };
  const decoys = makeDecoys();

  const proven = async (assertion: string, tokenEndpoint: string): Promise<ProvenClient> => {
    if (assertion.length > MAX_LENGTH || !COMPACT.test(assertion)) throw new Unproven('not a compact token');
    const agency = agencies.get(String(decodeJwt(assertion).iss));
    const { kid, alg: named = '' } = decodeProtectedHeader(assertion);
    const alg = named === 'Ed25519' ? 'EdDSA' : named;
    const today = dayInVietnam(clock());
    const keys = agency === undefined || agency.keys === 'sandbox' ? [] : agency.keys;
    const found = keys.find((one) => one.kid === kid && one.alg === alg && inForce({ validFrom: '0000', ...one }, today));
    // How long a refusal takes must not tell whether there is such an agency or key: there is always one to verify with.
    const key = found ?? decoys.get(alg);
    if (key === undefined) throw new Unproven('alg');
    const claimed = agency ?? { id: issuer };
    const { payload } = await jwtVerify(assertion, await imports(key), {
      algorithms: ASSERTION_ALGORITHMS,
      issuer: claimed.id,
      subject: claimed.id,
      audience: [issuer, tokenEndpoint],
      requiredClaims: ['exp', 'iat', 'jti'],
      maxTokenAge: LIFETIME_SECONDS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(clock()),
    }).catch((error: unknown) => {
      if (agency === undefined) throw new Unproven('no such agency');
      if (found === undefined) throw new Unproven('no such key, or not in force');
      throw error;
    });
    if (agency === undefined || found === undefined) throw new Error('a key that nobody has signed an assertion');
    const seconds = Math.floor(clock() / 1000);
    const { exp = 0, jti, aud } = payload;
    if (exp > seconds + 2 * LIFETIME_SECONDS) throw new Unproven('lives too long');
    if (typeof jti !== 'string' || jti === '' || jti.length > 200) throw new Unproven('jti');
    // Whoever else an assertion is addressed to could use it here in the agency's name.
    if ([aud].flat().length !== 1) throw new Unproven('more than one audience');
    const until = Math.ceil(exp + CLOCK_TOLERANCE_SECONDS) * 1000;
    if (!(await once.use(`assertion ${agency.id} ${jti}`, until))) throw new Unproven('used before');
    return { agency, key: found.kid };
  };

  return async (assertion, tokenEndpoint) => {
    try {
      return await proven(assertion, tokenEndpoint);
    } catch (error) {
      if (error instanceof Unproven) throw refused(error.message);
      if (error instanceof errors.JOSEError) throw refused([error.code, (error as { claim?: string }).claim].filter(Boolean).join(' '));
      if (error instanceof TypeError) throw refused('not a token');
      throw error;
    }
  };
}

/** A key of each kind, whose private half is thrown away. */
function makeDecoys(): ReadonlyMap<string, AgencyKey> {
  const made = { ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }), EdDSA: generateKeyPairSync('ed25519') };
  return new Map(
    Object.entries(made).map(([alg, { publicKey }]) => [alg, { ...publicKey.export({ format: 'jwk' }), kid: '', alg } as AgencyKey]),
  );
}
