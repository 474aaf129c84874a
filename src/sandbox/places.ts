/** Real communes of the list in force since 1 July 2025, where the made-up people live; and one of the list before it. */

import type { Address, Commune } from './model.ts';
import type { Random } from './random.ts';

const place = (province: string, code: string, text: string, listDate = '2025-07-01'): Commune => ({ province, code, listDate, text });

export const COMMUNES = {
  hoanKiem: place('01', '00070', 'Phường Hoàn Kiếm, Thành phố Hà Nội'),
  kimLien: place('01', '00229', 'Phường Kim Liên, Thành phố Hà Nội'),
  dongVan: place('08', '00721', 'Xã Đồng Văn, Tỉnh Tuyên Quang'),
  saPa: place('15', '03006', 'Phường Sa Pa, Tỉnh Lào Cai'),
  hongBang: place('31', '11311', 'Phường Hồng Bàng, Thành phố Hải Phòng'),
  yenKhanh: place('37', '14560', 'Xã Yên Khánh, Tỉnh Ninh Bình'),
  huongKhe: place('42', '18496', 'Xã Hương Khê, Tỉnh Hà Tĩnh'),
  vyDa: place('46', '19777', 'Phường Vỹ Dạ, Thành phố Huế'),
  haiChau: place('48', '20242', 'Phường Hải Châu, Thành phố Đà Nẵng'),
  buonMaThuot: place('66', '24133', 'Phường Buôn Ma Thuột, Tỉnh Đắk Lắk'),
  daLat: place('68', '24781', 'Phường Xuân Hương - Đà Lạt, Tỉnh Lâm Đồng'),
  thuDauMot: place('79', '25747', 'Phường Thủ Dầu Một, Thành phố Hồ Chí Minh'),
  saiGon: place('79', '26740', 'Phường Sài Gòn, Thành phố Hồ Chí Minh'),
  ninhKieu: place('92', '31135', 'Phường Ninh Kiều, Thành phố Cần Thơ'),
} as const;

/** Code 25747 before 1 July 2025 was Phú Cường; since then it is Thủ Dầu Một, in another province. */
export const PHU_CUONG = place('74', '25747', 'Phường Phú Cường, Thành phố Thủ Dầu Một, Tỉnh Bình Dương', '2025-06-30');

export const textOf = (address: Address): string =>
  address.detail === undefined ? address.commune.text : `${address.detail}, ${address.commune.text}`;

export const isUrban = (commune: Commune): boolean => commune.text.startsWith('Phường');

/** The office that keeps the books of a commune. */
export const officeOf = (commune: Commune): string => `Ủy ban nhân dân ${commune.text.charAt(0).toLowerCase()}${commune.text.slice(1)}`;

/** A house in the commune: a street number in a ward, a hamlet elsewhere. */
export function house(commune: Commune, random: Random): Address {
  const detail = isUrban(commune) ? `Số ${random.int(1, 398)}, Tổ dân phố số ${random.int(1, 24)}` : `Thôn ${random.int(1, 12)}`;
  return { commune, detail };
}
