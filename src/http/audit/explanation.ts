/** What the log holds of one request, put in order for people: who, under which rule, what was asked, what left. Pure. */
import { type AuditEntry, OF_REPORTS, type SourceUse } from '../../audit/entry.ts';
import type { Found } from '../../audit/search.ts';
import type { Catalogue } from '../../catalogue/load.ts';
import { purposeName } from '../../catalogue/purposes.ts';
import { type Agency, dayInVietnam, type Grant, inForce, type Procedure } from '../../domain.ts';
import { problems } from '../../problems.ts';

/** What the catalogue says of a request; nothing where another configuration decided it. */
interface Known {
  readonly catalogue: Catalogue | undefined;
  readonly agency: Agency | undefined;
  readonly procedure: Procedure | undefined;
}

interface Placed {
  readonly index: number;
  readonly entry: AuditEntry;
}

/** `found` are all entries of the request, at least one. */
export function explanation(found: readonly Found[], catalogue: Catalogue): object {
  const entries = found
    .map(({ index, body }): Placed => ({ index, entry: JSON.parse(body) as AuditEntry }))
    .sort((a, b) => a.index - b.index);
  const all = entries.map(({ entry }) => entry);
  const intents = all.filter(({ kind }) => kind === 'intent');
  const closing = all.findLast(({ kind }) => kind === 'outcome' || kind === 'refusal');
  const head = closing ?? all.at(-1);
  if (head === undefined) throw new Error('an explanation of nothing');
  const known = knownOf(head, catalogue);
  const outcome = closing === undefined ? (intents.length > 0 ? 'unfinished' : undefined) : closing.outcome;
  return {
    id: head.id,
    completes: head.completes,
    entries: entries.map(({ index, entry: { kind, time } }) => ({ index, kind, time })),
    configuration: { digest: head.config, current: known.catalogue !== undefined },
    who: {
      agency: head.agency,
      name: known.agency?.name,
      client: head.client,
      actor: head.actor === undefined ? undefined : { id: head.actor, name: known.catalogue?.suppliers.get(head.actor)?.name },
      officer: head.officer,
    },
    what: {
      procedure: head.procedure,
      name: known.procedure?.name,
      dossier: head.dossier,
      roles: Object.keys(Object.assign({}, ...all.map(({ subjects }) => subjects))).map((role) => ({
        role,
        name: known.procedure?.roles.get(role)?.label,
      })),
    },
    rule: ruleOf(head, known),
    outcome,
    refusal: closing?.kind === 'refusal' ? { code: closing.outcome ?? '', title: titleOf(closing.outcome) } : undefined,
    sources: sourcesOf(intents, closing, known),
    fields: fieldsOf(intents, closing, known),
    papers: Object.entries(closing?.papers ?? {}).map(([id, verdict]) => ({
      id,
      name: known.procedure?.components.find((component) => component.id === id)?.name,
      verdict,
    })),
    timing: timingOf(all, intents, closing),
    reading: head.query && { auditor: head.auditor, reason: head.reason, query: head.query },
  };
}

function knownOf(entry: AuditEntry, catalogue: Catalogue): Known {
  if (entry.config !== catalogue.digest) return { catalogue: undefined, agency: undefined, procedure: undefined };
  const day = dayInVietnam(Date.parse(entry.time));
  const procedure = catalogue.procedures.get(entry.procedure ?? '')?.find((version) => inForce(version, day));
  return { catalogue, agency: catalogue.agencies.get(entry.agency), procedure };
}

function ruleOf(entry: AuditEntry, { catalogue, agency }: Known): object {
  const cite = (ref: string): object => {
    const provision = catalogue?.provisions.get(ref);
    return { ref, citation: provision?.citation, validFrom: provision?.validFrom, validTo: provision?.validTo };
  };
  const purposeOf = (code: string): object => ({ code, name: catalogue && purposeName(catalogue, code) });
  const describe = ({ id, purpose, validFrom, validTo, legalBasis, fields, disclosure }: Grant): object => ({
    id,
    purpose,
    validFrom,
    validTo,
    legalBasis: legalBasis.map(({ ref }) => cite(ref)),
    fields: fields === 'all' ? fields : [...fields],
    withheldUntil: disclosure?.withheldUntil,
  });
  const held = agency?.grants.filter(({ procedure }) => procedure === entry.procedure);
  const grant = held?.find(({ id }) => id === entry.grant);
  const legalBasis = (entry.legalBasis ?? []).map(cite);
  return {
    grant: grant === undefined ? entry.grant && { id: entry.grant, legalBasis } : describe(grant),
    purpose: entry.purpose === undefined ? undefined : purposeOf(entry.purpose),
    legalBasis,
    held: entry.kind === 'refusal' ? held?.map(describe) : undefined,
  };
}

const titleOf = (code: string | undefined): string =>
  code !== undefined && code in problems ? problems[code as keyof typeof problems].title : '';

/** The look-ups that an intent names and those that the outcome knows of, each once. */
function sourcesOf(intents: readonly AuditEntry[], closing: AuditEntry | undefined, { catalogue }: Known): object[] {
  const name = ({ source, dataset, role }: SourceUse): string => `${source} ${dataset} ${role}`;
  const intended = new Map(intents.flatMap(({ sources = [] }) => sources).map((use) => [name(use), use]));
  const told = new Map((closing?.sources ?? []).map((use) => [name(use), use]));
  return [...new Map([...intended, ...told])].map(([key, { source, dataset, role }]) => ({
    source,
    name: catalogue?.sources.get(source)?.name,
    dataset,
    role,
    intended: intended.has(key),
    result: told.get(key)?.result,
    freshness: told.get(key)?.freshness,
    staleBecause: told.get(key)?.staleBecause,
    milliseconds: told.get(key)?.milliseconds,
  }));
}

function fieldsOf(intents: readonly AuditEntry[], closing: AuditEntry | undefined, { procedure }: Known): object {
  const field = (at: string): object => ({ at, name: procedure?.fields.find((one) => one.at === at)?.name });
  const named = closing?.fields ?? [];
  const reported = OF_REPORTS.has(closing?.outcome ?? '') ? named : [];
  return {
    asked: [...new Set([...intents.flatMap(({ fields = [] }) => fields), ...reported])].map(field),
    left: reported.length > 0 ? [] : named.map(field),
    unfilled: Object.entries(closing?.unfilled ?? {}).map(([at, status]) => ({ ...field(at), status })),
    conflicts: (closing?.conflicts ?? []).map(field),
    compared: closing?.compared && Object.entries(closing.compared).map(([at, result]) => ({ ...field(at), result })),
  };
}

function timingOf(all: readonly AuditEntry[], [intent]: readonly AuditEntry[], closing: AuditEntry | undefined): object {
  return {
    first: all[0]?.time,
    last: closing?.time,
    fromIntentMilliseconds: intent && closing && Date.parse(closing.time) - Date.parse(intent.time),
    milliseconds: closing?.milliseconds,
  };
}
