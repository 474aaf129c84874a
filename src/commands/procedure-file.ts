/** The first version of a procedure's file, from what the annexes say of it: it passes the check, and its comments say what is left to do. */
import type { LegalRow } from '../catalogue/legal-table.ts';
import type { Component, Evidence, Procedure, Role } from '../domain.ts';

/** JSON is YAML too, and quotes what has to be. */
const quoted = (value: unknown): string => JSON.stringify(value);
/** A comment ends with its line. */
const onOneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();
const pointer = (members: readonly string[]): string => `/${members.join('/')}`;

/** `known` is what the gateway made of the rows by itself: the papers in their order, and the evidence that it has for some. */
export function procedureFile(known: Procedure, rows: readonly LegalRow[]): string {
  const { code, name, roles, components } = known;
  const sound = rows.filter(({ suspect }) => suspect === undefined);
  const [first] = sound;
  if (first === undefined) throw new Error(`no row about ${code} is to be believed`);
  const replacing = sound.flatMap((row, i) => (row.effect === 'cut' ? [] : [{ row, component: components[i] }]));
  const ids = idsOf(replacing.map(({ row }) => row));
  return `# yaml-language-server: $schema=../../schemas/config/procedure.json
# Started from the annexes that name this procedure. The rows are cited at the papers; all else is yours to write, and to say where you read it.
# docs/add-a-procedure.md says how. In this order, with npx oncegate check after each step:
#   1. name, sector and agency: the English texts are not translated yet, and no annex says who decides the procedure.
#   2. form and legalBasis: the form with its number, the law that the procedure stands on (a file in legal/), and the days from which and to which
#      this version applies. The days below are those of the annex.
#   3. components: the papers that no row is about. Those below say kept where the gateway knows no record that proves them.
#   4. roles and fields: the form, item by item. What only the declarant can say is declared: evidence of filiation, agreements, originals and
#      signatures are never bound to a register.
#   5. a grant in the file of each agency that handles it.
code: ${quoted(code)}
validFrom: ${first.validFrom}
${first.validTo === undefined ? '' : `validTo: ${first.validTo}\n`}name: { vi: ${quoted(name.vi)}, en: ${quoted(name.vi)} }
sector: { vi: ${quoted(first.sector)}, en: ${quoted(first.sector)} } # the heading of the annex
agency: { vi: Cơ quan giải quyết thủ tục, en: Who decides it }
form:
  name: { vi: Tờ khai, en: Declaration }
  confidence: unverified
legalBasis: [${[...new Set(sound.map(({ ref }) => ref))].join(', ')}]
sources:
${[...new Set(sound.map(({ source }) => source))].map((source) => `  - ${quoted(source)}\n`).join('')}roles:
${[...roles.values()].map(roleText).join('')}  # father: # whom nobody names: his number stands in a record
  #   kind: person
  #   name: { vi: Cha, en: Father }
  #   from: [{ role: subject, dataset: birth, value: /father/personalId }]
fields: [] # take this line out when you write those below
# fields: # in the order of the form
#   - at: /fullName
#     name: { vi: "Họ, chữ đệm, tên", en: Full name }
#     type: personName
#     required: true
#     from:
#       - { role: subject, dataset: birth, value: /child/fullName } # the civil-status book prevails
#       - { role: subject, dataset: person, value: /fullName }
#     prevails: luat-60-2014#art-60-2
#   - at: /purpose
#     name: { vi: Mục đích, en: Purpose }
#     type: declared
#     as: text
#     required: true
components:
  - id: declaration
    name: { vi: Tờ khai, en: Declaration }
    confidence: unverified
    kept: declaration
${replacing.map(({ row, component }, i) => (component === undefined ? '' : paperText(ids[i] ?? '', row, component, known))).join('')}${rows.map(leftOut).join('')}`;
}

/** After the kind of document that a row is about; the second of a kind is numbered. */
function idsOf(rows: readonly LegalRow[]): string[] {
  const names = rows.map(({ types }) => types[0]?.replaceAll('_', '-') ?? 'paper');
  return names.map((name, i) => {
    const before = names.slice(0, i).filter((other) => other === name).length;
    return before === 0 ? name : `${name}-${before + 1}`;
  });
}

function roleText({ name, label, kind, given, not, confirm }: Role): string {
  const lines = [
    `kind: ${kind}`,
    `name: { vi: ${quoted(label.vi)}, en: ${quoted(label.en)} }`,
    ...(name === 'subject' ? [] : [`given: ${given}`]),
    ...(not.length === 0 ? [] : [`not: [${not.join(', ')}]`]),
    ...(confirm === undefined ? [] : [`confirm: { value: ${pointer(confirm.value)}, is: ${confirm.is} }`]),
  ];
  return `  ${name}:\n${lines.map((line) => `    ${line}\n`).join('')}`;
}

function paperText(id: string, row: LegalRow, { name, replacedBy: [evidence] }: Component, { lookUps }: Procedure): string {
  const reference = onOneLine([row.instrument, row.provision].filter((part) => part !== '').join('; '));
  const records = evidence?.records ?? [];
  const checks = records.map(({ lookUp, value, is, equals }) => {
    const { role, dataset } = lookUps[lookUp] ?? { role: 'subject', dataset: '' };
    const compared = `${is === undefined ? '' : `, is: ${is}`}${equals === undefined ? '' : `, equals: ${quoted(equals)}`}`;
    return `          - { role: ${role}, dataset: ${dataset}, value: ${pointer(value)}${compared} }\n`;
  });
  const how =
    checks.length > 0
      ? `    replacedBy:\n      - provision: ${row.ref}\n        records:\n${checks.join('')}`
      : `    kept: ${lackOf(evidence)}\n    # replacedBy: # instead of kept, once a record proves it\n    #   - provision: ${row.ref}\n    #     records: [{ role: subject, dataset: …, value: /… }]\n`;
  return `  # ${row.citation}: data of ${onOneLine(row.database)} (${row.databases.join(', ')}) replace it.
  # It was asked for under: ${reference}.
  - id: ${id}
    name: { vi: ${quoted(row.document)}, en: ${quoted(name.en)} }
    confidence: ${row.confidence}
${how}`;
}

/** What the row's verdict would have said without a file. */
const lackOf = (evidence: Evidence | undefined): string => (evidence?.settled?.verdict === 'ask' ? evidence.settled.reason : 'no-source');

function leftOut({ citation, document, effect, suspect }: LegalRow): string {
  if (suspect !== undefined) return `  # Left out, ${citation}, which is not believed: ${onOneLine(suspect)}\n`;
  return effect === 'cut' ? `  # Cut by ${citation}, and no part of the dossier: ${onOneLine(document)}\n` : '';
}
