/** What is done goes on record: the intent before a source is asked, the outcome before an answer or refusal leaves. */
import { hash, randomUUID } from 'node:crypto';
import { actorIn } from '../access/mandates.ts';
import { canonicalJson } from '../audit/canonical.ts';
import type { AuditEntry, SourceUse } from '../audit/entry.ts';
import { type AuditLog, LogUnavailable } from '../audit/log.ts';
import {
  type Authorised,
  type Caller,
  type Clock,
  dayInVietnam,
  type Grant,
  type Opened,
  type Plan,
  type Prefill,
  type PrefillRequest,
  type Procedure,
  type Receipt,
  type Resolved,
} from '../domain.ts';
import { Problem, type ProblemCode } from '../problems.ts';
import type { Pseudonyms } from '../pseudonyms.ts';
import { fewRandomBytes } from '../random.ts';
import { isOfficer, spells } from './numbers.ts';

export interface RecordTools {
  readonly log: AuditLog;
  readonly pseudonyms: Pseudonyms;
  readonly configDigest: string;
  readonly clock: Clock;
}

export const sha256 = (text: string): string => hash('sha256', text, 'base64');

/** The request whose gaps another is to fill. */
export interface Completes {
  readonly id: string;
  /** A delay that the first brought with it stands, though the grant may be gone: what came after would give it away. */
  readonly withheldUntil?: string;
  /** What the first was for: a grant for another purpose does not complete it. */
  readonly purpose?: string;
}

/** A role as procedures name them, not digits or a name that a caller put there. */
const ROLE = /^[a-z][A-Za-z]{0,39}$/;

/** The entries of one request. */
export class ExchangeRecord {
  readonly id = randomUUID();
  /** 128 random bits: see `Prefill.salt`. */
  readonly salt = fewRandomBytes(16).toString('base64url');
  readonly #tools: RecordTools;
  readonly #caller: Caller;
  readonly #request: PrefillRequest;
  readonly #body: object;
  readonly #began: number;
  readonly #completes: Completes | undefined;
  #requestDigest: string | undefined;

  /** `body` is what the caller sent, where that is not the request itself; `completes` stands where the gateway asks again later, by itself. */
  constructor(
    tools: RecordTools,
    caller: Caller,
    request: PrefillRequest,
    { body = request, completes }: { readonly body?: object; readonly completes?: Completes } = {},
  ) {
    this.#tools = tools;
    this.#caller = caller;
    this.#request = request;
    this.#body = body;
    this.#completes = completes;
    this.#began = tools.clock();
  }

  /** `found` is a person found on the way, by role, who is asked about next. Throws a `Problem` where the log cannot be written: then nobody is asked. */
  async open(authorised: Authorised, plan: Plan, found?: ReadonlyMap<string, string>): Promise<Opened> {
    const { index } = await this.#append({
      ...this.#start('intent'),
      ...this.#about(authorised),
      subjects: this.#pseudonyms(authorised.procedure, found),
      fields: plan.listed.filter((i) => plan.disclosed.has(i)).flatMap((i) => plan.procedure.fields[i]?.at ?? []),
      sources: plan.lookUps
        .flatMap((i) => plan.procedure.lookUps[i] ?? [])
        .map(({ source, dataset, role }) => ({ source, dataset, role, result: 'to-ask' })),
      requestDigest: this.#digest(),
    });
    return { index } as Opened;
  }

  /** The reply as canonical JSON, and its receipt. Throws a `Problem` where the log cannot be written: then nothing leaves. */
  async close(authorised: Authorised, plan: Plan, resolved: Resolved, prefill: Prefill): Promise<{ prefill: string; receipt: Receipt }> {
    const { text, receipt } = await this.release(authorised, plan, resolved, prefill, { ...told(prefill), outcome: 'answered' });
    return { prefill: text, receipt };
  }

  /** The same for any reply; `members` say in the entry what leaves with it, its sources beside those that were asked. */
  async release(
    authorised: Authorised,
    plan: Plan,
    resolved: Resolved,
    reply: object,
    members: Partial<AuditEntry>,
  ): Promise<{ text: string; receipt: Receipt }> {
    const text = canonicalJson(reply);
    const receipt = await this.#append({
      ...this.#start('outcome'),
      ...this.#about(authorised),
      subjects: this.#pseudonyms(plan.procedure, resolved.keys),
      ...members,
      sources: [...sourcesUsed(plan, resolved), ...(members.sources ?? [])],
      requestDigest: this.#digest(),
      replyDigest: sha256(text),
    });
    return { text, receipt };
  }

  /** Sources may have been asked and nothing left: the caller went away before the answer, or it still lacks what it was made for. */
  async abandon(authorised: Authorised, plan: Plan, resolved: Resolved, outcome: 'abandoned' | 'incomplete' = 'abandoned'): Promise<void> {
    await this.#append({
      ...this.#start('outcome'),
      ...this.#about(authorised),
      subjects: this.#pseudonyms(plan.procedure, resolved.keys),
      sources: sourcesUsed(plan, resolved),
      outcome,
      requestDigest: this.#digest(),
    });
  }

  /** Whoever the caller named is on record, though no procedure may know the role: a person's number has twelve digits whatever it is called. */
  async refuse(code: ProblemCode): Promise<void> {
    const { procedure, dossier, subject, related = {} } = this.#request;
    const { agency } = this.#caller;
    // What another agency's people did is not for this one to say, nor what a colleague did for whom the token names.
    const officer = this.#caller.officer ?? this.#request.officer;
    const known = isOfficer(officer, agency, dayInVietnam(this.#tools.clock()));
    const persons = Object.entries({ ...related, subject }).filter(([, key]) => /^[0-9]{12}$/.test(key));
    const named = persons.map(([role, key], i) => [ROLE.test(role) ? role : `related${i}`, this.#tools.pseudonyms.of('person', key)]);
    const subjects = Object.fromEntries(named) as Record<string, string>;
    const numbers = persons.map(([, key]) => key);
    await this.#append({
      ...this.#start('refusal'),
      procedure,
      // What was refused because it is a person's number does not stand in the log for that.
      ...(spells(dossier, numbers) ? {} : { dossier }),
      ...(spells(officer, numbers) || !known ? {} : { officer }),
      subjects,
      outcome: code,
      requestDigest: this.#digest(),
      ...withheld(
        agency.grants.filter((grant) => grant.procedure === procedure),
        this.#completes,
      ),
    });
  }

  #start(
    kind: AuditEntry['kind'],
  ): Pick<AuditEntry, 'v' | 'time' | 'kind' | 'id' | 'completes' | 'agency' | 'client' | 'actor' | 'config' | 'milliseconds'> {
    const { clock, configDigest } = this.#tools;
    const now = clock();
    return {
      v: 1,
      time: new Date(now).toISOString(),
      ...(kind === 'intent' ? {} : { milliseconds: Math.max(0, now - this.#began) }),
      kind,
      id: this.id,
      ...(this.#completes === undefined ? {} : { completes: this.#completes.id }),
      agency: this.#caller.agency.id,
      client: this.#caller.client,
      ...actorIn(this.#caller),
      config: configDigest,
    };
  }

  #about({ request, grant }: Authorised): Partial<AuditEntry> {
    const { procedure, dossier, officer } = request;
    const legalBasis = grant.legalBasis.map((provision) => provision.ref);
    const { id, purpose } = grant;
    return { procedure, dossier, officer, grant: id, purpose, legalBasis, ...withheld([grant], this.#completes) };
  }

  /** Whoever the caller named, and whoever was found on the way. */
  #pseudonyms(procedure: Procedure, found: ReadonlyMap<string, string> = new Map()): Record<string, string> {
    const named: Record<string, string> = {};
    for (const [role, value] of [...Object.entries({ ...this.#request.related, subject: this.#request.subject }), ...found]) {
      if (!Object.hasOwn(named, role)) named[role] = this.#tools.pseudonyms.of(procedure.roles.get(role)?.kind ?? 'person', value);
    }
    return named;
  }

  #digest(): string {
    this.#requestDigest ??= sha256(canonicalJson({ request: this.#body, salt: this.salt }));
    return this.#requestDigest;
  }

  async #append(entry: AuditEntry): Promise<Receipt> {
    try {
      return await this.#tools.log.append(entry, { receipt: entry.kind !== 'intent' });
    } catch (error) {
      if (error instanceof LogUnavailable) throw new Problem('log-unavailable', { retryAfterSeconds: 2, cause: error });
      throw error;
    }
  }
}

/** Which fields left, which did not and why, and what was said of each paper: never a value. */
function told({ fields, conflicts, components }: Prefill): Pick<AuditEntry, 'fields' | 'unfilled' | 'conflicts' | 'papers'> {
  const left: string[] = [];
  const unfilled: Record<string, string> = {};
  for (const [at, { source, status }] of Object.entries(fields)) {
    if (source !== undefined) left.push(at);
    else if (status !== 'ask') unfilled[at] = status;
  }
  return {
    fields: left,
    ...(Object.keys(unfilled).length === 0 ? {} : { unfilled }),
    ...(conflicts.length === 0 ? {} : { conflicts: conflicts.map(({ field }) => field) }),
    papers: Object.fromEntries(components.map(({ id, verdict }) => [id, verdict])),
  };
}

/** The longest delay of the citizen's own view that one of the grants brings with it, or that was there when it was first asked. */
function withheld(grants: readonly Grant[], before: Pick<AuditEntry, 'withheldUntil'> = {}): Pick<AuditEntry, 'withheldUntil'> {
  const last = [before, ...grants.flatMap(({ disclosure }) => disclosure ?? [])]
    .flatMap(({ withheldUntil }) => withheldUntil ?? [])
    .sort()
    .at(-1);
  return last === undefined ? {} : { withheldUntil: last };
}

function sourcesUsed(plan: Plan, { outcomes }: Resolved): SourceUse[] {
  return plan.lookUps.flatMap((index) => {
    const planned = plan.procedure.lookUps[index];
    const outcome = outcomes.get(index);
    if (planned === undefined || outcome === undefined) return [];
    const { source, dataset, role } = planned;
    const result = outcome.kind === 'found' || outcome.kind === 'absent' ? outcome.kind : outcome.reason;
    return {
      source,
      dataset,
      role,
      result,
      ...('freshness' in outcome ? { freshness: outcome.freshness } : {}),
      ...('freshness' in outcome && outcome.freshness === 'stale' && outcome.stale ? { staleBecause: outcome.stale.because } : {}),
      ...(outcome.milliseconds === undefined ? {} : { milliseconds: Math.max(0, outcome.milliseconds) }),
    };
  });
}
