/** What was found becomes one alert: somebody is slowed or shut out where the rule says so, it goes on record, and the operator hears of it. */
import { setTimeout as after } from 'node:timers/promises';
import type { Once } from '../access/once.ts';
import type { AuditEntry } from '../audit/entry.ts';
import type { AuditLog } from '../audit/log.ts';
import type { LogSearch } from '../audit/search.ts';
import type { Clock } from '../domain.ts';
import type { Act } from './act.ts';
import type { Finding } from './finding.ts';

export interface AlarmTools {
  readonly log: Pick<AuditLog, 'append'>;
  readonly search: Pick<LogSearch, 'search'>;
  /** Shared by the gateways of one log. */
  readonly once: Once;
  readonly act: Act;
  readonly configDigest: string;
  readonly clock: Clock;
  /** Told of each alert once, by the gateway that put it on record, and of each that could not be. */
  readonly report: (event: AlarmEvent) => void;
  /** Milliseconds after which it is looked again at what another gateway took on, or what failed. */
  readonly patience?: number;
}

export type AlarmEvent = { readonly raised: Finding; readonly index: number } | { readonly failed: unknown };

const PATIENCE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Of one agency that wait: beyond them what it does is known well enough. */
const MOST_WAITING = 100;
/** Names of alerts that are known to be on record. */
const MOST_KNOWN = 10_000;

export class Alarms {
  readonly #waiting = new Map<string, Finding>();
  readonly #known = new Set<string>();
  readonly #stop = new AbortController();
  #tools: AlarmTools | undefined;
  #round: Promise<void> | undefined;

  raise(finding: Finding): void {
    if (this.#known.has(finding.id) || this.#waiting.has(finding.id)) return;
    let own = 0;
    for (const { agency } of this.#waiting.values()) if (agency === finding.agency) own++;
    if (own >= MOST_WAITING) return;
    this.#waiting.set(finding.id, finding);
    this.#work();
  }

  /** What was found before waits until then. The returned function waits for what is under way, and begins nothing more. */
  begin(tools: AlarmTools): () => Promise<void> {
    this.#tools = tools;
    this.#work();
    return async () => {
      this.#stop.abort();
      await this.#round;
    };
  }

  #work(): void {
    const tools = this.#tools;
    if (tools === undefined || this.#stop.signal.aborted) return;
    this.#round ??= this.#rounds(tools).finally(() => {
      this.#round = undefined;
      if (this.#waiting.size > 0) this.#work();
    });
  }

  async #rounds(tools: AlarmTools): Promise<void> {
    const { clock, patience = PATIENCE_MS } = tools;
    const { signal } = this.#stop;
    /** Name → when it is looked at again. */
    const later = new Map<string, number>();
    while (this.#waiting.size > 0 && !signal.aborted) {
      for (const [id, finding] of this.#waiting) {
        if (signal.aborted || (later.get(id) ?? 0) > performance.now()) continue;
        const done = await this.#one(finding, tools, clock() + patience).catch((failed: unknown) => {
          tools.report({ failed });
          return false;
        });
        if (done) this.#done(id);
        later.set(id, performance.now() + patience);
      }
      // In a real clock: another gateway may have died over it.
      if (this.#waiting.size > 0) await after(Math.min(1000, patience), undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** Whether it is on record. Whoever is first for a while does it; one who dies over it leaves it to the others, who find no entry. */
  async #one(finding: Finding, { log, search, once, act, configDigest, clock, report }: AlarmTools, until: number): Promise<boolean> {
    const { id, code, agency, officer, procedure, dossier, subject, count, threshold, action, hours = 0, perMinute = 1 } = finding;
    if ((await search.search({ id, kind: 'alert', limit: 1 })).length > 0) return true;
    if (!(await once.use(`alert ${id}`, until))) return false;
    const now = clock();
    if (action !== 'warn' && officer !== undefined)
      await act.stop({ agency, officer, ...(action === 'slow' ? { perMinute } : {}), until: now + hours * HOUR_MS, reason: code });
    const entry: AuditEntry = {
      v: 1,
      time: new Date(now).toISOString(),
      kind: 'alert',
      id,
      agency,
      client: 'gateway',
      ...(officer === undefined ? {} : { officer }),
      ...(procedure === undefined ? {} : { procedure }),
      ...(dossier === undefined ? {} : { dossier }),
      ...(subject === undefined ? {} : { subjects: { subject } }),
      outcome: code,
      alert: { count, threshold, action },
      config: configDigest,
    };
    const { index } = await log.append(entry, { receipt: true });
    report({ raised: finding, index });
    return true;
  }

  #done(id: string): void {
    this.#waiting.delete(id);
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.add(id);
  }
}
