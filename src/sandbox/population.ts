/** The sandbox's population database: one path, always status 200, the outcome as a code inside, members in Vietnamese. */

import type { JsonObject, JsonValue } from '../adapter.ts';
import type { Address, Parent, Person, Relation, World } from './model.ts';
import { textOf } from './places.ts';
import type { Dialect, Reply } from './registry.ts';

const RELATION: Readonly<Record<Relation, string>> = {
  head: '01',
  wife: '02',
  husband: '03',
  child: '04',
  'child-in-law': '05',
  father: '06',
  mother: '07',
  grandchild: '10',
  sibling: '11',
  other: '99',
};

export function population(world: World): Dialect {
  return {
    routes: {
      'POST /dich-vu/tra-cuu-cong-dan': {
        keyOf: ({ body }) => (typeof body.SoDinhDanh === 'string' ? body.SoDinhDanh : undefined),
        answer: (key) => lookUp(world, key),
        keys: () => world.people.keys(),
      },
    },
    credential: { header: 'x-khoa-ket-noi', prefix: '' },
    unauthorised: reply('91', 'Đơn vị không được phép khai thác'),
    badQuestion: reply('99', 'Yêu cầu không đúng định dạng'),
    failure: { ...reply('90', 'Hệ thống đang bận'), body: { MaKetQua: '90', ThongBao: 'Hệ thống đang bận', ThuLaiSauGiay: 2 } },
  };
}

const reply = (code: string, message: string, data: JsonObject = {}): Reply => ({
  status: 200,
  body: { MaKetQua: code, ThongBao: message, ...data },
});

function lookUp(world: World, key: string): Reply {
  const successor = world.cancelled.get(key);
  if (successor !== undefined) return reply('02', 'Số định danh đã bị hủy', { SoDinhDanhMoi: successor });
  const person = world.people.get(key);
  if (person === undefined) return reply('01', 'Không tìm thấy công dân');
  return reply('00', 'Thành công', { DuLieu: citizen(world, person) });
}

function citizen(world: World, person: Person): JsonObject {
  const household = world.householdOf(person.id);
  const spouse = spouseOf(world, person);
  return {
    SoDinhDanh: person.id,
    HoVaTen: { KhaiSinh: person.name, TenGoiKhac: null },
    NgayThangNamSinh: date(person.born),
    GioiTinh: sex(person),
    DanToc: person.ethnicity,
    QuocTich: 'VN',
    NoiSinh: address(person.birthPlace),
    QueQuan: address(person.nativePlace),
    SoCMND: person.oldId9 ?? null,
    GiayTo: person.card
      ? {
          Loai: person.card.kind === 'can-cuoc' ? '1' : '2',
          So: person.id,
          NgayCap: compact(person.card.issuedOn),
          NoiCap: person.card.issuedBy,
          NgayHetHan: person.card.expiresOn ? compact(person.card.expiresOn) : null,
        }
      : null,
    ThuongTru: person.death ? null : { ...address(person.home), TuNgay: compact(person.homeSince) },
    TamTru: person.temporaryHome ? address(person.temporaryHome) : null,
    NoiOHienTai: person.death ? null : address(person.temporaryHome ?? person.home),
    TinhTrangHonNhan: maritalStatus(world, person),
    QuanHeVoiChuHo: relation(household?.members.get(person.id)),
    ChuHo: household ? someone(world.person(household.head)) : null,
    ThanhVien: [...(household?.members ?? [])]
      .filter(([id]) => id !== person.id)
      .map(([id, label]) => ({ ...someone(world.person(id)), QuanHeVoiChuHo: relation(label) })),
    Cha: parent(world, person.father),
    Me: parent(world, person.mother),
    VoChong: spouse ? someone(spouse) : null,
    DienThoai: person.phone ?? '',
    ThuDienTu: person.email ?? '',
    NgayChet: person.death ? compact(person.death.diedOn) : null,
    NgayCapNhat: compact(person.populationAsOf),
  };
}

const compact = (day: string): string => day.replaceAll('-', '');

const sex = (person: Person): string => (person.sex === 'male' ? '1' : '2');

const relation = (label: Relation | undefined): string | null => (label === undefined ? null : RELATION[label]);

/** Whichever of the three members is known, as precisely as it is known. */
function date(day: string): JsonObject {
  const member = { 4: 'Nam', 7: 'ThangNam', 10: 'NgayThangNam' }[day.length] ?? 'Nam';
  return { Nam: null, ThangNam: null, NgayThangNam: null, [member]: compact(day) };
}

function address(place: Address): JsonObject {
  const { province, code, listDate } = place.commune;
  return {
    QuocGia: 'VN',
    MaTinh: province,
    MaXa: code,
    NgayDanhMuc: compact(listDate),
    ChiTiet: place.detail ?? null,
    DayDu: textOf(place),
  };
}

function someone(person: Person): JsonObject {
  return {
    SoDinhDanh: person.id,
    HoVaTen: { KhaiSinh: person.name },
    NgayThangNamSinh: date(person.born),
    GioiTinh: sex(person),
    DanToc: person.ethnicity,
    QuocTich: 'VN',
  };
}

function parent(world: World, known: Parent | undefined): JsonValue {
  if (known === undefined) return null;
  if ('id' in known) return someone(world.person(known.id));
  return { HoVaTen: { KhaiSinh: known.name }, NgayThangNamSinh: known.born ? date(known.born) : null };
}

function spouseOf(world: World, person: Person): Person | undefined {
  const standing = world.marriagesOf(person.id).find(({ end }) => end === undefined);
  return standing && world.person(standing.husband === person.id ? standing.wife : standing.husband);
}

/** 0 no information, 1 never married, 2 married, 3 divorced, 4 widowed. */
function maritalStatus(world: World, person: Person): string {
  const latest = world.marriagesOf(person.id).at(-1);
  if (person.death) return '0';
  if (latest === undefined) return person.booksComplete ? '1' : '0';
  if (latest.end === undefined) return '2';
  return latest.end.kind === 'divorce' ? '3' : '4';
}
