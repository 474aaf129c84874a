/** The sandbox: the same coherent people on every start, none of them real, and registries that can be told to misbehave. */

import t from 'tap';
import { personas, startSandbox } from '../src/sandbox/index.ts';
import { ageOn, TODAY, yearOf } from '../src/sandbox/making.ts';
import type { Person } from '../src/sandbox/model.ts';
import { makeWorld } from '../src/sandbox/people.ts';

const world = makeWorld();
const people = [...world.people.values()];
const by = (id: string): Person => world.person(id);

t.test('the same people on every start, at least a thousand', async (t) => {
  t.ok(people.length >= 1000);
  t.equal(JSON.stringify([...makeWorld().people.values()]), JSON.stringify(people));
});

/** A rule → those who break it. */
const RULES: [string, (person: Person) => boolean][] = [
  ['numbers have a prefix that no place of registration has', ({ id }) => /^(000|003|099)\d{9}$/.test(id)],
  [
    'numbers say century, sex and year',
    ({ id, sex, born }) => id.slice(3, 6) === `${(yearOf(born) < 2000 ? 0 : 2) + (sex === 'male' ? 0 : 1)}${born.slice(2, 4)}`,
  ],
  ['names are NFC in capitals', ({ name }) => name === name.normalize('NFC').toUpperCase() && name.includes(' ')],
  [
    'contacts are fictitious',
    ({ phone, email }) => /^0000\d{6}$/.test(phone ?? '0000000000') && (email ?? '@example.com').endsWith('@example.com'),
  ],
  ['nobody is born or dies in the future', ({ born, death }) => born <= TODAY && (death?.diedOn ?? TODAY) <= TODAY],
  ['old certificates’ numbers are no real ones', ({ oldId9 }) => /^99\d{7}$/.test(oldId9 ?? '990000000')],
  ['ethnic groups are on the list of 54', ({ ethnicity }) => Number(ethnicity) >= 1 && Number(ethnicity) <= 54],
  [
    'parents are a generation older',
    ({ born, father, mother }) =>
      [father, mother].every((parent) => !parent || !('id' in parent) || yearOf(born) - yearOf(by(parent.id).born) >= 18),
  ],
  [
    'a father is a man and a mother a woman',
    ({ father, mother }) =>
      (!father || !('id' in father) || by(father.id).sex === 'male') && (!mother || !('id' in mother) || by(mother.id).sex === 'female'),
  ],
  [
    'the surname is the father’s, or the clan name the mother’s',
    ({ name, father, mother, ethnicity }) => {
      const line = ethnicity === '12' ? mother : (father ?? mother);
      const end = ethnicity === '12' ? -1 : 0;
      return !line || name.split(' ').at(end) === ('id' in line ? by(line.id).name : line.name).split(' ').at(end);
    },
  ],
  [
    'spouses are each other’s, of age, one at a time',
    (person) => {
      const all = world.marriagesOf(person.id);
      const mutual = all.every(
        ({ husband, wife }) =>
          [husband, wife].includes(person.id) &&
          by(husband).sex === 'male' &&
          by(wife).sex === 'female' &&
          [husband, wife].every((id) => world.marriagesOf(id).length > 0),
      );
      return (
        mutual &&
        all.every(({ registeredOn }) => yearOf(registeredOn) - yearOf(person.born) >= 18) &&
        all.filter(({ end }) => !end).length <= 1
      );
    },
  ],
  [
    'the living live in a house with a head, the dead do not',
    ({ id, death }) => {
      const house = world.householdOf(id);
      return death ? house === undefined : house?.members.get(house.head) === 'head' && house.members.has(id) && !by(house.head).death;
    },
  ],
  [
    'a house is one address',
    ({ id, home }) => {
      const house = world.householdOf(id);
      return house === undefined || JSON.stringify(by(house.head).home) === JSON.stringify(home);
    },
  ],
  ['cards are for people from fourteen', ({ card, born }) => !card || ageOn(born, TODAY) >= 14],
];

for (const [name, keeps] of RULES) {
  t.test(name, async (t) =>
    t.strictSame(
      people.filter((person) => !keeps(person)).map(({ id, name: who }) => `${id} ${who}`),
      [],
    ),
  );
}

const serials = (id: string) => world.holdingsOf(id).map(({ serial }) => serial);

/** What the table of personas promises, one line for each. */
const PROMISES: [string, () => unknown, unknown][] = [
  [
    '003099000017',
    () => [by('003099000017').father, by('003099000017').born, serials('003099000017'), world.marriagesOf('003099000017').length],
    [{ id: '003060000021' }, '1999-05-17', ['ZZ 00000017'], 0],
  ],
  ['003060000021', () => [world.householdOf('003060000021')?.head, serials('003060000021')], ['003060000021', []]],
  [
    '003301000034',
    () => [by('003301000034').sex, ageOn(by('003301000034').born, TODAY), world.marriagesOf('003301000034').length],
    ['female', 25, 0],
  ],
  [
    '003085000041',
    () => [world.marriagesOf('003085000041').map(({ wife }) => wife), serials('003187000042')],
    [['003187000042'], serials('003085000041')],
  ],
  ['003219000043', () => ageOn(by('003219000043').born, TODAY) < 14, true],
  ['003182000051', () => world.marriagesOf('003182000051').map(({ end }) => end?.kind), ['divorce']],
  ['003080000052', () => world.marriagesOf('003080000052').map(({ end }) => end?.kind), ['divorce', undefined]],
  ['003155000061', () => world.marriagesOf('003155000061').map(({ end }) => end?.kind), ['death']],
  ['003052000062', () => by('003052000062').death?.diedOn, '2023-02-17'],
  ['003318000072', () => [by('003318000072').father, by('003318000072').mother], [undefined, { id: '003195000071' }]],
  [
    '003197000081',
    () => [world.notices.get('003197000081')?.code.length, world.marriagesOf('003197000081')[0]?.husband],
    [18, '003094000082'],
  ],
  [
    '003078000091',
    () => world.holdingsOf('003078000091').map(({ holders, restrictions }) => [holders.length, restrictions?.length]),
    [[2, 1]],
  ],
  [
    '003058000101',
    () => [serials('003058000101'), world.certificates.get('ZZ 00000101')?.holders],
    [[], [{ name: 'HỘ ÔNG DƯƠNG VĂN HẢI', oldId9: by('003058000101').oldId9 }]],
  ],
  ['003145000111', () => by('003145000111').born, '1945'],
  ['003090000121', () => [by('003090000121').home.commune.code, by('003090000121').home.commune.listDate < '2025-07-01'], ['25747', true]],
  ['003088000131', () => by('003088000131').inCivilBooks, { name: 'TRẦN VĂN BÍNH' }],
  ['003192000141', () => by('003192000141').inCivilBooks, { name: 'LÊ THỊ HOÀ' }],
  ['003070000151', () => [by('003070000151').born, by('003070000151').inCivilBooks], ['1970-01-01', { born: '1970-08-23' }]],
  ['003086000161', () => [world.people.has('003086000161'), world.cancelled.get('003086000161')], [false, '003086000162']],
  ['003065000171', () => serials('003065000171').length, 5],
  ['003093000181', () => by('003093000181').birthDigitised, false],
  ['003091000199', () => world.people.has('003091000199'), false],
  ['003172000201', () => [by('003172000201').booksComplete, world.marriagesOf('003172000201').length], [false, 1]],
  ['003196000211', () => [by('003196000211').ethnicity, by('003098000212').name], ['12', 'Y-THIÊN MLÔ']],
];

t.test('the personas are as documented', async (t) => {
  t.strictSame(
    PROMISES.map(([number]) => number),
    personas.map(({ number }) => number),
    'each has a promise here',
  );
  for (const [number, told, expected] of PROMISES) t.strictSame(told(), expected, number);
  for (const { number, name } of personas) if (world.people.has(number)) t.equal(by(number).name, name, number);
});

t.test('a registry is told over HTTP how to behave', async (t) => {
  const sandbox = await startSandbox();
  const mode = new URL('/sandbox/mode', sandbox.addresses.land);
  const put = (body: string) => fetch(mode, { method: 'PUT', body });
  t.strictSame(await (await fetch(mode)).json(), { mode: 'ok' });
  t.strictSame(await (await put('{"mode":"slow","delayMs":5}')).json(), { mode: 'slow', delayMs: 5 });
  t.strictSame(await (await fetch(mode)).json(), { mode: 'slow', delayMs: 5 });
  for (const wrong of ['', '[]', '{"mode":"odd"}', '{"mode":"slow","delayMs":-1}']) t.equal((await put(wrong)).status, 400, wrong);
  t.equal(sandbox.requests('land'), 0, 'being told is no look-up');
  await sandbox.close();
});

t.test('closing is prompt even while a question hangs', async (t) => {
  const sandbox = await startSandbox();
  sandbox.tell('land', { mode: 'hang' });
  const hanging = fetch(new URL('/land/v1/rights/search', sandbox.addresses.land), { method: 'POST' }).catch(() => 'cut');
  while (sandbox.requests('land') === 0) await new Promise(setImmediate);
  await sandbox.close();
  t.equal(await hanging, 'cut');
});
