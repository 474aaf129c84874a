/**
 * Whether somebody tries numbers one after the other. The log knows no numbers, so this is seen as requests come, in this process's memory alone: bounded, for
 * minutes, never written anywhere.
 *
 * A personal number is three digits of the place of birth registration, one of century and sex, two of the year, and six at random (Decree 137/2015/NĐ-CP,
 * article 13): people whose first six are alike, and whose serials are near each other, have nothing to do with each other.
 */

import { type MisuseRules, rulesOf } from '../catalogue/misuse.ts';
import type { Caller, Clock, PrefillRequest } from '../domain.ts';
import { dayInVietnam } from '../domain.ts';
import { CODES, type Finding, nameOf } from './finding.ts';
import { Sketches } from './sketches.ts';

/** Blocks of serials that are remembered, of all agencies. */
const MOST_BLOCKS = 20_000;
/** The newest numbers of a block. */
const MOST_NUMBERS = 64;
const NUMBER = /^[0-9]{12}$/;
const SERIALS = 1_000_000;

/** Serials and when each was asked for last, in turns. */
type Block = number[];

export class Sequence {
  readonly #rules: MisuseRules;
  readonly #clock: Clock;
  readonly #found: (finding: Finding) => void;
  readonly #blocks = new Sketches<Block>(MOST_BLOCKS);

  constructor(rules: MisuseRules, clock: Clock, found: (finding: Finding) => void) {
    this.#rules = rules;
    this.#clock = clock;
    this.#found = found;
  }

  see({ agency }: Pick<Caller, 'agency'>, request: PrefillRequest): void {
    const rule = agency.misuse === undefined ? this.#rules.sequence : rulesOf(this.#rules, agency.misuse).sequence;
    if (rule.action === 'off') return;
    const now = this.#clock();
    this.#number(agency.id, request, request.subject, rule, now);
    for (const role in request.related) this.#number(agency.id, request, request.related[role] ?? '', rule, now);
  }

  #number(agency: string, request: PrefillRequest, text: string, rule: MisuseRules['sequence'], now: number): void {
    if (!NUMBER.test(text)) return;
    const number = Number(text);
    const serial = number % SERIALS;
    const name = `${(number - serial) / SERIALS} ${Math.floor(serial / rule.apart)}`;
    const block = this.#blocks.touch(agency, name, () => []);
    const since = now - rule.minutes * 60_000;
    let kept = 0;
    let again = false;
    for (let i = 0; i < block.length; i += 2) {
      const [other = 0, time = 0] = [block[i], block[i + 1]];
      if (other === serial) again = time >= since;
      if (other === serial || time < since) continue;
      block[kept++] = other;
      block[kept++] = time;
    }
    block.length = kept;
    block.push(serial, now);
    if (block.length > 2 * MOST_NUMBERS) block.splice(0, 2);
    const count = block.length / 2;
    // A number that was there already is none more.
    if (count >= rule.numbers && !again) this.#tell(agency, request, count, rule, now);
  }

  #tell(agency: string, { officer, procedure, dossier }: PrefillRequest, count: number, rule: MisuseRules['sequence'], now: number): void {
    const { action, hours, perMinute, numbers: threshold } = rule;
    if (action === 'off') return;
    const times = 2 ** Math.floor(Math.log2(count / threshold));
    const id = nameOf(CODES.sequence, agency, officer, dayInVietnam(now), times);
    this.#found({ id, code: CODES.sequence, agency, officer, procedure, dossier, count, threshold, action, hours, perMinute });
  }
}
