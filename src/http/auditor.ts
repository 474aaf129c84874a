/** For auditors: who read what, why, and how much. Reading the log is itself on record, before anything is shown. */
import type { FastifyPluginAsync } from 'fastify';
import type { AuditLog } from '../audit/log.ts';
import type { LogSearch } from '../audit/search.ts';
import type { Catalogue } from '../catalogue/load.ts';
import type { Clock, Scope } from '../domain.ts';
import type { Pseudonyms } from '../pseudonyms.ts';
import type { Standing } from '../stages/authenticate.ts';
import { entryRoutes } from './audit/entries.ts';
import { exportRoute } from './audit/export.ts';
import { grantsRoute } from './audit/grants.ts';
import { searchRoute } from './audit/search.ts';
import { summaryRoute } from './audit/summary.ts';
import type { RouteAuthentication } from './operation.ts';
import type { OnRecord } from './reading.ts';

export interface AuditorTools {
  readonly log: Pick<AuditLog, 'append' | 'entry'>;
  readonly search: LogSearch;
  readonly catalogue: Catalogue;
  readonly pseudonyms: Pseudonyms;
  readonly clock: Clock;
  readonly onRecord: OnRecord;
  readonly standing: Standing;
  readonly authentication: (scope: Scope) => RouteAuthentication;
}

export const auditorRoutes =
  (tools: AuditorTools): FastifyPluginAsync =>
  async (server) => {
    searchRoute(server, tools);
    exportRoute(server, tools);
    summaryRoute(server, tools);
    grantsRoute(server, tools);
    entryRoutes(server, tools);
  };
