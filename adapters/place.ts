/** Where a database is, by its address: the server, the database in it, and who asks. */

export interface Place {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** Whether TLS protects the connection, as it does unless the address says otherwise. */
  readonly secure: boolean;
}

const PLAIN = '?sslmode=disable';

export function placeOf(address: URL, port: number): Place {
  return {
    host: address.hostname.replace(/^\[|\]$/g, ''),
    port: address.port === '' ? port : Number(address.port),
    database: decodeURIComponent(address.pathname.slice(1)),
    user: decodeURIComponent(address.username),
    secure: address.search !== PLAIN,
  };
}

/** What is wrong with an address of such a database. It never tells the address: whoever puts a password there does not want it shown. */
export const addressFaultOf =
  (scheme: string) =>
  (address: URL): string | undefined => {
    const form = `must be of the form ${scheme}://user@host:port/database`;
    if (address.protocol !== `${scheme}:`) return form;
    if (address.password !== '') return 'holds a password: that is what `credential` refers to';
    if (![PLAIN, ''].includes(address.search) || address.hash !== '') return `${form}, and after that at most ${PLAIN}`;
    try {
      const { host, database, user } = placeOf(address, 0);
      return host === '' || user === '' || !/^[^/]+$/.test(database) ? form : undefined;
    } catch {
      return form;
    }
  };
