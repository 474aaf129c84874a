/** What became of an access, in the languages of the people it is about. */
import type { Text } from '../../domain.ts';

const STATUS: Readonly<Record<string, Text>> = {
  answered: { vi: 'Yêu cầu đã được trả lời.', en: 'The request was answered.', fr: 'La demande a reçu une réponse.' },
  compared: {
    vi: 'Cơ quan đối chiếu thông tin mình có với cơ sở dữ liệu; không có giá trị nào được cung cấp.',
    en: 'The agency compared what it had with the registers; no value was given.',
    fr: 'L’organisme a comparé ce qu’il avait aux registres ; aucune valeur n’a été communiquée.',
  },
  mismatch: {
    vi: 'Cơ quan đối chiếu thông tin mình có với cơ sở dữ liệu và có thông tin không khớp; không có giá trị nào được cung cấp.',
    en: 'The agency compared what it had with the registers, and not all agreed; no value was given.',
    fr: 'L’organisme a comparé ce qu’il avait aux registres, et tout ne concordait pas ; aucune valeur n’a été communiquée.',
  },
  abandoned: {
    vi: 'Cơ quan không chờ câu trả lời; không có thông tin nào được cung cấp.',
    en: 'The agency did not wait for the answer; nothing was given.',
    fr: 'L’organisme n’a pas attendu la réponse ; rien n’a été communiqué.',
  },
  incomplete: {
    vi: 'Hệ thống tra cứu lại cho yêu cầu trước đó nhưng chưa đủ dữ liệu; không có thông tin nào được cung cấp.',
    en: 'Registries were asked again for an earlier request, and not all answered; nothing was given.',
    fr: 'Des registres ont été réinterrogés pour une demande antérieure et n’ont pas tous répondu ; rien n’a été communiqué.',
  },
  unfinished: {
    vi: 'Chưa có kết quả nào được ghi lại; không có thông tin nào được cung cấp.',
    en: 'No outcome is on record; nothing was given.',
    fr: 'Aucun résultat n’est enregistré ; rien n’a été communiqué.',
  },
};
const REFUSED: Text = {
  vi: 'Yêu cầu bị từ chối; không có thông tin nào được cung cấp.',
  en: 'The request was refused; nothing was given.',
  fr: 'La demande a été refusée ; rien n’a été communiqué.',
};

/** Whatever is none of these is the code of a refusal. */
export const statusOf = (outcome: string): Text => (Object.hasOwn(STATUS, outcome) ? STATUS[outcome] : undefined) ?? REFUSED;
