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
  reported: {
    vi: 'Cơ quan báo với chủ quản cơ sở dữ liệu rằng thông tin này sai hoặc thiếu.',
    en: 'The agency reported to the owner of the register that this information is wrong or missing.',
    fr: 'L’organisme a signalé au responsable du registre que cette information est fausse ou manquante.',
  },
  withdrawn: {
    vi: 'Cơ quan rút lại báo cáo về thông tin sai hoặc thiếu.',
    en: 'The agency withdrew its report of wrong or missing information.',
    fr: 'L’organisme a retiré son signalement d’une information fausse ou manquante.',
  },
  corrected: {
    vi: 'Chủ quản cơ sở dữ liệu đã sửa thông tin được báo sai hoặc thiếu.',
    en: 'The owner of the register corrected what had been reported wrong or missing.',
    fr: 'Le responsable du registre a corrigé ce qui avait été signalé comme faux ou manquant.',
  },
  unfounded: {
    vi: 'Chủ quản cơ sở dữ liệu trả lời: thông tin được báo sai là đúng.',
    en: 'The owner of the register answered that what had been reported wrong is right.',
    fr: 'Le responsable du registre a répondu que l’information signalée comme fausse est exacte.',
  },
  elsewhere: {
    vi: 'Chủ quản cơ sở dữ liệu trả lời: thông tin phải được sửa ở nơi khác.',
    en: 'The owner of the register answered that it has to be corrected elsewhere.',
    fr: 'Le responsable du registre a répondu que la correction relève d’un autre service.',
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
