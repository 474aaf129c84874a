/** The civil registry: births, marriages and deaths by the number of the person, 404 where the books hold nothing. */

import { type Adapter, type AdapterSettings, type Answer, type JsonObject, SourceError } from '../src/adapter.ts';
import { connect } from './http.ts';
import { Members, malformed, record } from './reading.ts';

const GENDER = { M: 'male', F: 'female' };

const ENDING = {
  DIVORCE: { kind: 'divorce', leaves: { husband: 'divorced', wife: 'divorced' } },
  DEATH_OF_HUSBAND: { kind: 'death', leaves: { husband: undefined, wife: 'widowed' } },
  DEATH_OF_WIFE: { kind: 'death', leaves: { husband: 'widowed', wife: undefined } },
  ANNULMENT: { kind: 'annulment', leaves: { husband: undefined, wife: undefined } },
} as const;

const BOOKS = {
  birth: { path: '/api/v2/births/search', record: birth },
  marriage: { path: '/api/v2/marriages/search', record: marriage },
  death: { path: '/api/v2/deaths/search', record: death },
} as const;

export function civilRegistry(settings: AdapterSettings): Adapter {
  const connection = connect(settings);
  const headers: Record<string, string> = settings.credential === undefined ? {} : { authorization: `Bearer ${settings.credential}` };
  return {
    datasets: { birth: 'person', marriage: 'person', death: 'person' },
    lookUp: async ({ dataset, key }, signal) => {
      const book = BOOKS[dataset as keyof typeof BOOKS];
      const call = { path: book.path, headers, body: { personal_id: key }, answers: [404] };
      const { status, body } = await connection.ask(call, signal);
      return status === 404 ? absent(new Members(body, 'the answer')) : found(new Members(body, 'the answer'), book.record);
    },
    close: connection.close,
  };
}

/** Only the registry's own word for it. Another 404 is a wrong address, and would pass for an empty registry. */
function absent(body: Members): Answer {
  if (body.object('error')?.text('code') !== 'NO_RECORD') throw new SourceError('error', 'the registry answered with status 404');
  return { found: false };
}

function found(body: Members, read: (body: Members) => JsonObject): Answer {
  return { found: true, about: body.needText('personal_id'), record: read(body), recordedAt: body.time('dd/mm/yyyy', 'as_of') };
}

function birth(body: Members): JsonObject {
  const child = body.needObject('child');
  const personalId = body.needText('personal_id');
  for (const parent of ['father', 'mother']) {
    if (body.object(parent)?.text('personal_id') === personalId) throw malformed(parent, 'is the child itself');
  }
  return record({
    child: record({
      personalId,
      fullName: child.needText('full_name'),
      dateOfBirth: child.date('dd/mm/yyyy', 'born_on'),
      gender: child.coded(GENDER, 'sex'),
      ethnicity: ethnicity(child),
      nationality: child.text('nationality'),
      placeOfBirth: address(child.object('born_at')),
      nativePlace: address(child.object('native_place')),
    }),
    father: relative(body.object('father')),
    mother: relative(body.object('mother')),
    registration: entry(body.needObject('registration')),
  });
}

function death(body: Members): JsonObject {
  return record({
    personalId: body.needText('personal_id'),
    fullName: body.text('full_name'),
    diedOn: body.date('dd/mm/yyyy', 'died_on'),
    extract: entry(body.needObject('registration')),
  });
}

/** What the list of marriages amounts to for this person today. */
function marriage(body: Members): JsonObject {
  const personalId = body.needText('personal_id');
  const marriages = body.needList('marriages').map((item) => oneMarriage(item, personalId));
  const current = marriages.filter(({ ended }) => ended === undefined);
  if (marriages.length === 0 || current.length > 1) throw malformed('marriages', 'holds no marriage or several that stand');

  // An annulled marriage never was one: it counts neither for the status nor for the rank of the next.
  const counted = marriages.filter(({ ended }) => ended?.kind !== 'annulment');
  const endings = marriages
    .filter(({ ended }) => ended !== undefined)
    .sort((a, b) => Number(a.endedOn > b.endedOn) - Number(a.endedOn < b.endedOn));
  // Several endings of which one has no date have no order: which was the last is not guessed.
  const ordered = endings.length < 2 || endings.every(({ endedOn }) => endedOn !== '');
  const status =
    current.length === 1 ? 'married' : ordered ? endings.filter((one) => counted.includes(one)).at(-1)?.ended?.leaves : undefined;
  return record({
    personalId,
    maritalStatus: status ?? 'unknown',
    current: current[0]?.standing,
    lastEnded: ordered ? endings.at(-1)?.past : undefined,
    nextRank: body.flag('all_books_digitised') === true ? counted.length + 1 : undefined,
  });
}

function oneMarriage(item: Members, personalId: string) {
  const sides = { husband: item.needObject('husband'), wife: item.needObject('wife') };
  const side = (['husband', 'wife'] as const).find((name) => sides[name].text('personal_id') === personalId);
  if (side === undefined) throw malformed('marriages', 'holds a marriage of other people');
  const other = sides[side === 'husband' ? 'wife' : 'husband'];
  if (other.text('personal_id') === personalId) throw malformed('marriages', 'holds a marriage of someone with themselves');

  const registration = item.needObject('registration');
  const common = {
    number: registration.needText('number'),
    registeredOn: registration.date('dd/mm/yyyy', 'on'),
    authority: registration.text('authority'),
    spouse: relative(other),
  };
  const end = item.object('ended');
  const ending = end?.needCoded(ENDING, 'how');
  const endedOn = end?.date('dd/mm/yyyy', 'on');
  return {
    ended: ending && { kind: ending.kind, leaves: ending.leaves[side] },
    endedOn: endedOn ?? '',
    standing: record({ ...common, effectiveOn: item.date('dd/mm/yyyy', 'effective_on') }),
    past: record({
      ...common,
      end: record({ kind: ending?.kind, number: end?.text('number'), date: endedOn, authority: end?.text('authority') }),
    }),
  };
}

const entry = (registration: Members): JsonObject =>
  record({
    number: registration.needText('number'),
    book: registration.text('book'),
    registeredOn: registration.date('dd/mm/yyyy', 'on'),
    authority: registration.text('authority'),
  });

const relative = (person: Members | undefined): JsonObject | undefined =>
  person &&
  record({
    fullName: person.needText('full_name'),
    personalId: person.text('personal_id'),
    dateOfBirth: person.date('dd/mm/yyyy', 'born_on'),
    gender: person.coded(GENDER, 'sex'),
    nationality: person.text('nationality'),
    ethnicity: ethnicity(person),
  });

/** The registry counts the groups of Decision 121-TCTK/PPCĐ from 1 to 54; the canonical code has two digits. */
const ethnicity = (person: Members): string | undefined => person.number('ethnic_group')?.toString().padStart(2, '0');

const address = (place: Members | undefined): JsonObject | undefined =>
  place &&
  record({
    text: place.needText('text'),
    provinceCode: place.text('province'),
    communeCode: place.text('commune'),
    codeListDate: place.date('dd/mm/yyyy', 'code_list'),
    detail: place.text('detail'),
  });
