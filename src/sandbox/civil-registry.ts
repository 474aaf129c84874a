/** The sandbox's civil registry: one path for each kind of book, 404 where the books hold nothing, day/month/year dates. */

import type { JsonObject } from '../adapter.ts';
import type { Address, BookEntry, Marriage, Parent, Person, World } from './model.ts';
import { textOf } from './places.ts';
import type { Dialect, Question, Reply, Route } from './registry.ts';

export function civilRegistry(world: World): Dialect {
  const route = (find: (person: Person) => JsonObject | undefined): Route => {
    const answer = (key: string): Reply => {
      const person = world.people.get(key);
      const record = person && find(person);
      if (person === undefined || record === undefined) return problem(404, 'NO_RECORD', 'The books hold no such entry.');
      return { status: 200, body: { personal_id: person.id, as_of: written(person.civilAsOf), ...record } };
    };
    const holds = (person: Person) => find(person) !== undefined;
    return { keyOf, answer, keys: () => [...world.people.values()].filter(holds).map(({ id }) => id) };
  };

  return {
    routes: {
      'POST /api/v2/births/search': route((person) => birth(world, person)),
      'POST /api/v2/marriages/search': route((person) => marriages(world, person)),
      'POST /api/v2/deaths/search': route(death),
    },
    credential: { header: 'authorization', prefix: 'Bearer ' },
    unauthorised: problem(401, 'NOT_KNOWN', 'The credential is not known.'),
    badQuestion: problem(400, 'BAD_REQUEST', 'personal_id is missing.'),
    failure: { ...problem(503, 'BUSY', 'Come back later.'), headers: { 'retry-after': '3' } },
  };
}

const keyOf = ({ body }: Question) => (typeof body.personal_id === 'string' ? body.personal_id : undefined);

const problem = (status: number, code: string, message: string): Reply => ({ status, body: { error: { code, message } } });

const written = (day: string): string => day.split('-').reverse().join('/');

function birth(world: World, person: Person): JsonObject | undefined {
  if (!person.birthDigitised) return undefined;
  return {
    child: {
      full_name: person.inCivilBooks?.name ?? person.name,
      born_on: written(person.inCivilBooks?.born ?? person.born),
      sex: person.sex === 'male' ? 'M' : 'F',
      ethnic_group: Number(person.ethnicity),
      nationality: 'VNM',
      born_at: address(person.birthPlace),
      native_place: address(person.nativePlace),
    },
    ...(person.father ? { father: parent(world, person.father) } : {}),
    ...(person.mother ? { mother: parent(world, person.mother) } : {}),
    registration: entry(person.birthEntry),
  };
}

function marriages(world: World, person: Person): JsonObject | undefined {
  const all = world.marriagesOf(person.id);
  if (all.length === 0) return undefined;
  return { all_books_digitised: person.booksComplete, marriages: all.map((one) => marriage(world, one)) };
}

function marriage(world: World, one: Marriage): JsonObject {
  return {
    registration: entry(one),
    ...(one.effectiveOn ? { effective_on: written(one.effectiveOn) } : {}),
    husband: spouse(world.person(one.husband)),
    wife: spouse(world.person(one.wife)),
    ...(one.end ? { ended: ended(world, one, one.end) } : {}),
  };
}

function ended(world: World, one: Marriage, end: NonNullable<Marriage['end']>): JsonObject {
  const how = end.kind === 'divorce' ? 'DIVORCE' : world.person(one.husband).death ? 'DEATH_OF_HUSBAND' : 'DEATH_OF_WIFE';
  return { how, number: end.number, on: written(end.date), authority: end.authority };
}

function death(person: Person): JsonObject | undefined {
  if (!person.death) return undefined;
  // More than the gateway may know: what it does not take from here, it cannot pass on.
  return { full_name: person.name, died_on: written(person.death.diedOn), cause: 'Bệnh', registration: entry(person.death) };
}

const entry = ({ number, book, registeredOn, authority }: BookEntry): JsonObject => ({
  number,
  book,
  on: written(registeredOn),
  authority,
});

const address = (place: Address): JsonObject => ({
  text: textOf(place),
  ...(place.detail ? { detail: place.detail } : {}),
  province: place.commune.province,
  commune: place.commune.code,
  code_list: written(place.commune.listDate),
});

/** Law 60/2014/QH13 art. 14(1)(b) asks for the parents' year of birth only, and the book holds no more. */
function parent(world: World, known: Parent): JsonObject {
  if ('name' in known) return { full_name: known.name, ...(known.born ? { born_on: known.born } : {}) };
  const person = world.person(known.id);
  return { ...spouse(person), born_on: person.born.slice(0, 4) };
}

const spouse = (person: Person): JsonObject => ({
  personal_id: person.id,
  full_name: person.inCivilBooks?.name ?? person.name,
  born_on: written(person.inCivilBooks?.born ?? person.born),
  ethnic_group: Number(person.ethnicity),
  nationality: 'VNM',
});
