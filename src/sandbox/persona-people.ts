/** Makes the personas and those around them, each situation in a few lines of its own. */

import { addCertificate, addMarriage, addPerson, bookEntry, type PersonSpec } from './making.ts';
import type { Address, Commune, Person, World } from './model.ts';
import { COMMUNES, PHU_CUONG } from './places.ts';
import { random } from './random.ts';

const at = (commune: Commune, detail: string): Address => ({ commune, detail });

export function addPersonas(world: World): void {
  for (const add of [flagship, bride, couple, divorce, widow, oneParent, newborn, siblings, oldCertificate, alone, highlands]) add(world);
}

/** One man or woman with parents who are only names in the books. */
function single(world: World, id: string, name: string, born: string, home: Address, spec: Partial<PersonSpec> = {}): Person {
  const draw = random(`parents of ${id}`);
  const year = Number(born.slice(0, 4));
  return addPerson(world, {
    id,
    name,
    born,
    sex: Number(id[3]) % 2 === 0 ? 'male' : 'female',
    home,
    father: { name: `${name.split(' ')[0]} VĂN ${draw.pick(['KHẢI', 'LƯỢNG', 'MẪN', 'THỤ'])}`, born: String(year - draw.int(24, 33)) },
    mother: {
      name: `${draw.pick(['LÊ', 'BÙI', 'PHAN', 'DOÃN'])} THỊ ${draw.pick(['NGỌ', 'MÙI', 'THÂN', 'TỴ'])}`,
      born: String(year - draw.int(20, 24)),
    },
    booksComplete: true,
    ...spec,
  });
}

const child = (father: Person | undefined, mother: Person) => ({
  father: father === undefined ? null : { id: father.id },
  mother: { id: mother.id },
});

function flagship(world: World): void {
  const house = at(COMMUNES.kimLien, 'Số 21, Tổ dân phố số 4');
  const father = single(world, '003060000021', 'NGUYỄN VĂN BÌNH', '1960-02-10', house, { phone: '0000600021' });
  const mother = single(world, '003163000023', 'LÊ THỊ CÚC', '1963-11-05', house);
  addMarriage(world, father, mother, '1992-10-18');
  const sister = single(world, '003302000025', 'NGUYỄN THỊ DIỆP', '2002-06-21', house, child(father, mother));
  const son = single(world, '003099000017', 'NGUYỄN VĂN AN', '1999-05-17', at(COMMUNES.thuDauMot, 'Số 88, Tổ dân phố số 7'), {
    ...child(father, mother),
    birthPlace: { commune: COMMUNES.kimLien },
    nativePlace: { commune: COMMUNES.yenKhanh },
    homeSince: '2022-09-06',
    phone: '0000990017',
    email: 'an.000017@example.com',
    oldId9: null,
    card: { kind: 'can-cuoc', issuedOn: '2024-08-19', issuedBy: 'Bộ Công an', expiresOn: '2039-05-17' },
    populationAsOf: '2026-03-01',
    civilAsOf: '2026-05-04',
  });
  world.addHousehold(father.id, { [mother.id]: 'wife', [sister.id]: 'child' });
  world.addHousehold(son.id, {});
  addCertificate(world, {
    serial: 'ZZ 00000017',
    address: house,
    holders: [{ id: son.id }],
    uses: [{ code: 'ODT', area: 72.5, term: 'Lâu dài' }],
    floorArea: 118.4,
    issuedOn: '2023-04-12',
    mapSheet: '12',
    parcel: '145',
  });
}

function bride(world: World): void {
  single(world, '003301000034', 'TRẦN THỊ HƯƠNG', '2001-03-08', at(COMMUNES.hoanKiem, 'Số 15, Tổ dân phố số 2'), { phone: '0000010034' });
  world.addHousehold('003301000034', {});
}

function couple(world: World): void {
  const house = at(COMMUNES.haiChau, 'Số 41, Tổ dân phố số 11');
  const husband = single(world, '003085000041', 'PHẠM MINH ĐỨC', '1985-07-02', house);
  const wife = single(world, '003187000042', 'HOÀNG THỊ LAN', '1987-12-24', house);
  addMarriage(world, husband, wife, '2014-03-15');
  const boy = single(world, '003219000043', 'PHẠM GIA HUY', '2019-09-09', house, child(husband, wife));
  world.addHousehold(husband.id, { [wife.id]: 'wife', [boy.id]: 'child' });
  addCertificate(world, { serial: 'ZZ 00000041', address: house, holders: [{ id: husband.id }, { id: wife.id }], floorArea: 96 });
}

function divorce(world: World): void {
  const first = single(world, '003182000051', 'VŨ THỊ HẠNH', '1982-04-30', at(COMMUNES.hongBang, 'Số 51, Tổ dân phố số 3'));
  const house = at(COMMUNES.hongBang, 'Số 52, Tổ dân phố số 9');
  const husband = single(world, '003080000052', 'ĐẶNG QUỐC TUẤN', '1980-10-11', house);
  const second = single(world, '003188000053', 'BÙI THỊ NGỌC', '1988-01-19', house);
  const court = 'Tòa án nhân dân quận Hồng Bàng, thành phố Hải Phòng';
  addMarriage(world, husband, first, '2007-12-02', { kind: 'divorce', number: '118/2015/QĐST-HNGĐ', date: '2015-06-22', authority: court });
  addMarriage(world, husband, second, '2018-05-05');
  world.addHousehold(husband.id, { [second.id]: 'wife' });
  world.addHousehold(first.id, {});
}

function widow(world: World): void {
  const house = at(COMMUNES.huongKhe, 'Thôn 6');
  const entry = bookEntry('2023-02-20', house.commune, random('death of 003052000062'));
  const husband = single(world, '003052000062', 'NGÔ VĂN THÀNH', '1952-03-03', house, { death: { ...entry, diedOn: '2023-02-17' } });
  const wife = single(world, '003155000061', 'ĐỖ THỊ TÂM', '1955-08-15', house);
  addMarriage(
    world,
    husband,
    wife,
    '1976-01-20',
    { kind: 'death', number: entry.number, date: '2023-02-17', authority: entry.authority },
    '1976-01-01',
  );
  world.addHousehold(wife.id, {});
}

function oneParent(world: World): void {
  const house = at(COMMUNES.daLat, 'Số 71, Tổ dân phố số 5');
  const mother = single(world, '003195000071', 'LÝ THỊ THU', '1995-05-25', house);
  const girl = single(world, '003318000072', 'LÝ BẢO NGÂN', '2018-11-30', house, child(undefined, mother));
  world.addHousehold(mother.id, { [girl.id]: 'child' });
}

function newborn(world: World): void {
  const house = at(COMMUNES.saiGon, 'Số 81, Tổ dân phố số 8');
  const mother = single(world, '003197000081', 'TRƯƠNG THỊ MAI', '1997-02-14', house);
  const father = single(world, '003094000082', 'PHAN QUANG KHẢI', '1994-06-06', house);
  addMarriage(world, father, mother, '2024-04-20');
  world.addHousehold(father.id, { [mother.id]: 'wife' });
  world.notices.set(mother.id, {
    code: '99001.GCS.00081.26',
    mother: mother.id,
    bornOn: '2026-11-12',
    sex: 'female',
    intendedName: 'PHAN MAI KHUÊ',
    facility: { commune: COMMUNES.saiGon, detail: 'Bệnh viện Phụ sản Thử nghiệm' },
    children: 1,
    signedAt: '2026-11-12T09:40:00Z',
  });
}

function siblings(world: World): void {
  const house = at(COMMUNES.ninhKieu, 'Số 91, Tổ dân phố số 1');
  const brother = single(world, '003078000091', 'HỒ VĂN PHÚC', '1978-09-01', house);
  const sister = single(
    world,
    '003181000092',
    'HỒ THỊ LOAN',
    '1981-03-27',
    house,
    brother.father && brother.mother ? { father: brother.father, mother: brother.mother } : {},
  );
  world.addHousehold(brother.id, { [sister.id]: 'sibling' });
  addCertificate(world, {
    serial: 'ZZ 00000091',
    address: house,
    holders: [{ id: brother.id }, { id: sister.id }],
    restrictions: ['Đang thế chấp quyền sử dụng đất tại Ngân hàng Thử nghiệm'],
  });
}

function oldCertificate(world: World): void {
  const house = at(COMMUNES.yenKhanh, 'Thôn 3');
  const owner = single(world, '003058000101', 'DƯƠNG VĂN HẢI', '1958-06-12', house, { oldId9: '991000101' });
  world.addHousehold(owner.id, {});
  const holders = [{ name: 'HỘ ÔNG DƯƠNG VĂN HẢI', oldId9: '991000101' }];
  addCertificate(world, { serial: 'ZZ 00000101', address: house, holders, issuedOn: '1998-12-30' });
}

/** Those whose situation is theirs alone: each in a house of their own. */
function alone(world: World): void {
  const living = (id: string, name: string, born: string, spec: Partial<PersonSpec> = {}): Person => {
    const person = single(world, id, name, born, at(COMMUNES.vyDa, `Số ${Number(id.slice(-3))}, Tổ dân phố số 2`), spec);
    world.addHousehold(id, {});
    return person;
  };
  living('003145000111', 'ĐINH THỊ SÁU', '1945');
  living('003090000121', 'MAI XUÂN LỘC', '1990-01-29', {
    home: at(PHU_CUONG, 'Số 121, Khu phố 3'),
    birthPlace: { commune: PHU_CUONG },
    nativePlace: { commune: COMMUNES.vyDa },
    populationAsOf: '2024-10-15',
  });
  living('003088000131', 'TRẦN VĂN BÌNH', '1988-08-08', { inCivilBooks: { name: 'TRẦN VĂN BÍNH' } });
  living('003192000141', 'LÊ THỊ HÒA', '1992-02-29', { inCivilBooks: { name: 'LÊ THỊ HOÀ' } });
  living('003070000151', 'NGUYỄN HỮU TÍN', '1970-01-01', { inCivilBooks: { born: '1970-08-23' } });
  living('003086000162', 'CAO MINH QUÂN', '1986-10-20');
  world.cancelled.set('003086000161', '003086000162');
  living('003093000181', 'VÕ THANH TÙNG', '1993-07-07', { birthDigitised: false });

  const owner = living('003065000171', 'LƯƠNG VĂN KHOA', '1965-04-01');
  addCertificate(world, { serial: 'ZZ 00000171', address: owner.home, holders: [{ id: owner.id }], floorArea: 140 });
  for (const serial of ['ZZ 00000172', 'ZZ 00000173', 'ZZ 00000174', 'ZZ 00000175']) {
    const uses = [{ code: 'CLN', area: 1250.5, term: '2064' }];
    addCertificate(world, { serial, address: { commune: owner.home.commune }, holders: [{ id: owner.id }], uses });
  }

  const wife = living('003172000201', 'TÔ THỊ NHUNG', '1972-12-12', { booksComplete: false });
  const husband = living('003069000202', 'LA VĂN ĐIỀN', '1969-05-09', { booksComplete: false });
  const authority = 'Tòa án nhân dân thành phố Huế';
  addMarriage(world, husband, wife, '1995-01-01', { kind: 'divorce', number: '77/2009/HNGĐ-ST', date: '2009-09-30', authority });
}

/** Ê-đê children take the mother's clan name. */
function highlands(world: World): void {
  const house = at(COMMUNES.buonMaThuot, 'Buôn Thử Nghiệm');
  const ede = { ethnicity: '12', father: null, mother: null };
  const father = single(world, '003066000213', 'Y-BHEM NIÊ', '1966-03-19', house, ede);
  const mother = single(world, '003168000214', "H'RUT MLÔ", '1968', house, ede);
  addMarriage(world, father, mother, '1993-02-11');
  const girl = single(world, '003196000211', "H'BIA MLÔ", '1996-10-03', house, { ...ede, ...child(father, mother) });
  const boy = single(world, '003098000212', 'Y-THIÊN MLÔ', '1998-12-08', house, { ...ede, ...child(father, mother) });
  world.addHousehold(mother.id, { [father.id]: 'husband', [girl.id]: 'child', [boy.id]: 'child' });
}
