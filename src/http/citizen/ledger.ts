/** A citizen's own ledger: which entries are accesses to their data, which may be shown today, and a page of them. */
import { randomInt } from 'node:crypto';
import type { AuditEntry } from '../../audit/entry.ts';
import type { Conditions, Found, LogSearch, SearchQuery } from '../../audit/search.ts';

/** Entries taken from the search at a time. */
const PAGE = 100;
/** Entries looked at for one page at most, however many of them are not shown. */
const MAX_EXAMINED = 2000;
/** Far more than one request makes. */
const MAX_ENTRIES = 100;

/** An entry to be shown, with what became of its request. */
export interface Shown {
  readonly found: Found;
  readonly entry: AuditEntry;
  readonly outcome: string;
}

export interface Page {
  readonly shown: readonly Shown[];
  /** Where the next page begins; absent on the last. */
  readonly next?: number;
}

export interface LedgerTools {
  readonly search: LogSearch;
  /** The citizen's pseudonyms under every key there was. */
  readonly own: readonly string[];
  /** Day in Viet Nam. */
  readonly today: string;
}

/**
 * Newest first from before an index. An entry whose disclosure is delayed leaves no trace: pages are filled with what comes after it, and a
 * page goes on from an entry that was shown, or from nowhere in particular.
 */
export async function ledgerPage(
  tools: LedgerTools,
  conditions: Pick<Conditions, 'from' | 'to'>,
  before: number,
  limit: number,
): Promise<Page> {
  const ledger = new Ledger(tools);
  const shown: Shown[] = [];
  for (let examined = 0, at = before; ; ) {
    const found = await accesses(tools, { ...conditions, before: at, limit: PAGE });
    for (const one of found) {
      const access = await ledger.accessIn(one);
      if (access === undefined) continue;
      // One more than the page holds: there is a next page.
      if (shown.length === limit) return { shown, next: shown.at(-1)?.found.index ?? at };
      shown.push(access);
    }
    const last = found.at(-1);
    if (last === undefined || found.length < PAGE) return { shown };
    at = last.index;
    examined += found.length;
    if (examined < MAX_EXAMINED) continue;
    if (shown.length === limit) return { shown, next: shown.at(-1)?.found.index ?? at };
    const [following] = await accesses(tools, { ...conditions, before: at, limit: 1 });
    return following === undefined ? { shown } : { shown, next: randomInt(following.index + 1, at + 1) };
  }
}

const KINDS = ['intent', 'outcome', 'refusal'] as const;

/** Not the citizen's own look-ups: how many of them are passed over would tell how much else was. */
async function accesses({ search, own }: LedgerTools, query: SearchQuery): Promise<Found[]> {
  const found = await Promise.all(KINDS.map((kind) => search.search({ ...query, kind, pseudonyms: own })));
  return found
    .flat()
    .sort((a, b) => b.index - a.index)
    .slice(0, query.limit);
}

class Ledger {
  readonly #tools: LedgerTools;
  readonly #own: ReadonlySet<string>;
  /** Requests of which an outcome that names the citizen was seen: their intents need no looking up. */
  readonly #closed = new Set<string>();

  constructor(tools: LedgerTools) {
    this.#tools = tools;
    this.#own = new Set(tools.own);
  }

  /** An outcome or refusal is an access; so is an intent to ask about the citizen that came to no outcome which names them. */
  async accessIn(found: Found): Promise<Shown | undefined> {
    const entry = JSON.parse(found.body) as AuditEntry;
    if (isClosing(entry)) {
      this.#closed.add(entry.id);
      return this.#withheld(entry) ? undefined : { found, entry, outcome: entry.outcome ?? 'answered' };
    }
    if (entry.kind !== 'intent' || this.#closed.has(entry.id)) return undefined;
    const request = (await this.#tools.search.search({ id: entry.id, limit: MAX_ENTRIES })).map(({ index, body }) => ({
      index,
      entry: JSON.parse(body) as AuditEntry,
    }));
    if (request.some((one) => this.#withheld(one.entry))) return undefined;
    const naming = request.filter((one) => this.#names(one.entry));
    if (naming.some((one) => isClosing(one.entry) || one.index > found.index)) return undefined;
    return { found, entry, outcome: request.find((one) => isClosing(one.entry))?.entry.outcome ?? 'unfinished' };
  }

  #withheld({ withheldUntil }: AuditEntry): boolean {
    return withheldUntil !== undefined && this.#tools.today <= withheldUntil;
  }

  #names({ subjects }: AuditEntry): boolean {
    return Object.values(subjects ?? {}).some((pseudonym) => this.#own.has(pseudonym));
  }
}

const isClosing = ({ kind }: AuditEntry): boolean => kind === 'outcome' || kind === 'refusal';
