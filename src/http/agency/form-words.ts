/** What people call the members and the codes of values that are more than one word: for labels of a form. */
import type { Text } from '../../domain.ts';

const text = (vi: string, en: string, fr: string): Text => ({ vi, en, fr });

/** Members of `address`, `identityDocument` and `personRef` in `schemas/datasets/types.json`. */
export const MEMBERS: Readonly<Record<string, Text>> = {
  text: text('Địa chỉ', 'Address', 'Adresse'),
  country: text('Quốc gia', 'Country', 'Pays'),
  provinceCode: text('Mã tỉnh, thành phố', 'Province code', 'Code de la province'),
  communeCode: text('Mã xã, phường, đặc khu', 'Commune code', 'Code de la commune'),
  codeListDate: text('Ngày của danh mục mã', 'Date of the code list', 'Date de la liste des codes'),
  detail: text('Số nhà, đường, thôn, tổ dân phố', 'House, street, hamlet', 'Maison, rue, hameau'),
  type: text('Loại giấy tờ', 'Kind of document', 'Type de pièce'),
  number: text('Số', 'Number', 'Numéro'),
  issuedOn: text('Ngày cấp', 'Date of issue', 'Date de délivrance'),
  issuedBy: text('Nơi cấp', 'Issued by', 'Délivrée par'),
  expiresOn: text('Ngày hết hạn', 'Date of expiry', 'Date d’expiration'),
  fullName: text('Họ, chữ đệm, tên', 'Full name', 'Nom complet'),
  personalId: text('Số định danh cá nhân', 'Personal ID number', 'N° personnel'),
  oldId9: text('Số CMND 9 số', 'Number of the 9-digit card', 'N° de l’ancienne carte'),
  dateOfBirth: text('Ngày, tháng, năm sinh', 'Date of birth', 'Date de naissance'),
  gender: text('Giới tính', 'Sex', 'Sexe'),
  nationality: text('Quốc tịch', 'Nationality', 'Nationalité'),
  ethnicity: text('Dân tộc', 'Ethnicity', 'Ethnie'),
  relation: text('Quan hệ với chủ hộ', 'Relation to the head of household', 'Lien avec le chef de ménage'),
};

/** Names of codes by the type that has them; `identityDocumentType` is the member `type` of `identityDocument`. */
export const CODES: Readonly<Record<string, Readonly<Record<string, Text>>>> = {
  gender: {
    male: text('Nam', 'Male', 'Masculin'),
    female: text('Nữ', 'Female', 'Féminin'),
    undetermined: text('Không xác định', 'Undetermined', 'Indéterminé'),
  },
  maritalStatus: {
    single: text('Chưa kết hôn', 'Never married', 'Célibataire'),
    married: text('Đang có vợ/chồng', 'Married', 'Marié(e)'),
    divorced: text('Đã ly hôn', 'Divorced', 'Divorcé(e)'),
    widowed: text('Góa vợ/chồng', 'Widowed', 'Veuf/veuve'),
    unknown: text('Chưa có thông tin', 'Unknown', 'Inconnu'),
  },
  relation: {
    head: text('Chủ hộ', 'Head of household', 'Chef de ménage'),
    wife: text('Vợ', 'Wife', 'Épouse'),
    husband: text('Chồng', 'Husband', 'Époux'),
    child: text('Con (con đẻ, con nuôi)', 'Child', 'Enfant'),
    'child-in-law': text('Con dâu, con rể', 'Child-in-law', 'Gendre, bru'),
    father: text('Bố, cha', 'Father', 'Père'),
    mother: text('Mẹ', 'Mother', 'Mère'),
    'parent-in-law': text('Bố mẹ vợ, bố mẹ chồng', 'Parent-in-law', 'Beau-parent'),
    grandparent: text('Ông, bà', 'Grandparent', 'Grand-parent'),
    grandchild: text('Cháu ruột', 'Grandchild', 'Petit-enfant'),
    sibling: text('Anh, chị, em ruột', 'Sibling', 'Frère, sœur'),
    other: text('Khác', 'Other', 'Autre'),
  },
  identityDocumentType: {
    'can-cuoc': text('Thẻ căn cước', 'ID card (since 1/7/2024)', 'Carte d’identité'),
    cccd: text('Thẻ căn cước công dân', 'Citizen ID card (2016-2024)', 'Carte d’identité citoyenne'),
    'can-cuoc-dien-tu': text('Căn cước điện tử', 'Electronic ID (VNeID)', 'Identité électronique'),
    cmnd: text('Chứng minh nhân dân', 'Old 9- or 12-digit ID card', 'Ancienne carte d’identité'),
    'giay-chung-nhan-can-cuoc': text('Giấy chứng nhận căn cước', 'Identity certificate', 'Certificat d’identité'),
    passport: text('Hộ chiếu', 'Passport', 'Passeport'),
  },
};
