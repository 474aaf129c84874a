/** Name stocks by ethnic group: plausible Vietnamese names, in capitals as cards and books print them. */

import type { Sex } from './model.ts';
import type { Random } from './random.ts';

interface Stock {
  readonly surnames: readonly string[];
  readonly middle: Readonly<Record<Sex, readonly string[]>>;
  readonly given: Readonly<Record<Sex, readonly string[]>>;
}

const words = (text: string): readonly string[] => text.split(' ');

const MIDDLE = {
  male: words('VĂN VĂN HỮU ĐỨC MINH QUANG CÔNG XUÂN THANH QUỐC GIA ĐÌNH TRỌNG'),
  female: words('THỊ THỊ THỊ NGỌC THU THANH MINH KIM PHƯƠNG BẢO DIỆU'),
};

const GIVEN = {
  male: words(
    'AN BẢO BÌNH CƯỜNG DŨNG DUY ĐẠT HẢI HIẾU HÒA HÙNG HUY KHÁNH KHOA KIÊN LÂM LONG MẠNH NAM NGHĨA PHONG PHÚC QUÂN SƠN TÀI TÂM THẮNG THÀNH THỊNH TIẾN TOÀN TRUNG TÚ TUẤN VIỆT VINH',
  ),
  female: words(
    'ANH ÁNH CHI CÚC DUNG DUYÊN GIANG HÀ HẠNH HẰNG HIỀN HOA HỒNG HUỆ HƯƠNG LAN LIÊN LINH LOAN MAI MY NGA NGÂN NHUNG OANH PHƯỢNG QUYÊN TÂM THẢO THƠM THU THỦY TRANG TRINH TUYẾT UYÊN VÂN YẾN',
  ),
};

const stock = (surnames: string, middle = MIDDLE, given = GIVEN): Stock => ({ surnames: words(surnames), middle, given });

/** Keyed by the codes of Decision 121-TCTK/PPCĐ. */
const STOCKS: Readonly<Record<string, Stock>> = {
  '01': stock('NGUYỄN NGUYỄN NGUYỄN NGUYỄN TRẦN TRẦN LÊ LÊ PHẠM HOÀNG PHAN VŨ VÕ ĐẶNG BÙI ĐỖ HỒ NGÔ DƯƠNG LÝ ĐINH TRỊNH MAI CAO'),
  '02': stock('NÔNG HOÀNG LƯƠNG MA BẾ LỤC'),
  '04': stock('LÂM TRƯƠNG QUÁCH HUỲNH TĂNG LƯU'),
  '05': stock('THẠCH SƠN KIM DANH CHÂU'),
  '06': stock('BÙI QUÁCH ĐINH HÀ'),
  '08': stock(
    'VÀNG GIÀNG SÙNG THÀO LẦU MUA',
    { male: words('MÍ A CHỨ SEO'), female: words('THỊ') },
    { male: words('SÍNH PÓ DÍNH VỪ LÙNG SÀI PÁO'), female: words('MỶ MÁY DÍ SÚA PÀ DỢ MAI') },
  ),
  '09': stock(
    'CHẢO TẨN PHÀN LÝ',
    { male: words('LÁO TẢ VẦN'), female: words('TẢ THỊ MÙI') },
    { male: words('CHIÊU SAN PHẤU LỞ VẠNG'), female: words('MẨY PHAM KIỀU COI') },
  ),
};

function stockOf(ethnicity: string): Stock {
  const found = STOCKS[ethnicity];
  if (found === undefined) throw new Error(`no names for ethnic group ${ethnicity}`);
  return found;
}

export const surname = (ethnicity: string, random: Random): string => random.pick(stockOf(ethnicity).surnames);

/** A full name of the father's line: the surname is given, the rest is drawn. */
export function fullName(line: string, sex: Sex, ethnicity: string, random: Random): string {
  const { middle, given } = stockOf(ethnicity);
  return `${line} ${random.pick(middle[sex])} ${random.pick(given[sex])}`;
}
