/** What is known of a report of a wrong value: what is sealed of it, and what of it is shown to whom. */
import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import type { KeyKind } from '../adapter.ts';
import type { RecordName } from '../cache/records.ts';
import type { Catalogue } from '../catalogue/load.ts';
import { type Agency, type Clock, dayInVietnam, type PrefillRequest } from '../domain.ts';
import type { Seal } from '../later/sealed.ts';
import { isOver } from '../stages/grant.ts';
import type { Repeated } from './record.ts';
import type { Ticket } from './store.ts';

/** A request body that its schema accepted. Personal data. */
export type CorrectionRequest = Omit<PrefillRequest, 'fields' | 'maxAgeSeconds' | 'completion'> & {
  readonly field: string;
  /** Which of the registers that the field is bound to. */
  readonly source?: string;
  /** What is right. */
  readonly claim?: string | number | boolean;
  /** The paper that shows it. */
  readonly evidence: string;
  readonly reason?: string;
};

/** What an owner came to. */
export interface CorrectionAnswer {
  readonly outcome: 'corrected' | 'unfounded' | 'elsewhere';
  /** Names nobody. */
  readonly note?: string;
}

/** What is sealed. Personal data. */
export interface Wrong {
  readonly client: string;
  /** The supplier that reported it for the agency. */
  readonly actor?: string;
  readonly officer: string;
  readonly dossier: string;
  readonly procedure: string;
  readonly field: string;
  /** What the log repeats. */
  readonly entry: Repeated;
  /** Deliveries that came to nothing, since the last that did. */
  readonly tries: number;
  /** For the owner, until it is closed. */
  readonly report?: Report;
  readonly answer?: CorrectionAnswer & { readonly at: string };
}
export interface Report extends Pick<CorrectionRequest, 'claim' | 'evidence' | 'reason'> {
  readonly kind: KeyKind;
  readonly key: string;
}

export type TicketSeal = Seal<Wrong>;

/** Names of records that nobody can tell the owner of without the key that seals the reports. */
export function namer(sealKey: KeyObject): (name: RecordName) => string {
  const key = createSecretKey(Buffer.from(hkdfSync('sha256', sealKey.export(), '', 'names of records that are reported', 32)));
  return ({ source, dataset, kind, key: value }) =>
    createHmac('sha256', key).update(`${source}|${dataset}|${kind}|${value}`).digest('base64url');
}

/** What the owner of a source is found by. */
export interface OwnerTools {
  readonly catalogue: Catalogue;
  readonly clock: Clock;
}

/** The agency that answers for a source: the first that owns it and has not ended. */
export const ownerOf = ({ catalogue, clock }: OwnerTools, source: string): Agency | undefined =>
  [...catalogue.agencies.values()].find((agency) => agency.owns.has(source) && !isOver(agency, dayInVietnam(clock())));

/** Of nobody in particular: what both sides see, and what an event says of an answer. */
export interface CorrectionView {
  readonly id: string;
  readonly state: Ticket['state'];
  readonly agency: string;
  readonly officer: string;
  readonly procedure: string;
  readonly dossier: string;
  readonly field: string;
  readonly source: string;
  readonly dataset: string;
  readonly owner: string;
  readonly reportedAt: string;
  readonly until: string;
  readonly answer?: Wrong['answer'];
}

const DAY_MS = 86_400_000;

export function viewOf(
  { id, state, agency, source, dataset, created }: Omit<Ticket, 'sealed'>,
  { officer, procedure, dossier, field, answer }: Pick<Wrong, 'officer' | 'procedure' | 'dossier' | 'field' | 'answer'>,
  tools: OwnerTools,
): CorrectionView {
  return {
    id,
    state,
    agency,
    officer,
    procedure,
    dossier,
    field,
    source,
    dataset,
    // Where nobody answers for it, the paper way is the only one.
    owner: ownerOf(tools, source)?.id ?? 'none',
    reportedAt: new Date(created).toISOString(),
    until: new Date(created + tools.catalogue.gateway.corrections.reviewDays * DAY_MS).toISOString(),
    ...(answer === undefined ? {} : { answer }),
  };
}

/** With what its owner needs to correct it. Personal data: only after it is on record. */
export const toldView = (view: CorrectionView, { values }: Ticket, { report }: Wrong): object => ({
  ...view,
  ...(report === undefined ? {} : { report: { ...report, values: values.split(' ') } }),
});
