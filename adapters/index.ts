/** The names by which files in `config/sources/` call the adapters. A new adapter is one file and one line here. */

import type { AdapterFactory, JsonObject, TlsSettings } from '../src/adapter.ts';
import { civilRegistry } from './civil-registry.ts';
import { type DescriptionFault, faultsOf } from './description.ts';
import { jsonHttp } from './json-http.ts';
import { land } from './land.ts';
import { mysqlAddressFault, mysqlViews } from './mysql.ts';
import { population } from './population.ts';
import { postgres, postgresAddressFault } from './postgres.ts';
import { soap } from './soap.ts';
import { soapFaultsOf } from './soap-check.ts';
import { viewFaultsOf } from './view-description.ts';

export { type DescriptionFault, faultsOf } from './description.ts';

/** What can be known of an adapter before it is made, and how it is made. */
interface Known {
  readonly make: AdapterFactory;
  /** The datasets it answers, or `described` where the source's file says. */
  readonly datasets: readonly string[] | 'described';
  /** The faults of such a file. */
  readonly faultsOf?: (datasets: Readonly<Record<string, JsonObject>>) => readonly DescriptionFault[];
  /** For one that does not speak HTTP: what is wrong with an address, without telling it. */
  readonly addressFault?: (address: URL, tls: Pick<TlsSettings, 'serverName'> | undefined) => string | undefined;
}

const KNOWN: Readonly<Record<string, Known>> = {
  population: { make: population, datasets: ['person'] },
  'civil-registry': { make: civilRegistry, datasets: ['birth', 'marriage', 'death'] },
  land: { make: land, datasets: ['land-holding', 'land-certificate'] },
  'json-http': { make: jsonHttp, datasets: 'described', faultsOf },
  postgres: { make: postgres, datasets: 'described', faultsOf: viewFaultsOf, addressFault: postgresAddressFault },
  mysql: { make: mysqlViews, datasets: 'described', faultsOf: viewFaultsOf, addressFault: mysqlAddressFault },
  soap: { make: soap, datasets: 'described', faultsOf: soapFaultsOf },
};

export const adapterFacts: ReadonlyMap<string, Omit<Known, 'make'>> = new Map(Object.entries(KNOWN));

export const adapters: Readonly<Record<string, AdapterFactory>> = Object.fromEntries(
  Object.entries(KNOWN).map(([name, { make }]) => [name, make]),
);
