/** Completes what is said of a made-up person, marriage or certificate with plausible details drawn from its own number. */

import type { BookEntry, Card, Certificate, Commune, Holder, Marriage, Person, World } from './model.ts';
import { isUrban, officeOf } from './places.ts';
import { type Random, random } from './random.ts';

/** The sandbox stands still on this day, so that nobody's age changes from one start to the next. */
export const TODAY = '2026-11-20';

export const yearOf = (date: string): number => Number(date.slice(0, 4));

export const ageOn = (born: string, day: string): number =>
  yearOf(day) - yearOf(born) - (born.length === 10 && day.slice(5) < born.slice(5) ? 1 : 0);

const two = (number: number): string => String(number).padStart(2, '0');

export const dayIn = (year: number, random: Random): string => `${year}-${two(random.int(1, 12))}-${two(random.int(1, 28))}`;

const dayBetween = (low: number, high: number, random: Random): string => dayIn(random.int(Math.min(low, high), high), random);

const daysAfter = (date: string, days: number): string => new Date(Date.parse(date) + days * 86_400_000).toISOString().slice(0, 10);

const minimum = (a: string, b: string): string => (a < b ? a : b);

export function bookEntry(day: string, commune: Commune, random: Random): BookEntry {
  const year = day.slice(0, 4);
  return { number: `${random.int(1, 320)}/${year}`, book: `0${random.int(1, 4)}/${year}`, registeredOn: day, authority: officeOf(commune) };
}

/** What has to be said of a person; the rest is made. `null` says that there is none. */
export type PersonSpec = Pick<Person, 'id' | 'name' | 'born' | 'sex' | 'home'> & {
  readonly [K in keyof Omit<Person, 'id' | 'name' | 'born' | 'sex' | 'home'>]?: Person[K] | null | undefined;
};

export function addPerson(world: World, spec: PersonSpec): Person {
  const draw = random(spec.id);
  const birthPlace = spec.birthPlace ?? { commune: spec.home.commune };
  const made = {
    ethnicity: '01',
    birthPlace,
    nativePlace: { commune: birthPlace.commune },
    homeSince: dayBetween(Math.max(yearOf(spec.born) + 1, 1996), 2024, draw),
    ...(spec.death ? {} : living(spec, draw)),
    birthEntry: bookEntry(spec.born.length === 10 ? daysAfter(spec.born, draw.int(3, 55)) : spec.born, birthPlace.commune, draw),
    birthDigitised: true,
    booksComplete: yearOf(spec.born) >= 1960 || draw.chance(0.6),
    populationAsOf: minimum(dayBetween(2025, 2026, draw).replace(/^2025-0[1-7]/, '2025-08'), '2026-10-30'),
    civilAsOf: minimum(dayIn(2026, draw), '2026-10-30'),
  };
  const person = Object.entries({ ...made, ...spec }).filter(([, value]) => value !== undefined && value !== null);
  return world.addPerson(Object.fromEntries(person) as unknown as Person);
}

function living(spec: PersonSpec, draw: Random) {
  const age = ageOn(spec.born, TODAY);
  const reachable = age >= 15 && draw.chance(0.88);
  const folded = spec.name
    .normalize('NFD')
    .replaceAll('Đ', 'D')
    .replace(/[^A-Za-z ]/g, '');
  return {
    ...(age >= 14 ? { card: card(spec.born, draw) } : {}),
    ...(yearOf(spec.born) < 1999 && draw.chance(0.7) ? { oldId9: `99${draw.digits(7)}` } : {}),
    ...(reachable ? { phone: `0000${draw.digits(6)}` } : {}),
    ...(reachable && draw.chance(0.7) ? { email: `${folded.split(' ').at(-1)?.toLowerCase()}.${spec.id.slice(-6)}@example.com` } : {}),
  };
}

/** A card is for persons from 14 and runs to the 25th, 40th or 60th birthday; after that it has no end. */
function card(born: string, draw: Random): Card {
  const issuedOn = minimum(dayBetween(Math.max(yearOf(born) + 15, 2021), 2026, draw), '2026-09-28');
  const birthday = [25, 40, 60].map((age) => yearOf(born) + age).find((year) => year - yearOf(issuedOn) > 2);
  const isNew = issuedOn >= '2024-07-01';
  return {
    kind: isNew ? 'can-cuoc' : 'cccd',
    issuedOn,
    issuedBy: isNew ? 'Bộ Công an' : 'Cục Cảnh sát quản lý hành chính về trật tự xã hội',
    ...(birthday !== undefined && born.length === 10 ? { expiresOn: `${birthday}${born.slice(4)}` } : {}),
  };
}

export function addMarriage(world: World, husband: Person, wife: Person, day: string, end?: Marriage['end'], effectiveOn?: string): void {
  const entry = bookEntry(day, husband.home.commune, random(`${husband.id}${wife.id}`));
  world.addMarriage({
    ...entry,
    husband: husband.id,
    wife: wife.id,
    ...(effectiveOn === undefined ? {} : { effectiveOn }),
    ...(end === undefined ? {} : { end }),
  });
}

export type CertificateSpec = Pick<Certificate, 'serial' | 'address'> & Partial<Certificate> & { readonly holders: readonly Holder[] };

/** A certificate; without `uses` it is for residential land, in town or country as its commune is. */
export function addCertificate(world: World, spec: CertificateSpec): void {
  const draw = random(spec.serial);
  const commune = spec.address.commune;
  const issuedOn = spec.issuedOn ?? dayBetween(2005, 2025, draw);
  const province = commune.text.slice(commune.text.lastIndexOf(', ') + 2);
  world.addCertificate({
    registerNumber: `CN ${draw.digits(5)}`,
    issuedOn,
    issuer: `Văn phòng đăng ký đất đai ${province}`,
    mapSheet: String(draw.int(1, 120)),
    parcel: String(draw.int(1, 600)),
    uses: [{ code: isUrban(commune) ? 'ODT' : 'ONT', area: draw.int(420, 3200) / 10, term: 'Lâu dài' }],
    asOf: minimum(dayIn(2026, draw), '2026-10-30'),
    ...spec,
  });
}
