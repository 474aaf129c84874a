/** One made-up family of three generations: two couples of grandparents, their children, a marriage between them, grandchildren. */

import { addCertificate, addMarriage, addPerson, bookEntry, dayIn, yearOf } from './making.ts';
import type { Address, Person, Relation, Sex, World } from './model.ts';
import { fullName, surname } from './names.ts';
import { COMMUNES, house } from './places.ts';
import type { Random } from './random.ts';

/** Not assigned to any place of registration, so no real person has such a number. */
const PREFIXES = ['000', '003', '099'] as const;

/** Who lives where: the majority everywhere, others where their people do live. */
const PEOPLES = [
  ...Object.values(COMMUNES).map((commune) => ({ commune, ethnicity: '01' })),
  { commune: COMMUNES.dongVan, ethnicity: '08' },
  { commune: COMMUNES.saPa, ethnicity: '09' },
  { commune: COMMUNES.saPa, ethnicity: '02' },
  { commune: COMMUNES.saiGon, ethnicity: '04' },
  { commune: COMMUNES.ninhKieu, ethnicity: '05' },
  { commune: COMMUNES.yenKhanh, ethnicity: '06' },
];

interface Couple {
  readonly husband: Person;
  readonly wife: Person;
  readonly home: Address;
  readonly line: string;
}

export function addFamily(world: World, random: Random): void {
  const { commune, ethnicity } = random.pick(PEOPLES);
  const prefix = random.pick(PREFIXES);

  const number = (sex: Sex, born: string): string => {
    const century = (yearOf(born) < 2000 ? 0 : 2) + (sex === 'male' ? 0 : 1);
    // Personas keep the range below 100000 for themselves.
    const id = `${prefix}${century}${born.slice(2, 4)}${random.int(1, 9)}${random.digits(5)}`;
    return world.people.has(id) ? number(sex, born) : id;
  };

  const elder = (sex: Sex, year: number, home: Address, line: string, dies: boolean): Person => {
    const born = random.chance(0.12) ? String(year) : dayIn(year, random);
    const diedOn = dayIn(random.int(2012, 2025), random);
    return addPerson(world, {
      id: number(sex, born),
      name: fullName(line, sex, ethnicity, random),
      born,
      sex,
      ethnicity,
      home,
      father: { name: fullName(line, 'male', ethnicity, random), born: String(year - random.int(22, 34)) },
      mother: { name: fullName(surname(ethnicity, random), 'female', ethnicity, random) },
      death: dies ? { ...bookEntry(diedOn, commune, random), diedOn } : undefined,
    });
  };

  const elders = (year: number): Couple => {
    const line = surname(ethnicity, random);
    const home = house(commune, random);
    const husband = elder('male', year, home, line, random.chance(0.25));
    const wife = elder('female', year + random.int(0, 2), home, surname(ethnicity, random), false);
    const death = husband.death && {
      kind: 'death' as const,
      number: husband.death.number,
      date: husband.death.diedOn,
      authority: husband.death.authority,
    };
    addMarriage(world, husband, wife, dayIn(year + 22, random), death);
    return { husband, wife, home, line };
  };

  const child = (parents: Couple, sex: Sex, year: number, home: Address): Person => {
    const born = dayIn(year, random);
    return addPerson(world, {
      id: number(sex, born),
      name: fullName(parents.line, sex, ethnicity, random),
      born,
      sex,
      ethnicity,
      home,
      birthPlace: { commune: parents.home.commune },
      father: { id: parents.husband.id },
      mother: { id: parents.wife.id },
    });
  };

  const year = random.int(1938, 1959);
  const his = elders(year);
  const hers = elders(year + random.int(0, 3));
  const parted = random.chance(0.12);
  const father = child(his, 'male', yearOf(his.husband.born) + random.int(25, 27), his.home);
  const mother = child(hers, 'female', yearOf(hers.husband.born) + random.int(25, 27), parted ? hers.home : his.home);
  const aunt = child(his, 'female', yearOf(father.born) + random.int(3, 5), his.home);
  const uncle = child(hers, 'male', yearOf(mother.born) + random.int(3, 5), hers.home);

  const wedding = Math.max(yearOf(father.born), yearOf(mother.born)) + random.int(22, 24);
  addMarriage(world, father, mother, dayIn(wedding, random), parted ? divorce(wedding + 9, random) : undefined);

  const couple: Couple = { husband: father, wife: mother, home: his.home, line: his.line };
  const children = Array.from({ length: random.int(2, 4) }, (_, place) =>
    child(couple, random.pick(['male', 'female'] as const), wedding + 1 + place * 2, his.home),
  );

  const relations: [Person, Relation][] = [
    [father, 'child'],
    [aunt, 'child'],
    ...children.map((one): [Person, Relation] => [one, 'grandchild']),
  ];
  if (!parted) relations.push([mother, 'child-in-law']);
  settle(world, his, relations);
  settle(
    world,
    hers,
    parted
      ? [
          [uncle, 'child'],
          [mother, 'child'],
        ]
      : [[uncle, 'child']],
  );
  if (random.chance(0.6)) grant(world, his, random);
}

function divorce(year: number, random: Random) {
  const date = dayIn(Math.min(year, 2025), random);
  return {
    kind: 'divorce' as const,
    number: `${random.int(10, 480)}/${date.slice(0, 4)}/QĐST-HNGĐ`,
    date,
    authority: 'Tòa án nhân dân huyện Thử nghiệm',
  };
}

/** The eldest man living heads the house; after him his widow. */
function settle(world: World, elders: Couple, others: readonly [Person, Relation][]): void {
  const head = elders.husband.death ? elders.wife : elders.husband;
  const wife: [Person, Relation][] = head === elders.husband ? [[elders.wife, 'wife']] : [];
  world.addHousehold(head.id, Object.fromEntries([...wife, ...others].map(([person, relation]) => [person.id, relation])));
}

function grant(world: World, elders: Couple, random: Random): void {
  const holders = random.chance(0.5) ? [{ id: elders.husband.id }, { id: elders.wife.id }] : [{ id: elders.husband.id }];
  const floorArea = random.int(450, 1800) / 10;
  addCertificate(world, { serial: serial(world, random), address: elders.home, holders, floorArea });
  for (let more = random.int(0, 4) - 2; more > 0; more--) {
    const uses = [{ code: random.pick(['CLN', 'LUC', 'HNK'] as const), area: random.int(2000, 24_000) / 10, term: '2064' }];
    addCertificate(world, { serial: serial(world, random), address: { commune: elders.home.commune }, holders, uses });
  }
}

/** Letters that no certificate carries yet. */
function serial(world: World, random: Random): string {
  const drawn = `ZZ ${random.int(1, 9)}${random.digits(7)}`;
  return world.certificates.has(drawn) ? serial(world, random) : drawn;
}
