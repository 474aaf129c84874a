/** A registry that is a view in a database, as its file in `config/sources/` describes it: no code, and no SQL, for an ordinary source. */

import { type Adapter, type AdapterFactory, type AdapterSettings, type KeyKind, SourceError, type TlsSettings } from '../src/adapter.ts';
import { type Question, type Session, sessions } from './sessions.ts';
import { type ViewDescription, viewFaultsOf } from './view-description.ts';
import { type Reading, readingOf } from './view-rows.ts';

/** In what the databases differ. */
export interface Database {
  /** The quotes around a name, and the placeholder of the one parameter. */
  readonly quote: string;
  readonly placeholder: string;
  /** What is wrong with an address, without telling it. */
  addressFault(address: URL, tls: Pick<TlsSettings, 'serverName'> | undefined): string | undefined;
  /** How to open a session with the server of these settings. */
  connect(settings: AdapterSettings): () => Session;
}

/** Throws an `Error` that lists every fault of the description and of the address. */
export const viewIn =
  (database: Database): AdapterFactory =>
  (settings): Adapter => {
    const faults = viewFaultsOf(settings.datasets).map(({ pointer, message }) => `${pointer} ${message}`);
    const addressFault = database.addressFault(settings.address, settings.tls);
    if (addressFault !== undefined) faults.push(addressFault);
    if (faults.length > 0) throw new Error(faults.join('\n'));

    // `viewFaultsOf` has just vouched for the shape.
    const descriptions = Object.entries(settings.datasets as unknown as Record<string, ViewDescription>);
    const datasets: Record<string, KeyKind> = {};
    const plans = new Map<string, { question: Omit<Question, 'key'>; reading: Reading }>();
    for (const [name, description] of descriptions) {
      datasets[name] = description.request.key;
      const reading = readingOf(description);
      const { columns, json } = reading;
      plans.set(name, { question: { statement: statementOf(description, reading, database), columns, json }, reading });
    }

    const { ask, close } = sessions(database.connect(settings));
    const lookUp: Adapter['lookUp'] = async ({ dataset, key }, signal) => {
      signal.throwIfAborted();
      const plan = plans.get(dataset);
      if (plan === undefined) throw new SourceError('error', 'the source does not serve the dataset');
      // A database would refuse the one, and be asked about somebody else in the other case.
      if (key.includes('\0') || !key.isWellFormed()) throw new SourceError('error', 'the question cannot be put to a database');
      return plan.reading.answerOf(await ask({ ...plan.question, key }, signal), key);
    };
    return { datasets, lookUp, close };
  };

/** Of names that were checked to be names, and nothing else: what is asked about comes as the parameter. */
function statementOf({ request }: ViewDescription, { columns, limit }: Reading, { quote, placeholder }: Database): string {
  const quoted = (names: readonly string[], between: string): string => names.map((name) => quote + name + quote).join(between);
  const order = request.order === undefined ? '' : ` ORDER BY ${quoted(request.order, ', ')}`;
  const view = quoted(request.view.split('.'), '.');
  return `SELECT ${quoted(columns, ', ')} FROM ${view} WHERE ${quoted([request.where], '')} = ${placeholder}${order} LIMIT ${limit}`;
}
