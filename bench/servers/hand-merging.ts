/** The hand-written endpoint's reply: the form, where each value came from, the papers, and the applicant's records they were judged by. */
import { randomUUID } from 'node:crypto';
import type { Birth, Records } from './hand-asking.ts';

export function merge(dossier: string, subject: string, householder: string, records: Records): object {
  const { person, householder: head, birth, householderBirth, marriages, certificate } = records;
  const now = new Date().toISOString();
  const form: Record<string, string | undefined> = {};
  const fields: Record<string, object> = {};
  const fill = (name: string, value: string | undefined, source: string, recordedAt: string | undefined): void => {
    form[name] = value;
    fields[name] =
      value === undefined
        ? { status: 'not-found' }
        : { status: 'filled', source, recordedAt, observedAt: now, freshness: 'live', editable: false };
  };
  fill('fullName', birth?.child.full_name ?? person?.HoVaTen.KhaiSinh, birth ? 'civil-registry' : 'population', birth?.as_of);
  fill('dateOfBirth', dayOf(birth, person?.NgayThangNamSinh.NgayThangNam), birth ? 'civil-registry' : 'population', birth?.as_of);
  fill('gender', birth?.child.sex === 'M' || person?.GioiTinh === '1' ? 'male' : 'female', 'civil-registry', birth?.as_of);
  fill('personalId', person?.SoDinhDanh, 'population', person?.NgayCapNhat);
  fill('phone', person?.DienThoai, 'population', person?.NgayCapNhat);
  fill('email', person?.ThuDienTu, 'population', person?.NgayCapNhat);
  fill('householderName', head?.HoVaTen.KhaiSinh, 'population', head?.NgayCapNhat);
  fill('householderId', head?.SoDinhDanh, 'population', head?.NgayCapNhat);
  fill('certificateSerial', certificate?.certificate.serial, 'land', certificate?.vouchedAt);
  fill('parcelNumber', certificate?.parcel.number, 'land', certificate?.vouchedAt);
  fill('mapSheet', certificate?.parcel.sheet, 'land', certificate?.vouchedAt);

  const owns = certificate?.holders.some(({ id }) => id.number === subject) === true;
  const kin =
    isParent(birth, householder) ||
    isParent(householderBirth, subject) ||
    marriages?.marriages.some(({ husband, wife, ended }) => !ended && [husband, wife].some((one) => one.personal_id === householder)) ===
      true;
  const components = [
    { id: 'dwelling-ownership', name: 'Giấy tờ chứng minh việc sở hữu chỗ ở hợp pháp', verdict: owns ? 'replaced' : 'ask' },
    { id: 'kinship', name: 'Giấy tờ chứng minh quan hệ nhân thân với chủ hộ', verdict: kin ? 'replaced' : 'ask' },
    { id: 'lease', name: 'Hợp đồng, văn bản cho thuê, cho mượn, cho ở nhờ', verdict: 'ask' },
  ];
  return { id: randomUUID(), dossier, issuedAt: now, form, fields, components, records: { person, birth, marriages, certificate } };
}

const dayOf = (birth: Birth | undefined, compact: string | undefined): string | undefined =>
  birth?.child.born_on.split('/').reverse().join('-') ?? compact?.replace(/^(\d{4})(\d\d)(\d\d)$/, '$1-$2-$3');

const isParent = (birth: Birth | undefined, number: string): boolean =>
  birth?.father?.personal_id === number || birth?.mother?.personal_id === number;
