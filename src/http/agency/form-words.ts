/** What people call the members of values that have several: for labels of a form. */
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
