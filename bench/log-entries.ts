/** Entries as a province's gateway writes them in a year, as many as are wanted: in size and shape those of the sandbox's procedures. */
import { chance } from '../test/support/chance.ts';

/**
 * 120 agencies (the larger half makes five requests of six), 25 officers each, 60 procedures, two million people who are asked about evenly, three
 * requests for two dossiers, one request in 40 refused. Intent and outcome stand up to eight entries apart, as they do where requests overlap.
 */
const AGENCIES = 120;
const OFFICERS = 25;
const PROCEDURES = 60;
const PEOPLE = 2_000_000;
const REFUSED = 40;
const APART = 8;
/** Sets of fields that are filled, of one procedure: what registries lack differs from person to person. */
const VARIANTS = 12;

export const FIRST_DAY = Date.parse('2026-01-01T00:00:00Z');
const YEAR_MS = 365 * 86_400_000;
const REFUSALS = ['unknown-procedure', 'not-authorised', 'grant-not-in-force', 'subject-malformed'];

export const personOf = (n: number): string => Buffer.from(`pseudonym of person ${String(n).padStart(12, '0')}`).toString('base64url');

interface Made {
  readonly name: string;
  readonly laws: string;
  readonly asked: string;
  readonly toAsk: string;
  /** Fields, papers and sources of outcomes. */
  readonly variants: readonly { readonly fields: string; readonly papers: string; readonly sources: string }[];
}

const SOURCES = ['civil-registry', 'land', 'population', 'social-insurance', 'tax', 'vehicles', 'education'];

function procedures(): Made[] {
  const random = chance(60);
  return Array.from({ length: PROCEDURES }, (_, p) => {
    const fields = Array.from({ length: 9 + random(12) }, (_, i) => (i < 5 ? `/common/field${i}` : `/procedure${p}/fieldOfTheForm${i}`));
    const sources = Array.from({ length: 2 + random(7) }, (_, i) => ({
      dataset: `dataset${i % 3}`,
      freshness: 'live',
      result: 'found',
      role: i % 3 === 2 ? 'householder' : 'subject',
      source: SOURCES[(p + (i >> 1)) % SOURCES.length] as string,
    }));
    const variants = Array.from({ length: VARIANTS }, (_, v) => ({
      fields: JSON.stringify(fields.filter((_, i) => v === 0 || (i * 7 + v) % 5 !== 0)),
      papers: JSON.stringify({ 'dwelling-ownership': v % 3 === 0 ? 'ask' : 'replaced', lease: 'ask', 'marriage-certificate': 'replaced' }),
      sources: JSON.stringify(sources.map((use, i) => ({ ...use, ...((i + v) % 6 === 0 ? { result: 'absent' } : {}) }))),
    }));
    return {
      name: `1.${String(4000 + p).padStart(6, '0')}`,
      laws: JSON.stringify([`luat-${p % 7}-2020#art-${p}`, 'nq-66-7-2025#art-2']),
      asked: JSON.stringify(fields),
      toAsk: JSON.stringify(sources.map(({ dataset, role, source }) => ({ dataset, result: 'to-ask', role, source }))),
      variants,
    };
  });
}

/** Canonical JSON of entries, in order, for ever. `count` is how many make the year. */
export function* bodies(count: number, seed: number): Generator<string> {
  const random = chance(seed);
  const all = procedures();
  const skewed = (below: number): number => Math.floor((below * random(1000) * random(1000)) / 1e6);
  const hex = (digits: number): string => Array.from({ length: digits / 4 }, () => random(65_536).toString(16).padStart(4, '0')).join('');
  const due: { at: number; text: (time: string) => string }[] = [];
  for (let n = 0, request = 0; ; n++) {
    // Gateways' clocks are some tens of milliseconds apart.
    const time = new Date(FIRST_DAY + Math.floor((n / count) * YEAR_MS) + random(60)).toISOString();
    if (due[0] !== undefined && due[0].at <= n) {
      yield due.shift()?.text(time) as string;
      continue;
    }
    request++;
    const agency = `H26.${skewed(AGENCIES)}`;
    const made = all[skewed(PROCEDURES)] as Made;
    const dossier = `${agency}-${time.slice(2, 10).replaceAll('-', '')}-${Math.floor((request * 2) / 3)}`;
    const id = `${hex(8)}-${hex(4)}-4${hex(4).slice(1)}-8${hex(4).slice(1)}-${hex(12)}`;
    const officer = `${agency}-${random(OFFICERS)}`;
    const digest = Buffer.from(hex(64), 'hex').toString('base64');
    const [subject, householder] = [personOf(random(PEOPLE)), personOf(random(PEOPLE))];
    const subjects = random(2) === 0 ? JSON.stringify({ subject }) : JSON.stringify({ householder, subject });
    const head = `{"agency":"${agency}","client":"${agency}","config":"V8RmJ2TTma3SuxhlACdR58LTMwuVcxP1P_EDhTWkZrE","dossier":"${dossier}"`;
    if (random(REFUSED) === 0) {
      const outcome = REFUSALS[skewed(REFUSALS.length)];
      yield `${head},"id":"${id}","kind":"refusal","milliseconds":${random(9)},"officer":"${officer}","outcome":"${outcome}","procedure":"${made.name}","requestDigest":"${digest}","subjects":${subjects},"time":"${time}","v":1}`;
      continue;
    }
    const about = `"legalBasis":${made.laws}`;
    const variant = made.variants[skewed(VARIANTS)] as Made['variants'][number];
    const spent = random(900);
    due.push({
      at: n + 1 + random(APART),
      text: (time) =>
        `${head},"fields":${variant.fields},"grant":"residence","id":"${id}","kind":"outcome",${about},"milliseconds":${spent},"officer":"${officer}","outcome":"${spent === 0 ? 'abandoned' : 'answered'}","papers":${variant.papers},"procedure":"${made.name}","replyDigest":"${digest}","requestDigest":"${digest}","sources":${variant.sources},"subjects":${subjects},"time":"${time}","v":1}`,
    });
    yield `${head},"fields":${made.asked},"grant":"residence","id":"${id}","kind":"intent",${about},"officer":"${officer}","procedure":"${made.name}","requestDigest":"${digest}","sources":${made.toAsk},"subjects":${subjects},"time":"${time}","v":1}`;
  }
}
