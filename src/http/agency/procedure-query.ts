/** What the list of procedures may be asked for, and what that means. */
import { Problem } from '../../problems.ts';
import type { Summary } from './procedure-view.ts';

/** As Fastify hands a query string over: texts. */
export interface ProcedureQuery {
  readonly search?: string;
  readonly database?: string;
  readonly sector?: string;
  readonly fetchable?: 'true' | 'false';
  readonly withForm?: 'true' | 'false';
  readonly granted?: 'true' | 'false';
  readonly limit?: string;
  readonly offset?: string;
}

const flag = (description: string): object => ({ enum: ['true', 'false'], description });

export const PROCEDURE_QUERY = {
  type: 'object',
  additionalProperties: false,
  properties: {
    search: {
      type: 'string',
      minLength: 1,
      maxLength: 100,
      description: 'A code or the beginning of one, or words of the name, with or without diacritics. Never a person.',
      examples: ['dang ky thuong tru'],
    },
    database: {
      type: 'string',
      maxLength: 60,
      pattern: '^[a-z0-9]+([-_][a-z0-9]+)*$',
      description: 'A database of the law that replaces one of its papers, such as `land`.',
      examples: ['land'],
    },
    sector: { type: 'string', minLength: 1, maxLength: 100, description: 'Words of the sector, with or without diacritics.' },
    fetchable: flag('Whether data for one of its papers, at least, can be fetched today for this agency.'),
    withForm: flag('Whether its form can be filled.'),
    granted: flag('Whether this caller holds a grant in force today.'),
    limit: { type: 'string', pattern: '^([1-9][0-9]?|1[0-9]{2}|200)$', description: 'How many at most; 50 unless said, 200 at most.' },
    offset: { type: 'string', pattern: '^[0-9]{1,5}$', description: 'How many to pass over: `next` of the reply before.' },
  },
};

/** Letters and digits without case and diacritics, with single spaces between; NFD does not take the stroke of đ apart. */
export const plain = (text: string): string =>
  text
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll('đ', 'd')
    .replace(/[^\p{L}\p{Nd}.]+/gu, ' ')
    .trim();

export function readQuery(query: ProcedureQuery): {
  readonly text: string | undefined;
  readonly conditions: readonly ((summary: Summary) => boolean)[];
  readonly limit: number;
  readonly offset: number;
} {
  const { search, database, sector, fetchable, withForm, granted, limit = '50', offset = '0' } = query;
  // A person's number must not stand in an address, however it is spelled; no code has nine digits.
  if (/\p{Nd}{9}/u.test((search ?? '').normalize('NFKC').replace(/[^\p{L}\p{Nd}]/gu, '')))
    throw new Problem('invalid-request', { errors: [{ pointer: '/search', detail: 'must name nobody by number' }] });
  const conditions: ((summary: Summary) => boolean)[] = [];
  if (database !== undefined) conditions.push(({ databases }) => databases.includes(database));
  if (sector !== undefined) conditions.push((summary) => plain(summary.sector?.vi ?? '').includes(plain(sector)));
  if (fetchable !== undefined) conditions.push((summary) => summary.fetchable > 0 === (fetchable === 'true'));
  if (withForm !== undefined) conditions.push((summary) => summary.withForm === (withForm === 'true'));
  if (granted !== undefined) conditions.push((summary) => summary.granted === (granted === 'true'));
  return { text: search, conditions, limit: Number(limit), offset: Number(offset) };
}
