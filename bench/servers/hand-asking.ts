/** The seven look-ups of the hand-written endpoint: six at once, and the certificate once its serial is known. */
import type { Registries } from '../registries.ts';
import type { Post } from './hand-transport.ts';

export interface Citizen {
  readonly SoDinhDanh: string;
  readonly HoVaTen: { readonly KhaiSinh: string };
  readonly NgayThangNamSinh: { readonly NgayThangNam: string };
  readonly GioiTinh: string;
  readonly DienThoai: string;
  readonly ThuDienTu: string;
  readonly NgayCapNhat: string;
}

interface Party {
  readonly personal_id?: string;
  readonly full_name: string;
}

export interface Birth {
  readonly child: { readonly full_name: string; readonly born_on: string; readonly sex: string };
  readonly father?: Party;
  readonly mother?: Party;
  readonly as_of: string;
}

export interface Marriages {
  readonly marriages: readonly { readonly husband: Party; readonly wife: Party; readonly ended?: object }[];
}

export interface Right {
  readonly certificate: { readonly serial: string };
  readonly parcel: { readonly sheet: string; readonly number: string };
  readonly holders: readonly { readonly id: { readonly number: string } }[];
  readonly vouchedAt: string;
}

export interface Records {
  readonly person: Citizen | undefined;
  readonly householder: Citizen | undefined;
  readonly birth: Birth | undefined;
  readonly householderBirth: Birth | undefined;
  readonly marriages: Marriages | undefined;
  readonly certificate: Right | undefined;
}

export function askRegistries(
  { addresses, credentials }: Registries,
  post: Post,
): (subject: string, householder: string) => Promise<Records> {
  const bearer = (source: string) => ({ authorization: `Bearer ${credentials[source]}` });
  const url = (source: string, path: string) => `${new URL(addresses[source] ?? '').origin}${path}`;
  const at = {
    citizen: url('population', '/dich-vu/tra-cuu-cong-dan'),
    births: url('civil-registry', '/api/v2/births/search'),
    marriages: url('civil-registry', '/api/v2/marriages/search'),
    rights: url('land', '/land/v1/rights/search'),
    certificate: url('land', '/land/v1/certificates/lookup'),
  };
  const [toCivil, toLand] = [bearer('civil-registry'), bearer('land')];
  const toPopulation = { 'x-khoa-ket-noi': credentials.population ?? '' };

  const citizen = async (number: string) => {
    const answer = (await post(at.citizen, toPopulation, { SoDinhDanh: number })) as { MaKetQua: string; DuLieu?: Citizen };
    return answer.MaKetQua === '00' ? answer.DuLieu : undefined;
  };
  const birth = (number: string) => post(at.births, toCivil, { personal_id: number }) as Promise<Birth | undefined>;
  const certificate = async (number: string) => {
    const question = { holder: { kind: 'PERSONAL', number }, page: 1, pageSize: 100 };
    const { total, items } = (await post(at.rights, toLand, question)) as { total: number; items: Right[] };
    if (total !== 1) return undefined;
    return post(at.certificate, toLand, { serial: items[0]?.certificate.serial }) as Promise<Right | undefined>;
  };
  return async (subject, joined) => {
    const [person, householder, ownBirth, householderBirth, marriages, right] = await Promise.all([
      citizen(subject),
      citizen(joined),
      birth(subject),
      birth(joined),
      post(at.marriages, toCivil, { personal_id: subject }) as Promise<Marriages | undefined>,
      certificate(subject),
    ]);
    return { person, householder, birth: ownBirth, householderBirth, marriages, certificate: right };
  };
}
