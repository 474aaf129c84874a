/** The rules that the log itself answers, as entries of it come by: pure, and the same for every gateway that reads the same log. */
import { type Customs, endsRequest } from '../audit/custom.ts';
import type { AuditEntry } from '../audit/entry.ts';
import { dayAt } from '../audit/facts.ts';
import { type MisuseRules, rulesOf, type WatchSettings } from '../catalogue/misuse.ts';
import { Day, type Dossier, type Officer } from './day.ts';
import { CODES, type Finding, nameOf, remarkable } from './finding.ts';
import { hoursOff } from './hours.ts';

/** Enough of a pseudonym to tell persons of a day apart, and short enough to be kept by itself. */
const BEGINNING = 12;
/** People of one dossier, beyond which they are not told apart any more. */
const MOST_PEOPLE = 512;
/** A clock that runs wrong makes a day of its own, which takes the place of the one that was used least lately. */
const DAYS = 2;

interface Its {
  readonly rules: MisuseRules;
  readonly automated: ReadonlySet<string>;
  readonly off: (time: number) => boolean;
}

/** Of which agency it is to be known what is usual there on the days before one. */
export interface Wanted {
  readonly agency: string;
  readonly day: number;
  readonly days: number;
}

export class Rules {
  readonly #settings: WatchSettings;
  readonly #agencies = new Map<string, Its>();
  readonly #others: Its;
  readonly #found: (finding: Finding) => void;
  #days = new Map<number, Day>();
  #wanted = new Map<string, Wanted>();

  constructor(settings: WatchSettings, found: (finding: Finding) => void) {
    this.#settings = settings;
    this.#found = found;
    const its = (rules: MisuseRules, automated: ReadonlySet<string>): Its => ({ rules, automated, off: hoursOff(rules.offHours) });
    this.#others = its(rulesOf(settings.rules), new Set());
    for (const [id, { rules, automated }] of settings.agencies) this.#agencies.set(id, its(rules, automated));
  }

  see(entry: AuditEntry): void {
    const { agency, officer, time: at } = entry;
    const time = Date.parse(at);
    if (!endsRequest(entry) || officer === undefined || Number.isNaN(time)) return;
    const number = dayAt(time);
    const day = this.#day(number);
    const its = this.#agencies.get(agency) ?? this.#others;
    const known = day.officer(agency, officer);
    known.requests++;
    const all = (day.agencies.get(agency) ?? 0) + 1;
    day.agencies.set(agency, all);
    this.#agencyOverCustom(number, day, agency, all, its);
    if (!its.automated.has(officer)) {
      if (its.off(time)) this.#offHours(entry, number, ++known.off, its);
      this.#overCustom(number, day, agency, officer, known, its);
    }
    this.#persons(entry, number, day, known, its);
  }

  /** What is to be asked for, and told by `learn`. */
  wanted(): readonly Wanted[] {
    const wanted = [...this.#wanted.values()];
    this.#wanted = new Map();
    return wanted;
  }

  learn({ agency, day: number }: Wanted, customs: Customs): void {
    const day = this.#days.get(number);
    if (day === undefined) return;
    day.customs.set(agency, customs);
    const its = this.#agencies.get(agency) ?? this.#others;
    const all = day.agencies.get(agency) ?? 0;
    const most = leastOf(customs.agency, its.rules.agencyOverCustom);
    if (most !== undefined && all >= most) this.#agency(number, agency, most * 2 ** Math.floor(Math.log2(all / most)), all, most, its);
    for (const [officer, { requests }] of day.officers.of(agency)) {
      const least = leastOf(usualOf(customs, officer), its.rules.overCustom);
      if (least !== undefined && requests >= least && !its.automated.has(officer))
        this.#custom(number, agency, officer, least * 2 ** Math.floor(Math.log2(requests / least)), requests, least, its);
    }
  }

  #day(number: number): Day {
    let day = this.#days.get(number);
    if (day === undefined) {
      day = new Day();
      if (this.#days.size >= DAYS) this.#days = new Map([...this.#days].slice(1));
      this.#days.set(number, day);
    } else if (this.#days.size > 1) {
      this.#days.delete(number);
      this.#days.set(number, day);
    }
    return day;
  }

  #offHours({ agency, officer = '' }: AuditEntry, day: number, count: number, { rules: { offHours: rule } }: Its): void {
    if (rule.action === 'off' || !remarkable(count, rule.more + 1)) return;
    const { action, hours, perMinute, more } = rule;
    const id = nameOf(CODES.offHours, agency, officer, day, count);
    this.#found({ id, code: CODES.offHours, agency, officer, count, threshold: more, action, hours, perMinute });
  }

  #overCustom(number: number, day: Day, agency: string, officer: string, { requests }: Officer, its: Its): void {
    const { action, atLeast } = its.rules.overCustom;
    if (action === 'off' || requests <= atLeast) return;
    const customs = this.#customs(number, day, agency, its);
    const least = customs && leastOf(usualOf(customs, officer), its.rules.overCustom);
    if (least !== undefined && remarkable(requests, least)) this.#custom(number, agency, officer, requests, requests, least, its);
  }

  /** Undefined until it was asked for and told. */
  #customs(number: number, day: Day, agency: string, { rules }: Its): Customs | undefined {
    const customs = day.customs.get(agency);
    if (customs === undefined) this.#wanted.set(`${number} ${agency}`, { agency, day: number, days: rules.overCustom.days });
    return customs;
  }

  #custom(day: number, agency: string, officer: string, step: number, count: number, least: number, { rules }: Its): void {
    const { action, hours, perMinute } = rules.overCustom;
    if (action === 'off') return;
    const id = nameOf(CODES.overCustom, agency, officer, day, step / least);
    this.#found({ id, code: CODES.overCustom, agency, officer, count, threshold: least - 1, action, hours, perMinute });
  }

  #agencyOverCustom(number: number, day: Day, agency: string, requests: number, its: Its): void {
    const { action, atLeast } = its.rules.agencyOverCustom;
    if (action === 'off' || requests <= atLeast) return;
    const customs = this.#customs(number, day, agency, its);
    const least = customs && leastOf(customs.agency, its.rules.agencyOverCustom);
    if (least !== undefined && remarkable(requests, least)) this.#agency(number, agency, requests, requests, least, its);
  }

  #agency(day: number, agency: string, step: number, count: number, least: number, { rules }: Its): void {
    const { action } = rules.agencyOverCustom;
    if (action === 'off') return;
    const id = nameOf(CODES.agencyOverCustom, agency, day, step / least);
    this.#found({ id, code: CODES.agencyOverCustom, agency, count, threshold: least - 1, action });
  }

  #persons(entry: AuditEntry, number: number, day: Day, known: Officer, { rules }: Its): void {
    const reader = known.number;
    const { agency, procedure = '', dossier, subjects = {} } = entry;
    const { more } = rules.peopleOfDossier;
    const of = dossier === undefined ? undefined : day.dossiers.touch(agency, dossier, () => ({ people: [], by: [], more }));
    if (of !== undefined) of.more = Math.max(of.more, this.#settings.people.get(procedure) ?? 0);
    for (const role in subjects) {
      const pseudonym = subjects[role];
      if (pseudonym === undefined || this.#settings.things.has(`${procedure} ${role}`)) continue;
      const person = pseudonym.slice(0, BEGINNING);
      if (of !== undefined && of.people.length < MOST_PEOPLE && !of.people.includes(person)) {
        of.people.push(person);
        of.by.push(known);
        if (remarkable(of.people.length, of.more + 1)) this.#dossier({ ...entry, officer: mostOf(of.by).name }, number, of, rules);
      }
      const readers = day.persons.touch(agency, person, () => []);
      if (readers.includes(reader)) continue;
      readers.push(reader);
      const all = (day.readers.get(person) ?? 0) + 1;
      day.readers.set(person, all);
      if (remarkable(all, rules.readByMany.officers)) this.#many(entry, number, pseudonym, all, rules);
    }
  }

  /** Of the official who asked about most of them: whoever comes last may be a colleague with one honest question. */
  #dossier(entry: AuditEntry, day: number, of: Dossier, { peopleOfDossier: rule }: MisuseRules): void {
    const [count, threshold] = [of.people.length, of.more];
    const { agency, officer = '', procedure = '', dossier = '' } = entry;
    const { action, hours, perMinute } = rule;
    if (action === 'off') return;
    const id = nameOf(CODES.peopleOfDossier, agency, dossier, day, count);
    this.#found({ id, code: CODES.peopleOfDossier, agency, officer, procedure, dossier, count, threshold, action, hours, perMinute });
  }

  #many(entry: AuditEntry, day: number, subject: string, count: number, { readByMany: rule }: MisuseRules): void {
    const { agency, officer = '', procedure = '', dossier = '' } = entry;
    const { action, hours, perMinute, officers: threshold } = rule;
    if (action === 'off') return;
    const id = nameOf(CODES.readByMany, subject, day, count);
    const about = { agency, officer, procedure, dossier, subject };
    this.#found({ id, code: CODES.readByMany, ...about, count, threshold, action, hours, perMinute });
  }
}

function mostOf(officers: readonly Officer[]): Officer {
  const [[most] = []] = [...Map.groupBy(officers, (one) => one).values()].sort((one, other) => other.length - one.length);
  if (most === undefined) throw new RangeError('nobody asked');
  return most;
}

const usualOf = ({ officers, median }: Customs, officer: string): number | undefined => officers.get(officer) ?? median;

/** The first count that is over the custom; undefined where nothing is known that could be it. */
const leastOf = (
  usual: number | undefined,
  { times, atLeast }: Pick<MisuseRules['overCustom'], 'times' | 'atLeast'>,
): number | undefined => (usual === undefined ? undefined : Math.max(atLeast, Math.floor(times * usual)) + 1);
