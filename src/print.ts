/** A reply as a person likes to read it in a terminal. */
import { styleText } from 'node:util';
import type { JsonValue } from './adapter.ts';
import type { ProcedureView } from './client.ts';
import { type Prefill, type Receipt, splitPointer, type Text } from './domain.ts';
import { valuesAt } from './stages/values.ts';

export type Language = 'vi' | 'en' | 'fr';

const WORDS = {
  vi: {
    dossier: 'Hồ sơ',
    papers: 'Thành phần hồ sơ',
    conflicts: 'Không thống nhất giữa các cơ sở dữ liệu',
    notices: 'Lưu ý',
    receipt: 'Biên nhận',
    replaced: 'thay bằng dữ liệu',
    partly: 'thay một phần',
    ask: 'phải nộp',
    of: 'trên',
  },
  en: {
    dossier: 'Dossier',
    papers: 'Papers of the dossier',
    conflicts: 'Registries disagree',
    notices: 'Notice',
    receipt: 'Receipt',
    replaced: 'replaced by data',
    partly: 'partly replaced',
    ask: 'to be handed in',
    of: 'of',
  },
  fr: {
    dossier: 'Dossier',
    papers: 'Pièces du dossier',
    conflicts: 'Désaccord entre registres',
    notices: 'À noter',
    receipt: 'Reçu',
    replaced: 'remplacée par des données',
    partly: 'remplacée en partie',
    ask: 'à fournir',
    of: 'sur',
  },
} as const;

export function printReply(
  { prefill, receipt }: { prefill: Prefill; receipt: Receipt },
  procedure: ProcedureView,
  language: Language,
  colour: boolean,
): string {
  const words = WORDS[language];
  const say = (text: Text): string => text[language] ?? text.en;
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const { summary } = prefill;
  const lines: string[] = [
    '',
    paint('bold', `${prefill.procedure} ${say(procedure.name)}`),
    `${say(procedure.form.name)} · ${words.dossier} ${prefill.dossier}`,
    '',
  ];

  const labels = new Map(procedure.fields.map((field) => [field.at, say(field.name)]));
  const width = Math.min(48, Math.max(...Object.keys(prefill.fields).map((at) => (labels.get(at) ?? at).length)));
  for (const at of labels.keys()) {
    const result = prefill.fields[at];
    if (result === undefined) continue;
    const [value] = valuesAt(prefill.form, splitPointer(at));
    const label = fit(labels.get(at) ?? at, width);
    const origin = [
      result.source,
      result.freshness,
      result.recordedAt?.slice(0, 10),
      result.confirmedBy && `= ${result.confirmedBy.join(', ')}`,
    ]
      .filter(Boolean)
      .join(' · ');
    const shown =
      value === undefined
        ? paint('dim', `— ${result.reason ?? result.status}`)
        : paint(result.status === 'conflict' ? 'yellow' : 'green', show(value));
    lines.push(`  ${label}  ${shown}${origin === '' || value === undefined ? '' : paint('dim', `  (${origin})`)}`);
  }
  lines.push('', paint('bold', `${words.papers} (${summary.replaced} ${words.of} ${summary.components} ${words.replaced})`));
  for (const { verdict, name, legalBasis, by, reason } of prefill.components) {
    const mark = paint(verdict === 'replaced' ? 'green' : 'yellow', verdict === 'replaced' ? '✔' : verdict === 'partly' ? '◐' : '○');
    const because =
      verdict === 'ask'
        ? `${words.ask}: ${reason}`
        : `${words[verdict]}: ${(by ?? []).join(', ')} — ${legalBasis}${reason === undefined ? '' : ` (${reason})`}`;
    lines.push(`  ${mark} ${say(name)}`, paint('dim', `      ${because}`));
  }
  for (const conflict of prefill.conflicts) {
    lines.push('', paint('yellow', `${words.conflicts}: ${labels.get(conflict.field) ?? conflict.field}`));
    for (const { source, value } of conflict.values)
      lines.push(`      ${source}: ${show(value)}${source === conflict.chosen ? ` ← ${conflict.rule} (${conflict.legalBasis})` : ''}`);
  }
  for (const notice of prefill.notices)
    lines.push('', paint('yellow', `${words.notices}: ${notice.code} (${notice.role}, ${notice.source})`));
  const [origin, size] = receipt.checkpoint.split('\n');
  lines.push('', `${words.receipt} #${receipt.index} · ${origin} · ${size} · ${String(receipt.entry.replyDigest ?? '')}`, '');
  return lines.join('\n');
}

function fit(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);
}

function show(value: JsonValue): string {
  if (Array.isArray(value)) return value.map(show).join('; ');
  if (typeof value !== 'object' || value === null) return String(value);
  if (typeof value.text === 'string') return value.text;
  if (typeof value.fullName === 'string') return [value.fullName, value.personalId ?? value.oldId9].filter(Boolean).join(' ');
  if (typeof value.number === 'string') return [value.type, value.number, value.issuedOn, value.issuedBy].filter(Boolean).join(', ');
  return Object.values(value).map(show).join(' ');
}
