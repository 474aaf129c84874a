/** An agency proves itself by an assertion that it signed (RFC 7523), once. */
import { generateKeyPairSync } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, errors, importJWK, type JWK, jwtVerify } from 'jose';
import { type Agency, type AgencyKey, type Clock, dayInVietnam, inForce, type Mandate, type Supplier } from '../domain.ts';
import type { Shown } from './kept-out.ts';
import { mandateOn } from './mandates.ts';
import type { Once } from './once.ts';
import { TokenRefusal } from './refusal.ts';

/**
 * The algorithms an agency may sign with; a key is used with its own one, whatever the assertion says. `Ed25519` is the newer name of what
 * `EdDSA` means here (RFC 9864).
 */
export const ASSERTION_ALGORITHMS = ['EdDSA', 'ES256', 'Ed25519'];
const LIFETIME_SECONDS = 300;
const CLOCK_TOLERANCE_SECONDS = 10;
/** What else an agency signs with the same key, and says so, proves nothing here (RFC 8725, section 3.11). */
const TYPES = ['jwt', 'client-authentication+jwt'];
/** jose tolerates more than the compact form; one token has one spelling. */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const MAX_LENGTH = 4096;

export interface AssertionSettings {
  readonly issuer: string;
  readonly agencies: ReadonlyMap<string, Agency>;
  /** Who may act for agencies; nobody unless said. */
  readonly suppliers?: ReadonlyMap<string, Supplier>;
  readonly once: Once;
  /** Whether an agency, or the key by which it proved itself, was shut out. */
  readonly shutOut: (shown: Shown) => boolean;
  readonly clock: Clock;
}

/** Who is to have a token, and the key that proved it: the agency's own, or that of a supplier that the agency lets act for it today. */
export interface ProvenClient {
  readonly agency: Agency;
  readonly key: string;
  readonly actor?: Mandate;
}

/** Who signed an assertion, and with which key. */
interface Proven {
  readonly client: Agency | Supplier;
  readonly key: string;
}

/** Why an assertion proves nothing, for the operator alone. */
class Unproven extends Error {}

/** One refusal for every reason: it says nothing about which agencies and keys there are. */
const refused = (reason: string): TokenRefusal => new TokenRefusal('invalid_client', 'the client assertion is not valid', reason);

/** The returned function gives the agency that an assertion proves, or the one named where it proves a supplier that may act for it. It throws a `TokenRefusal`. */
export function clientAssertions(
  settings: AssertionSettings,
): (assertion: string, tokenEndpoint: string, named?: string) => Promise<ProvenClient> {
  const { issuer, agencies, suppliers, once, shutOut, clock } = settings;
  const imported = new WeakMap<AgencyKey, ReturnType<typeof importJWK>>();
  const imports = (key: AgencyKey): ReturnType<typeof importJWK> => {
    let known = imported.get(key);
    if (known === undefined) imported.set(key, (known = importJWK({ ...key } as JWK, key.alg)));
    return known;
  };
  const decoys = makeDecoys();

  const proven = async (assertion: string, tokenEndpoint: string): Promise<Proven> => {
    if (assertion.length > MAX_LENGTH || !COMPACT.test(assertion)) throw new Unproven('not a compact token');
    const id = String(decodeJwt(assertion).iss);
    const client = agencies.get(id) ?? suppliers?.get(id);
    const { kid, alg: named = '', typ } = decodeProtectedHeader(assertion);
    if (typ !== undefined && !TYPES.includes(String(typ).toLowerCase())) throw new Unproven('typ');
    const alg = named === 'Ed25519' ? 'EdDSA' : named;
    const today = dayInVietnam(clock());
    const keys = client === undefined || client.keys === 'sandbox' ? [] : client.keys;
    const found = keys.find((one) => one.kid === kid && one.alg === alg && inForce({ validFrom: '0000', ...one }, today));
    // How long a refusal takes must not tell whether there is such an agency or key: there is always one to verify with.
    const key = found ?? decoys.get(alg);
    if (key === undefined) throw new Unproven('alg');
    const claimed = client ?? { id: issuer };
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
      if (client === undefined) throw new Unproven('no such agency');
      if (found === undefined) throw new Unproven('no such key, or not in force');
      throw error;
    });
    if (client === undefined || found === undefined) throw new Error('a key that nobody has signed an assertion');
    const seconds = Math.floor(clock() / 1000);
    const { exp = 0, jti, aud } = payload;
    if (exp > seconds + 2 * LIFETIME_SECONDS) throw new Unproven('lives too long');
    if (typeof jti !== 'string' || jti === '' || jti.length > 200) throw new Unproven('jti');
    // Whoever else an assertion is addressed to could use it here in the agency's name.
    if ([aud].flat().length !== 1) throw new Unproven('more than one audience');
    const until = Math.ceil(exp + CLOCK_TOLERANCE_SECONDS) * 1000;
    if (!(await once.use(`assertion ${client.id} ${jti}`, until))) throw new Unproven('used before');
    return { client, key: found.kid };
  };

  /** Only whoever proved to be a supplier is told that one has to name the agency, and nobody which agency lets whom act. */
  const actsFor = ({ client, key }: Proven, named: string | undefined): ProvenClient => {
    if ('grants' in client) {
      if (named !== undefined && named !== client.id) throw new Unproven('an agency acts for itself alone');
      return { agency: client, key };
    }
    if (named === undefined) throw new TokenRefusal('invalid_request', 'agency is missing: a supplier acts for one');
    const agency = agencies.get(named);
    const actor = agency && mandateOn(agency, client.id, dayInVietnam(clock()));
    if (agency === undefined || actor === undefined) throw new Unproven('the supplier may not act for this agency today');
    return { agency, key, actor };
  };

  return async (assertion, tokenEndpoint, named) => {
    try {
      const client = actsFor(await proven(assertion, tokenEndpoint), named);
      const { agency, key, actor } = client;
      // Last: who proves nothing does not learn who ended or is shut out, and who is learns no more than that the proof is not taken.
      if (agency.endedOn !== undefined && agency.endedOn < dayInVietnam(clock())) throw new Unproven('the agency has ended');
      if (shutOut({ agency, key, actor: actor?.supplier })) throw new Unproven('shut out');
      return client;
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
