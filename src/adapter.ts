/** The contract between the gateway and a registry: the one file of `src/` that an adapter may import. */

import type { KeyObject } from 'node:crypto';

/** A JSON object as a registry's canonical record; its shape is the dataset's schema in `schemas/datasets/`. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [member: string]: JsonValue };
export type JsonObject = { [member: string]: JsonValue };

/** What a dataset is looked up by: a person's 12-digit number, or the serial number of a land certificate. */
export type KeyKind = 'person' | 'certificate';

/** One question to one registry. */
export interface LookUp {
  readonly dataset: string;
  /** The key's value: 12 digits for `person`, the serial as printed for `certificate`. Personal data: never in a URL. */
  readonly key: string;
}

/** What a registry said. "No such record" is an answer, not a failure. */
export type Answer =
  | {
      readonly found: true;
      /** The key of the record as the registry wrote it into its answer, never copied from the question: the gateway compares the two. */
      readonly about: string;
      /** The record in the dataset's canonical shape. A member the registry does not know is absent, never null or a default. */
      readonly record: JsonObject;
      /** When the registry vouches for the record (RFC 3339 date or date-time), or null where it does not say. */
      readonly recordedAt: string | null;
    }
  | {
      readonly found: false;
      /** `cancelled`: the registry says that this number was withdrawn. */
      readonly why?: 'cancelled';
      /** The number that the same person has instead, where the registry says so with `cancelled`. Personal data. */
      readonly successor?: string;
    };

/** Why a registry could not answer. Each is stable: it appears in replies, in the audit log and in metrics. */
export type SourceFailure = 'unreachable' | 'timeout' | 'refused' | 'error' | 'malformed' | 'wrong-subject';

/** The only error an adapter may throw, apart from the abort reason of its signal. Its message must hold no personal data. */
export class SourceError extends Error {
  readonly reason: SourceFailure;
  /** Seconds after which the registry says it is worth asking again, where it says so. */
  readonly retryAfterSeconds: number | undefined;

  constructor(reason: SourceFailure, detail: string, retryAfterSeconds?: number, cause?: unknown) {
    super(detail, { cause });
    this.name = 'SourceError';
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/**
 * A registry, spoken to in its own dialect.
 *
 * An adapter MUST stop and reject when `signal` aborts, MUST reject only with `SourceError` or the signal's reason, and MUST
 * NOT log, cache, retry or set a timeout of its own: `src/stages/ask.ts` and `src/stages/around/` wrap it with what it needs. It may keep the token that
 * the registry admits it by, and put a question once more with a new one where the registry no longer takes the old.
 */
export interface Adapter {
  /** The datasets it answers and the key of each. Never empty, constant for its life. */
  readonly datasets: Readonly<Record<string, KeyKind>>;
  lookUp(lookUp: LookUp, signal: AbortSignal): Promise<Answer>;
  /** Releases its connections. Called once, after the last look-up. */
  close(): Promise<void>;
}

/** What the operator's file in `config/sources/` hands to an adapter. */
export interface AdapterSettings {
  /** Base address, from the configuration alone: an answer can never change where the gateway connects. */
  readonly address: URL;
  /** The secret that the registry knows the gateway by, already read from where the file refers to. */
  readonly credential: string | undefined;
  /** Whom its connections trust and what they show; absent, the system's CAs where the address is of a connection by TLS. */
  readonly tls?: TlsSettings;
  /** Where a token is had, for a registry that wants one. */
  readonly oauth?: OauthSettings;
  /** Look-ups that will be under way at once: with fewer connections some would wait where nobody sees it. 32 unless said. */
  readonly connections?: number;
  /** The `datasets` member of the source's file, for adapters that are described there rather than coded. */
  readonly datasets: Readonly<Record<string, JsonObject>>;
  /** Milliseconds after which the gateway gives a look-up up, for an adapter that can tell the registry so. It never counts them itself. */
  readonly timeoutMs?: number;
}

/** PEM texts, already read. A certificate never comes without its key. */
export interface TlsSettings {
  /** The only CAs that are trusted; absent, the system's. */
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  /** The name that the server's certificate must bear, where it is not the address's. */
  readonly serverName?: string;
}

/** OAuth 2 client credentials (RFC 6749, section 4.4). */
export interface OauthSettings {
  readonly token: URL;
  readonly clientId: string;
  readonly scope?: string;
  readonly tls?: TlsSettings;
  readonly proof: ClientProof;
}

/** How the token endpoint knows the gateway; `private_key_jwt` is RFC 7523's. */
export type ClientProof =
  | { readonly method: 'client_secret_basic' | 'client_secret_post'; readonly secret: string }
  | {
      readonly method: 'private_key_jwt';
      readonly key: KeyObject;
      readonly algorithm: string;
      readonly keyId?: string;
      readonly audience: string;
    };

/** How an adapter is made; `adapters/index.ts` maps the names that source files use to these. */
export type AdapterFactory = (settings: AdapterSettings) => Adapter;
