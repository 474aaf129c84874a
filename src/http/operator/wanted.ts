/** What an operator wants shut out: whether it is there, and whether it is to be kept out at all. */
import { namesOf } from '../../access/kept-out.ts';
import type { Wanted } from '../../access/shut-out-desk.ts';
import { nameOf, type ShutOutKind, type Target } from '../../access/shut-outs.ts';
import type { TokenIssuer } from '../../catalogue/issuers.ts';
import type { Agency, Caller, Supplier } from '../../domain.ts';
import { Problem, type RequestFault } from '../../problems.ts';
import { wrongActing, wrongOfficer, wrongReason } from '../reading.ts';

/** A body that `schemas/api/shut-out-request.json` accepted. */
export interface ShutOutBody {
  readonly kind: ShutOutKind;
  readonly whose?: string;
  readonly value?: string;
  readonly perMinute?: number;
  readonly until?: string;
  readonly reason: string;
  readonly officer: string;
}

/** As we make them, or as an issuer whose name stands before it does. */
const TOKEN = /^([a-z][a-z0-9-]*:)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Who there is to be shut out. */
export interface Known {
  readonly agencies: ReadonlyMap<string, Agency>;
  readonly suppliers: ReadonlyMap<string, Supplier>;
  /** By their `iss`. */
  readonly issuers: ReadonlyMap<string, TokenIssuer>;
}

/** Throws a `Problem` that says all that is wrong: an operator may know which agencies and keys there are. */
export function wantedOf(body: ShutOutBody, caller: Caller, known: Known, now: number): Wanted {
  const { kind, value, perMinute, until, reason } = body;
  const whose = body.whose ?? (kind === 'officer' ? agencyOf(value, known.agencies) : undefined);
  const wanted = {
    kind,
    ...(whose === undefined ? {} : { whose }),
    ...(value === undefined ? {} : { value }),
    ...(perMinute === undefined ? {} : { perMinute }),
    ...(until === undefined ? {} : { until: Date.parse(until) }),
    reason,
  };
  const errors: (RequestFault | undefined)[] = [
    ...signed(body, caller),
    fault('/whose', wrongWhose(wanted, known)),
    fault('/value', wrongValue(wanted, known)),
    fault('/perMinute', perMinute !== undefined && kind !== 'officer' && 'is for officials alone'),
    fault('/until', wanted.until !== undefined && !(wanted.until > now) && 'must be to come'),
    // Whoever locks itself out cannot let itself in; so nobody can shut out the last operator.
    fault(kind === 'key' ? '/value' : '/whose', kind !== 'token' && namesOf(caller).includes(nameOf(wanted)) && 'is what you call with'),
  ];
  refuse(errors);
  return wanted;
}

/** Who acts and why. Throws a `Problem` where it may not go on record so. */
export const checkSigned = (body: Pick<ShutOutBody, 'reason' | 'officer'>, caller: Caller): void => refuse(signed(body, caller));

const signed = ({ reason, officer }: Pick<ShutOutBody, 'reason' | 'officer'>, caller: Caller): (RequestFault | undefined)[] => [
  fault('/reason', wrongReason(reason)),
  fault('/officer', wrongActing(officer, caller)),
];

function refuse(errors: readonly (RequestFault | undefined)[]): void {
  const found = errors.filter((one) => one !== undefined);
  if (found.length > 0) throw new Problem('invalid-request', { errors: found });
}

const fault = (pointer: string, detail: string | false | undefined): RequestFault | undefined =>
  detail === undefined || detail === false ? undefined : { pointer, detail };

/** The agency of an official, or that above their unit. */
const agencyOf = (officer = '', agencies: ReadonlyMap<string, Agency>): string | undefined =>
  [...agencies.keys()].sort((a, b) => b.length - a.length).find((id) => officer.startsWith(`${id}-`) || officer.startsWith(`${id}.`));

function wrongWhose({ kind, whose }: Target, { agencies, suppliers }: Known): string | undefined {
  if (kind === 'token') return whose === undefined ? undefined : 'a token is named by its identifier alone';
  if (whose === undefined) return kind === 'supplier' ? 'names the supplier' : 'names the agency';
  if (kind === 'supplier') return suppliers.has(whose) ? undefined : 'is no supplier of this gateway';
  return agencies.has(whose) || (kind === 'key' && suppliers.has(whose)) ? undefined : 'is no agency of this gateway';
}

function wrongValue({ kind, whose = '', value }: Target, { agencies, suppliers, issuers }: Known): string | undefined {
  if (kind === 'agency' || kind === 'supplier') return value === undefined ? undefined : `a whole ${kind} is meant: leave it out`;
  if (value === undefined) return { key: 'names the key (kid)', token: 'names the token (jti)', officer: 'names the official' }[kind];
  if (kind === 'officer') return wrongOfficer(value, whose);
  if (kind === 'token') return TOKEN.test(value) ? undefined : wrongReason(value) && 'is no identifier of a token';
  const keys = (agencies.get(whose) ?? suppliers.get(whose))?.keys ?? [];
  if (keys !== 'sandbox' && keys.some(({ kid }) => kid === value)) return undefined;
  // Which keys an issuer has, its own server says.
  const vouched = [...issuers.values()].some(({ id, agencies: its }) => its.has(whose) && value.startsWith(`${id}:`));
  return vouched && wrongReason(value) === undefined ? undefined : `is no key of this ${suppliers.has(whose) ? 'supplier' : 'agency'}`;
}
