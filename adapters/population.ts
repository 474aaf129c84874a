/** The population database: status 200 whatever happens, the outcome as a code inside, members and code lists of its own. */

import { type Adapter, type AdapterSettings, type Answer, type JsonObject, SourceError, type SourceFailure } from '../src/adapter.ts';
import { connect } from './http.ts';
import { Members, record } from './reading.ts';

const GENDER = { '1': 'male', '2': 'female' };
const NATIONALITY = { VN: 'VNM', LA: 'LAO', KH: 'KHM', CN: 'CHN', KR: 'KOR', JP: 'JPN', US: 'USA', FR: 'FRA' };
const MARITAL_STATUS = { '0': 'unknown', '1': 'single', '2': 'married', '3': 'divorced', '4': 'widowed' };
const CARD = { '1': 'can-cuoc', '2': 'cccd', '3': 'can-cuoc-dien-tu', '4': 'cmnd', '5': 'giay-chung-nhan-can-cuoc', '6': 'passport' };
const RELATION = {
  '01': 'head',
  '02': 'wife',
  '03': 'husband',
  '04': 'child',
  '05': 'child-in-law',
  '06': 'father',
  '07': 'mother',
  '08': 'parent-in-law',
  '09': 'grandparent',
  '10': 'grandchild',
  '11': 'sibling',
  '99': 'other',
};
const OUTCOME: Readonly<Record<string, 'found' | 'absent' | 'cancelled' | SourceFailure>> = {
  '00': 'found',
  '01': 'absent',
  '02': 'cancelled',
  '90': 'error',
  '91': 'refused',
  '99': 'error',
};

export function population(settings: AdapterSettings): Adapter {
  const connection = connect(settings);
  const headers: Record<string, string> = settings.credential === undefined ? {} : { 'x-khoa-ket-noi': settings.credential };
  return {
    datasets: { person: 'person' },
    lookUp: async ({ key }, signal) => {
      const { body } = await connection.ask({ path: '/dich-vu/tra-cuu-cong-dan', headers, body: { SoDinhDanh: key } }, signal);
      return answerOf(new Members(body, 'the answer'));
    },
    close: connection.close,
  };
}

function answerOf(body: Members): Answer {
  const outcome = body.needCoded(OUTCOME, 'MaKetQua');
  if (outcome === 'absent') return { found: false };
  if (outcome === 'cancelled') {
    const successor = body.text('SoDinhDanhMoi');
    return { found: false, why: 'cancelled', ...(successor === undefined ? {} : { successor }) };
  }
  if (outcome !== 'found')
    throw new SourceError(outcome, 'the registry answered with the code of a failure', body.retryAfter('ThuLaiSauGiay'));
  const citizen = body.needObject('DuLieu');
  return {
    found: true,
    about: citizen.needText('SoDinhDanh'),
    record: person(citizen),
    recordedAt: citizen.time('yyyymmdd', 'NgayCapNhat'),
  };
}

function person(citizen: Members): JsonObject {
  const head = relative(citizen.object('ChuHo'));
  return record({
    ...someone(citizen),
    placeOfBirth: address(citizen.object('NoiSinh')),
    nativePlace: address(citizen.object('QueQuan')),
    identityDocument: card(citizen.object('GiayTo')),
    permanentResidence: address(citizen.object('ThuongTru')),
    temporaryResidence: address(citizen.object('TamTru')),
    currentResidence: address(citizen.object('NoiOHienTai')),
    permanentResidenceSince: citizen.object('ThuongTru')?.date('yyyymmdd', 'TuNgay'),
    maritalStatus: citizen.coded(MARITAL_STATUS, 'TinhTrangHonNhan'),
    relationToHead: citizen.coded(RELATION, 'QuanHeVoiChuHo'),
    head,
    // A household of one is known to have no other members; without a head there is no household to speak of.
    members: head && citizen.list('ThanhVien')?.map((member) => relation(member)),
    father: relative(citizen.object('Cha')),
    mother: relative(citizen.object('Me')),
    spouse: relative(citizen.object('VoChong')),
    phone: citizen.text('DienThoai'),
    email: citizen.text('ThuDienTu'),
    dateOfDeath: citizen.date('yyyymmdd', 'NgayChet'),
  });
}

/** What is said of a citizen and of those around them alike. */
function someone(member: Members): JsonObject {
  const born = member.object('NgayThangNamSinh');
  return record({
    fullName: member.needObject('HoVaTen').needText('KhaiSinh'),
    personalId: member.text('SoDinhDanh'),
    oldId9: member.text('SoCMND'),
    // The most precise of the three that is there.
    dateOfBirth: born?.date('yyyymmdd', 'NgayThangNam') ?? born?.date('yyyymmdd', 'ThangNam') ?? born?.date('yyyymmdd', 'Nam'),
    gender: member.coded(GENDER, 'GioiTinh'),
    nationality: member.coded(NATIONALITY, 'QuocTich'),
    ethnicity: member.text('DanToc'),
  });
}

const relative = (member: Members | undefined): JsonObject | undefined => member && someone(member);

const relation = (member: Members): JsonObject => record({ ...someone(member), relation: member.coded(RELATION, 'QuanHeVoiChuHo') });

const address = (place: Members | undefined): JsonObject | undefined =>
  place &&
  record({
    text: place.needText('DayDu'),
    country: place.coded(NATIONALITY, 'QuocGia'),
    provinceCode: place.text('MaTinh'),
    communeCode: place.text('MaXa'),
    codeListDate: place.date('yyyymmdd', 'NgayDanhMuc'),
    detail: place.text('ChiTiet'),
  });

const card = (paper: Members | undefined): JsonObject | undefined =>
  paper &&
  record({
    type: paper.needCoded(CARD, 'Loai'),
    number: paper.needText('So'),
    issuedOn: paper.date('yyyymmdd', 'NgayCap'),
    issuedBy: paper.text('NoiCap'),
    expiresOn: paper.date('yyyymmdd', 'NgayHetHan'),
  });
