/** What the detector costs: of an entry that it follows, of a request that it looks at, and of memory when everything is full. */

import type { AuditEntry } from '../src/audit/entry.ts';
import { misuseRules, type WatchSettings } from '../src/catalogue/misuse.ts';
import type { Agency } from '../src/domain.ts';
import { Rules } from '../src/misuse/rules.ts';
import { Sequence } from '../src/misuse/sequence.ts';
import { chance } from '../test/support/chance.ts';

const ENTRIES = 200_000;
const AGENCIES = 34;
const random = chance(1);
const START = Date.parse('2026-11-23T01:00:00Z');
const settings: WatchSettings = { rules: misuseRules(), agencies: new Map(), people: new Map(), things: new Set() };
const base64 = (): string =>
  Buffer.from(Array.from({ length: 8 }, () => random(2 ** 32)).join())
    .toString('base64url')
    .slice(0, 43);

const entryOf = (i: number, kind: AuditEntry['kind']): AuditEntry => {
  const agency = `H${10 + random(AGENCIES)}`;
  return {
    v: 1,
    time: new Date(START + i * 50).toISOString(),
    kind,
    id: String(i),
    agency,
    client: agency,
    officer: `${agency}-${random(60)}`,
    procedure: '1.004222',
    dossier: `${agency}-261123-${random(20_000)}`,
    subjects: { subject: base64(), householder: base64() },
    outcome: 'answered',
    config: 'none',
  };
};

/** Microseconds of CPU for each. */
function cost(count: number, work: (i: number) => void): number {
  const before = process.cpuUsage();
  for (let i = 0; i < count; i++) work(i);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}
const megabytes = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 2 ** 20;
};
const rows: [string, string][] = [];

const entries = Array.from({ length: ENTRIES }, (_, i) => entryOf(i, i % 2 === 0 ? 'intent' : 'outcome'));
const empty = megabytes();
let found = 0;
const rules = new Rules(settings, () => void found++);
rows.push(['an entry that was read for the search, µs', cost(ENTRIES, (i) => rules.see(entries[i] as AuditEntry)).toFixed(2)]);
rows.push(['memory after them, MB', (megabytes() - empty).toFixed(0)]);
rows.push(['found in them', String(found)]);

const bodies = entries.map((entry) => JSON.stringify(entry));
const own = new Rules(settings, () => {});
rows.push([
  'an entry that another gateway took over, µs',
  cost(ENTRIES, (i) => {
    const body = bodies[i] as string;
    if (!body.includes('"kind":"intent"')) own.see(JSON.parse(body) as AuditEntry);
  }).toFixed(2),
]);

const flooded = new Rules(settings, () => {});
const before = megabytes();
const flood = cost(400_000, (i) => {
  const agency = `H${i % AGENCIES}`;
  const about = { agency, officer: `${agency}-${i}`, dossier: `${agency}-261123-${i}-${'x'.repeat(30)}` };
  flooded.see({ ...entryOf(0, 'outcome'), ...about });
});
rows.push(['an entry where no two are alike, made included, µs', flood.toFixed(2)]);
rows.push(['memory of a day that is full, MB', (megabytes() - before).toFixed(0)]);

let now = START;
const sequence = new Sequence(
  misuseRules(),
  () => now,
  () => {},
);
const numbers = Array.from({ length: ENTRIES }, () => `0${String(random(2 ** 31)).padStart(11, '0')}`);
const agencies = Array.from({ length: AGENCIES }, (_, i) => ({ agency: { id: `H${i}` } as Agency }));
const inPath = cost(ENTRIES, (i) => {
  now += 10;
  const request = {
    procedure: '1.004222',
    dossier: 'D',
    officer: 'O',
    subject: numbers[i] as string,
    related: { householder: numbers[ENTRIES - 1 - i] as string },
  };
  sequence.see(agencies[i % AGENCIES] as (typeof agencies)[number], request);
});
rows.push(['a request of two numbers, in its path, µs', inPath.toFixed(2)]);

console.log('| what | |\n|---|--:|');
for (const [what, value] of rows) console.log(`| ${what} | ${value} |`);
