/** Compiles who vouches for citizens: the issuer of their tokens, and where its keys are. */
import type { CitizenIssuer } from '../domain.ts';
import { checkKeys } from './agencies.ts';
import type { ConfigFile } from './files.ts';
import type { RawCitizens } from './raw.ts';

export function compileCitizens(file: ConfigFile, raw: RawCitizens, { sandbox }: { readonly sandbox: boolean }): CitizenIssuer {
  const { issuer, audience, keys, jwks = '', algorithms = ['EdDSA', 'ES256'], numberClaim = 'sub' } = raw;
  if (keys === undefined && jwks === '') file.fault('/citizens', 'schema', 'lacks "keys" or "jwks"');
  if (keys !== undefined && jwks !== '') file.fault('/citizens/jwks', 'duplicate', 'the issuer’s keys stand in `keys` already');
  if (Array.isArray(keys)) checkKeys(file, keys, '/citizens/keys');
  if (!sandbox) {
    if (keys === 'sandbox') file.fault('/citizens/keys', 'sandbox-in-production', 'only the sandbox has its issuer’s keys made for it');
    // Whoever can change what comes over plain HTTP could put in a key of their own and be anybody.
    for (const [member, url] of Object.entries({ issuer, jwks }))
      if (/^http:/.test(url)) file.fault(`/citizens/${member}`, 'sandbox-in-production', 'only the sandbox trusts what is not https');
  }
  return { issuer, ...(audience === undefined ? {} : { audience }), keys: keys ?? { jwks, algorithms }, numberClaim };
}
