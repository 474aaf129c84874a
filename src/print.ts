/** A reply as a person likes to read it in a terminal. */
import { styleText } from 'node:util';
import type { JsonValue } from './adapter.ts';
import { clean, type ProcedureView } from './client.ts';
import { type OfficialText, type Prefill, type Receipt, splitPointer } from './domain.ts';
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
    cut: 'đã cắt giảm, không phải nộp',
    ask: 'phải nộp',
    pending: 'chờ tra cứu lại',
    of: 'trên',
    onlyIf: 'chỉ khi',
    note: 'ghi chú',
  },
  en: {
    dossier: 'Dossier',
    papers: 'Papers of the dossier',
    conflicts: 'Registries disagree',
    notices: 'Notice',
    receipt: 'Receipt',
    replaced: 'replaced by data',
    partly: 'partly replaced',
    cut: 'struck from the dossier, not asked for',
    ask: 'to be handed in',
    pending: 'asked again later',
    of: 'of',
    onlyIf: 'only if',
    note: 'note',
  },
  fr: {
    dossier: 'Dossier',
    papers: 'Pièces du dossier',
    conflicts: 'Désaccord entre registres',
    notices: 'À noter',
    receipt: 'Reçu',
    replaced: 'remplacée par des données',
    partly: 'remplacée en partie',
    cut: 'supprimée du dossier',
    ask: 'à fournir',
    pending: 'sera redemandée',
    of: 'sur',
    onlyIf: 'seulement si',
    note: 'note',
  },
} as const;

/** What the stable words of a reply mean: why a field is empty, why a paper is asked for, what to notice. */
export const REASONS: Readonly<Record<string, Readonly<{ vi: string; en: string }>>> = {
  // why a field has no value
  'no-source': { vi: 'chưa kết nối cơ sở dữ liệu nào có thông tin này', en: 'no connected registry holds it' },
  'declarant-only': { vi: 'chỉ người khai mới biết', en: 'only the declarant can say it' },
  'no-register-prevails': {
    vi: 'các cơ sở dữ liệu không thống nhất và không có quy định lấy theo bên nào',
    en: 'the registries disagree and no law says which prevails',
  },
  'key-unavailable': {
    vi: 'chưa có dữ liệu cho biết phải tra cứu theo số nào',
    en: 'the record that would have named whom or what to look up did not come',
  },
  unreachable: { vi: 'không kết nối được cơ sở dữ liệu', en: 'the registry could not be reached' },
  timeout: { vi: 'cơ sở dữ liệu không trả lời kịp thời', en: 'the registry did not answer in time' },
  refused: { vi: 'cơ sở dữ liệu từ chối trả lời', en: 'the registry refused to answer' },
  error: { vi: 'cơ sở dữ liệu báo lỗi', en: 'the registry reported an error' },
  malformed: { vi: 'câu trả lời của cơ sở dữ liệu không đúng định dạng', en: 'the registry’s answer could not be used' },
  'wrong-subject': { vi: 'cơ sở dữ liệu trả lời về người khác', en: 'the registry answered about somebody else' },
  maintenance: { vi: 'cơ sở dữ liệu đang bảo trì', en: 'the registry is under maintenance' },
  'circuit-open': {
    vi: 'cơ sở dữ liệu đang gặp sự cố, tạm thời không tra cứu',
    en: 'the registry keeps failing and is left alone for a while',
  },
  budget: { vi: 'đã hết lượt tra cứu cho phép lúc này', en: 'the registry was asked as often as is agreed' },
  overloaded: { vi: 'có quá nhiều yêu cầu đang chờ cơ sở dữ liệu', en: 'too many look-ups wait for the registry' },
  ask: { vi: 'người khai phải ghi', en: 'to be asked of the declarant' },
  'not-found': { vi: 'không có trong cơ sở dữ liệu', en: 'the registry has it not' },
  // why a paper is asked for
  declaration: { vi: 'là tờ khai', en: 'it is the declaration itself' },
  'original-required': { vi: 'phải nộp bản gốc', en: 'the original is required' },
  'no-database-replaces-it': { vi: 'không có cơ sở dữ liệu nào thay thế', en: 'no database replaces it' },
  'legal-basis-not-in-force': { vi: 'căn cứ pháp lý không có hiệu lực', en: 'the law that would replace it is not in force' },
  'to-be-compared': { vi: 'cán bộ phải đối chiếu với hồ sơ này', en: 'an officer has to see that the data is of this case' },
  stale: {
    vi: 'dữ liệu đã quá hạn dùng và chưa lấy được dữ liệu mới: cần xem xét',
    en: 'the data is past its age and nothing newer could be had: see whether it still holds',
  },
  'under-review': { vi: 'có cơ quan báo dữ liệu sai, đang chờ xác minh', en: 'an agency reported it wrong, and nobody has answered yet' },
  'not-covered': { vi: 'dữ liệu của địa phương này chưa được công bố', en: 'the owner publishes no such data for this province' },
  'no-binding': { vi: 'chưa xác định bản ghi nào chứng minh', en: 'which record would prove it is not known' },
  'crime-prevention-only': {
    vi: 'dữ liệu chỉ phục vụ phòng, chống tội phạm, không được cung cấp',
    en: 'data for crime prevention only, which is never served',
  },
  // both
  unavailable: { vi: 'hiện không lấy được dữ liệu', en: 'the data cannot be had now' },
  conflict: { vi: 'các cơ sở dữ liệu không thống nhất', en: 'the registries disagree' },
  'several-values': { vi: 'có nhiều giá trị, chưa rõ giá trị nào', en: 'there are several, and nothing says which' },
  'role-not-given': {
    vi: 'yêu cầu chưa nêu người hoặc giấy chứng nhận liên quan',
    en: 'the request does not name the person or certificate it is about',
  },
  'no-record': { vi: 'cơ sở dữ liệu không có bản ghi', en: 'the registry has no record' },
  'not-recorded': { vi: 'bản ghi không có thông tin này', en: 'the record does not say it' },
  'not-confirmed': {
    vi: 'bản ghi không xác nhận mối liên hệ với người này',
    en: 'the record does not confirm that it concerns this person',
  },
  'number-cancelled': { vi: 'số định danh đã bị hủy', en: 'the personal number was cancelled' },
  'not-authorised': { vi: 'cơ quan không được phép sử dụng', en: 'the agency may not use it' },
  // what to notice
  'person-deceased': { vi: 'người này đã chết', en: 'the person has died' },
  'number-replaced': { vi: 'số định danh đã được thay bằng số mới', en: 'the personal number was replaced by another' },
  'number-unusual': { vi: 'số định danh không khớp với hồ sơ', en: 'the personal number does not fit the record' },
};

/** Every string of a document made harmless. */
const cleaned = <T>(document: T): T =>
  JSON.parse(JSON.stringify(document), (_member, value: unknown) => (typeof value === 'string' ? clean(value) : value)) as T;

export function printReply(
  reply: { prefill: Prefill; receipt: Receipt },
  view: ProcedureView,
  language: Language,
  colour: boolean,
): string {
  const [prefill, procedure] = [cleaned(reply.prefill), cleaned(view)];
  const words = WORDS[language];
  const why = (code: string): string =>
    (Object.hasOwn(REASONS, code) ? REASONS[code]?.[language === 'vi' ? 'vi' : 'en'] : undefined) ?? code;
  const say = (text: OfficialText): string => text[language] ?? text.en ?? text.vi;
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const { summary } = prefill;
  const lines: string[] = [
    '',
    paint('bold', `${prefill.procedure} ${say(procedure.name)}`),
    `${procedure.form === undefined ? '' : `${say(procedure.form.name)} · `}${words.dossier} ${prefill.dossier}`,
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
      result.staleBecause === undefined ? result.freshness : `${result.freshness}: ${why(result.staleBecause)}`,
      result.underReviewSince && `${why('under-review')} (${result.underReviewSince.slice(0, 10)})`,
      result.recordedAt?.slice(0, 10),
      result.confirmedBy && `= ${result.confirmedBy.join(', ')}`,
    ]
      .filter(Boolean)
      .join(' · ');
    const shown =
      value === undefined
        ? paint('dim', `— ${why(result.reason ?? result.status)}`)
        : paint(result.status === 'filled' ? 'green' : 'yellow', show(value));
    lines.push(`  ${label}  ${shown}${origin === '' || value === undefined ? '' : paint('dim', `  (${origin})`)}`);
  }
  lines.push('', paint('bold', `${words.papers} (${summary.replaced} ${words.of} ${summary.components} ${words.replaced})`));
  for (const { verdict, name, legalBasis, by, reason, condition, note } of prefill.components) {
    const settled = verdict === 'replaced' || verdict === 'cut';
    const mark = paint(settled ? 'green' : 'yellow', settled ? '✔' : verdict === 'partly' ? '◐' : '○');
    const because =
      verdict === 'ask' || verdict === 'pending'
        ? `${words[verdict]}: ${why(reason ?? '')}`
        : `${words[verdict]}${by === undefined ? '' : `: ${by.join(', ')}`} — ${legalBasis}${reason === undefined ? '' : ` (${why(reason)})`}`;
    lines.push(`  ${mark} ${say(name)}`);
    if (condition !== undefined) lines.push(paint('dim', `      ${words.onlyIf}: ${say(condition)}`));
    lines.push(paint('dim', `      ${because}`));
    if (note !== undefined) lines.push(paint('dim', `      ${words.note}: ${say(note)}`));
  }
  for (const conflict of prefill.conflicts) {
    lines.push('', paint('yellow', `${words.conflicts}: ${labels.get(conflict.field) ?? conflict.field}`));
    for (const { source, value } of conflict.values)
      lines.push(`      ${source}: ${show(value)}${source === conflict.chosen ? ` ← ${conflict.rule} (${conflict.legalBasis})` : ''}`);
  }
  for (const notice of prefill.notices)
    lines.push('', paint('yellow', `${words.notices}: ${why(notice.code)} (${notice.role}, ${notice.source})`));
  const { index, entry, checkpoint } = reply.receipt;
  const [origin = '', size = ''] = checkpoint.split('\n').map(clean);
  lines.push('', `${words.receipt} #${index} · ${origin} · ${size} · ${clean(String(entry.replyDigest ?? ''))}`, '');
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
