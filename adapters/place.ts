/** Where a database is, by its address: the server, the database in it, and who asks. */

import type { Tls } from '../src/adapter.ts';

export interface Place {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

export function placeOf(address: URL, port: number): Place {
  return {
    host: address.hostname.replace(/^\[|\]$/g, ''),
    port: address.port === '' ? port : Number(address.port),
    database: decodeURIComponent(address.pathname.slice(1)),
    user: decodeURIComponent(address.username),
  };
}

/** What is wrong with an address of such a database. It never tells the address: whoever puts a password there does not want it shown. */
export const addressFaultOf =
  (scheme: string) =>
  (address: URL): string | undefined => {
    const form = `${scheme}://user@host:port/database`;
    if (address.protocol !== `${scheme}:`) return `must be of the form ${form}`;
    if (address.password !== '') return 'holds a password: that is what `credential` refers to';
    if (address.search !== '' || address.hash !== '') return `must end with the database: ${form}`;
    try {
      const { host, database, user } = placeOf(address, 0);
      if (host === '' || user === '' || !/^[^/]+$/.test(database)) return `must be of the form ${form}`;
    } catch {
      return `must be of the form ${form}`;
    }
    return undefined;
  };

/** For drivers that take Node's options: the name is checked in any case, by the authorities given or by the machine's own. */
export const tlsOptions = (tls: Tls | undefined): { rejectUnauthorized: true; ca?: string } | undefined =>
  tls === 'none' ? undefined : { rejectUnauthorized: true, ...(tls?.ca === undefined ? {} : { ca: tls.ca }) };
