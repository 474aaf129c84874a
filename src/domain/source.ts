/** A registry as its file in `config/` says it: its datasets, its limits, its hours. */
import type { Text, Validity } from './basics.ts';

/** A registry, as its file in `config/sources/` says it. */
export interface Source {
  readonly id: string;
  readonly name: Text;
  readonly owner: Text;
  readonly database: string;
  readonly legalBasis: string;
  readonly adapter: string;
  readonly address: string;
  readonly credential?: string;
  readonly tls?: SourceTls;
  readonly oauth?: SourceOauth;
  readonly timeoutMs: number;
  readonly datasets: Readonly<Record<string, SourceDataset>>;
  readonly protection: Protection;
}

/** How a source is kept from being overloaded, and requests from waiting for it: what its file says, and the defaults where it says nothing. */
export interface Protection {
  /** Look-ups that it is asked at once. */
  readonly atOnce: number;
  /** Look-ups that may wait for their turn. */
  readonly waiting: number;
  readonly budget: {
    readonly all: Rate | undefined;
    /** Of each agency that has none of its own. */
    readonly eachAgency: Rate | undefined;
    readonly agencies: ReadonlyMap<string, Rate>;
  };
  readonly circuit: {
    /** It opens after so many failures with no answer between them. */
    readonly failures: number;
    /** It opens too where so many of a hundred failed within the while, of `of` at least. */
    readonly percent: number;
    readonly of: number;
    readonly withinSeconds: number;
    /** How long it stays open the first time; twice as long each time that trying failed. */
    readonly pauseSeconds: number;
    readonly longestPauseSeconds: number;
  };
  readonly retry: {
    /** How often one look-up is asked again. */
    readonly most: number;
    /** Of a hundred look-ups, so many. */
    readonly percent: number;
  };
  readonly maintenance: Maintenance;
}

/** So many a second in the long run, and so many at once after a pause. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** When a source's owner works on it and nobody is to ask, in Viet Nam's time. */
export interface Maintenance {
  readonly weekly: readonly WeeklyWindow[];
  readonly once: readonly SingleWindow[];
}

/** On each of the days from `from` (HH:MM) to `to` (HH:MM, or 24:00); one that ends before it begins ends on the day after. */
export interface WeeklyWindow {
  readonly days: readonly ('mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun')[];
  readonly from: string;
  readonly to: string;
}

/** Once, from one minute (YYYY-MM-DDTHH:MM) to another. */
export interface SingleWindow {
  readonly from: string;
  readonly to: string;
}

/** References to files of PEM text, and the name that the server's certificate must bear. */
export interface SourceTls {
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly serverName?: string;
}

/** The token endpoint that a source's token comes from, and a reference to what proves the gateway to it. */
export interface SourceOauth {
  readonly token: string;
  readonly clientId: string;
  readonly method: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt';
  readonly credential: string;
  readonly keyId?: string;
  readonly audience?: string;
  readonly scope?: string;
  readonly tls?: SourceTls;
}

export interface SourceDataset {
  readonly maxAgeSeconds: number;
  readonly absentMaxAgeSeconds: number;
  /** How long after its age a record may still be used while the source cannot answer, where the procedure allows it too; 0 unless said. */
  readonly staleSeconds?: number;
}

/** A part of a database that its owner says is there to replace papers. */
export interface CoverageScope extends Validity {
  readonly datasets: 'all' | ReadonlySet<string>;
  /** Codes of provinces. */
  readonly localities: 'all' | ReadonlySet<string>;
}
