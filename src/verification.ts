/** Claims compared with the registers: the same way as a prefill's, and nothing leaves but match, mismatch or unknown. */
import type { Authorised, Caller, PrefillRequest, Receipt, VerificationRequest } from './domain.ts';
import type { ExchangeTools } from './exchange.ts';
import { refusedOnRecord, resolveInTime } from './exchange.ts';
import { Problem, type RequestFault } from './problems.ts';
import { authorise } from './stages/authorise.ts';
import { compare } from './stages/compare.ts';
import type { Guesses } from './stages/guesses.ts';
import { planFields } from './stages/plan.ts';
import { ExchangeRecord } from './stages/record.ts';

export interface VerificationTools extends ExchangeTools {
  readonly guesses: Guesses;
}

/** As `exchange` does: undefined where the caller has gone away, and a refusal about a person is on record before it is thrown. */
export async function verification(
  caller: Caller,
  body: VerificationRequest,
  tools: VerificationTools,
  gone: AbortSignal,
): Promise<{ verification: string; receipt: Receipt } | undefined> {
  const { claims = {}, questions = [], ...request } = body;
  const record = new ExchangeRecord(tools, caller, request, { body });
  const work = async (): Promise<{ verification: string; receipt: Receipt } | undefined> => {
    const authorised = authorise(caller, request, tools);
    tools.sequence?.see(caller, request);
    const planned = planFields(authorised, [...claimed(authorised, claims), ...questioned(authorised, questions)]);
    const resolved = await resolveInTime(record, authorised, planned, tools, gone);
    if (gone.aborted) {
      await record.abandon(authorised, planned, resolved);
      return undefined;
    }
    const named = personsIn(request);
    await tools.guesses.checkFound(
      caller,
      [...resolved.keys.values()].filter((key) => isPerson(key) && !named.includes(key)),
    );
    const compared = compare(body, authorised, planned, resolved, tools.catalogue.places, tools.reviews);
    const issuedAt = new Date(tools.clock()).toISOString();
    const reply = { id: record.id, salt: record.salt, procedure: request.procedure, dossier: request.dossier, issuedAt, ...compared };
    const results = Object.entries({ ...compared.claims, ...compared.questions }).map(([what, { result }]) => [what, result] as const);
    // What a question answers is no guess: its limits are the file's and not the caller's.
    const wrong = Object.values(compared.claims).some(({ result }) => result === 'mismatch');
    const members = { compared: Object.fromEntries(results), outcome: wrong ? 'mismatch' : 'compared' };
    const { text, receipt } = await record.release(authorised, planned, resolved, reply, members);
    return { verification: text, receipt };
  };
  return refusedOnRecord(record, async () => {
    tools.admit(caller, request);
    return tools.guesses.bounded(caller, personsIn(request), work);
  });
}

/** Whom the caller named, by number. */
const personsIn = ({ subject, related = {} }: PrefillRequest): string[] => [subject, ...Object.values(related)].filter(isPerson);

const isPerson = (key: string): boolean => /^[0-9]{12}$/.test(key);

/** The fields of the claims. Throws a `Problem` for a field that the form has not, and for a claim that is none: a wrong form is no guess. */
function claimed({ procedure }: Authorised, claims: NonNullable<VerificationRequest['claims']>): number[] {
  const unknown: RequestFault[] = [];
  const wrong: RequestFault[] = [];
  const fields = Object.entries(claims).map(([at, value]) => {
    const pointer = `/claims/${at.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const index = procedure.fields.findIndex((field) => field.at === at);
    if (index < 0) unknown.push({ pointer: '/claims', detail: 'names what is no field of this form' });
    const isDate = procedure.fields[index]?.type === 'date';
    if (isDate && !/^\d{4}(-\d{2}(-\d{2})?)?$/.test(String(value)))
      wrong.push({ pointer, detail: 'must be a date YYYY, YYYY-MM or YYYY-MM-DD' });
    return index;
  });
  if (unknown.length > 0) throw new Problem('unknown-field', { errors: unknown.slice(0, 1) });
  if (wrong.length > 0) throw new Problem('invalid-request', { errors: wrong });
  return fields;
}

function questioned({ procedure: { questions = [] } }: Authorised, asked: readonly string[]): number[] {
  return asked.map((id, i) => {
    const question = questions.find((one) => one.id === id);
    const known = questions.map((one) => one.id).join(', ') || 'nothing';
    if (question === undefined)
      throw new Problem('invalid-request', { errors: [{ pointer: `/questions/${i}`, detail: `may ask ${known}` }] });
    return question.field;
  });
}
