/** Whether the official and the dossier that a request names are ones that the calling agency may name. */
import type { Agency, NumberForm } from '../domain.ts';
import { Problem, type RequestFault } from '../problems.ts';

export interface Named {
  readonly officer?: string | undefined;
  readonly dossier?: string | undefined;
  /** Numbers of the persons whom the request is about. */
  readonly persons: readonly string[];
}

const DAY_MS = 86_400_000;

/**
 * Whose the dossier is, and who acts, the agency's file says: what another agency's people did is not for this one to say. Both stand in the log in the
 * clear, so neither may be a person's number.
 */
export function checkNumbers({ officer, dossier, persons }: Named, agency: Agency, today: string): void {
  const errors: RequestFault[] = [];
  const fault = (pointer: string, detail: string): void => void errors.push({ pointer, detail });
  if (officer !== undefined) {
    if (!isOfficer(officer, agency, today)) fault('/officer', 'must be of the calling agency, in a form that its file takes');
    else if (spells(officer, persons)) fault('/officer', 'must not be the number of a person');
  }
  if (dossier !== undefined) {
    const [of = '', date = '', number = ''] = dossier.split('-');
    if (!fits(of, number, agency.dossiers ?? [ownOf(agency)], today))
      fault('/dossier', 'must be a dossier of the calling agency, in a form that its file takes');
    else if (!isDayBy(date, today)) fault('/dossier', 'must hold a day of the calendar, at the latest tomorrow');
    else if (spells(dossier, persons)) fault('/dossier', 'must not be the number of a person');
  }
  if (errors.length > 0) throw new Problem('invalid-request', { errors });
}

/** Whether it can be an official of the agency on that day. */
export function isOfficer(officer: string, agency: Pick<Agency, 'id' | 'officers'>, today: string): boolean {
  const [of = '', number = ''] = officer.split('-');
  return fits(of, number, agency.officers ?? [ownOf(agency)], today);
}

const ownOf = ({ id }: Pick<Agency, 'id'>): NumberForm => ({ of: id, below: true });

/** Whether one of the persons' numbers can be read in it, whatever stands between the digits. */
export function spells(text: string, persons: readonly string[]): boolean {
  const digits = text.replaceAll(/[^0-9]/g, '');
  return persons.some((person) => /^[0-9]{12}$/.test(person) && digits.includes(person));
}

const fits = (of: string, number: string, forms: readonly NumberForm[], today: string): boolean =>
  forms.some(
    (form) =>
      (form.from === undefined || form.from <= today) &&
      (of === form.of || (form.below && of.startsWith(`${form.of}.`))) &&
      (form.number === undefined || isOfForm(number, form.number)),
  );

const PLACES: Readonly<Record<string, RegExp>> = { '#': /^[0-9]$/, '@': /^[A-Z]$/, '*': /^[0-9A-Z]$/ };

const isOfForm = (number: string, form: string): boolean =>
  number.length === form.length && [...form].every((place, i) => PLACES[place]?.test(number[i] ?? '') ?? number[i] === place);

/** YYMMDD of this century. A desk whose clock is ahead may number tomorrow's already. */
function isDayBy(date: string, today: string): boolean {
  const day = `20${date.slice(0, 2)}-${date.slice(2, 4)}-${date.slice(4)}`;
  const time = Date.parse(day);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day) && time <= Date.parse(today) + DAY_MS;
}
