/** The reports that are open, in memory: what is asked for every record of every prefill must not wait for a database. */
import type { RecordName } from '../cache/records.ts';
import { type Clock, splitPointer } from '../domain.ts';
import type { Reported, Reviews } from '../stages/under-review.ts';
import type { TicketStore } from './store.ts';

export interface OpenReports extends Reviews {
  /** Looks whether they are others by now, here or by another gateway. Does not reject: `trouble` hears of it. */
  refresh(): Promise<void>;
}

interface Open extends Reported {
  readonly ends: number;
}

const NOTHING: readonly Reported[] = [];

/** `trouble` hears once of each time that they cannot be read, however long it lasts. */
export function openReports(
  store: Pick<TicketStore, 'open' | 'openMark'>,
  nameOf: (name: RecordName) => string,
  clock: Clock,
  trouble: (error: unknown) => void,
): OpenReports {
  let records = new Map<string, Open[]>();
  /** Kinds of records of which there are any: for all others no name is made. */
  let kinds = new Set<string>();
  let seen = '';
  let last: Promise<void> = Promise.resolve();
  let troubled = false;

  const look = async (): Promise<void> => {
    const mark = await store.openMark();
    if (mark === seen) return;
    const found = new Map<string, Open[]>();
    const tickets = await store.open();
    for (const { record, values, created, ends } of tickets) {
      const open = { values: values.split(' ').map(splitPointer), since: new Date(created).toISOString(), ends };
      found.set(record, [...(found.get(record) ?? []), open]);
    }
    [records, kinds, seen] = [found, new Set(tickets.map(({ source, dataset }) => `${source} ${dataset}`)), mark];
  };

  return {
    of(name) {
      if (kinds.size === 0 || !kinds.has(`${name.source} ${name.dataset}`)) return NOTHING;
      const now = clock();
      return records.get(nameOf(name))?.filter(({ ends }) => now < ends) ?? NOTHING;
    },
    // One after the other: what was read later is not overwritten by what was read before.
    refresh() {
      last = last.then(look).then(
        () => {
          troubled = false;
        },
        (error: unknown) => {
          if (!troubled) trouble(error);
          troubled = true;
        },
      );
      return last;
    },
  };
}
