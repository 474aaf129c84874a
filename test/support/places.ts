/** Where a store can be kept: every kind of place, a new and empty one each time. */
import { join } from 'node:path';
import { temporaryDirectory } from './directories.ts';
import type { TestPostgres } from './postgres.ts';

export interface KindOfPlace {
  readonly name: string;
  /** Why this machine cannot have one. */
  readonly skip: string | false;
  /** The address of a new place: a path in a directory that is not there yet, or the URL of a database. */
  make(): Promise<string>;
}

export const placesFor = (file: string, postgres: TestPostgres | string): KindOfPlace[] => [
  { name: 'SQLite', skip: false, make: async () => join(temporaryDirectory(), 'a', file) },
  {
    name: 'PostgreSQL',
    skip: typeof postgres === 'string' && postgres,
    make: async () => (typeof postgres === 'string' ? '' : postgres.fresh()),
  },
];

/** Opens what an address leads to, as its kind is opened. */
export const openAt = async <T>(
  address: string,
  file: (path: string) => T | Promise<T>,
  database: (url: string) => T | Promise<T>,
): Promise<T> => (isDatabase(address) ? database(address) : file(address));

export const isDatabase = (address: string): boolean => /^postgres(?:ql)?:/.test(address);
