/** For auditors: who read what, why, and how much. Reading the log is itself on record, before anything is shown. */
import type { FastifyPluginAsync } from 'fastify';
import type { AuditEntry } from '../audit/entry.ts';
import type { LogSearch } from '../audit/search.ts';
import type { Catalogue } from '../catalogue/load.ts';
import type { Clock, Receipt, Scope } from '../domain.ts';
import { entryRoutes } from './audit/entries.ts';
import { exportRoute } from './audit/export.ts';
import { searchRoute } from './audit/search.ts';
import { summaryRoute } from './audit/summary.ts';
import type { RouteAuthentication } from './operation.ts';
import { auditReading } from './reading.ts';

/** Proof of an entry whose body was forgotten at the end of its time. */
export interface PrunedReceipt extends Omit<Receipt, 'entry'> {
  readonly pruned: true;
  /** Base64. */
  readonly leaf: string;
  /** Index of the entry that says that it was to be forgotten. */
  readonly retention: number;
}

/** The log as its readers need it. */
export interface ReadableLog {
  append(entry: AuditEntry, options: { receipt: boolean }): Promise<Receipt>;
  /** Undefined where the signed head does not reach so far. */
  entry(index: number): Promise<Receipt | PrunedReceipt | undefined>;
}

export interface AuditorTools {
  readonly log: ReadableLog;
  readonly search: LogSearch;
  readonly catalogue: Catalogue;
  /** The pseudonyms of a person under every key there was, that of the newest key first. */
  readonly pseudonymsOf: (number: string) => string[];
  readonly clock: Clock;
  readonly authentication: (scope: Scope) => RouteAuthentication;
}

export const auditorRoutes =
  (tools: AuditorTools): FastifyPluginAsync =>
  async (server) => {
    const onRecord = auditReading({ log: tools.log, configDigest: tools.catalogue.digest, clock: tools.clock });
    searchRoute(server, tools, onRecord);
    exportRoute(server, tools, onRecord);
    summaryRoute(server, tools, onRecord);
    entryRoutes(server, tools, onRecord);
  };
