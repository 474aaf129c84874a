/** What is wrong with a configuration: collected, never thrown one by one. */

export type Rule =
  | 'unreadable'
  | 'yaml'
  | 'schema'
  | 'file-name'
  | 'duplicate'
  | 'unknown-reference'
  | 'unknown-value'
  | 'type-mismatch'
  | 'key-mismatch'
  | 'ambiguous-source'
  | 'cycle'
  | 'adapter'
  | 'connection'
  | 'wrong-provision'
  | 'validity'
  | 'private-key'
  | 'crime-prevention-only'
  | 'sandbox-in-production'
  | 'missing-secret'
  | 'verifier-key'
  | 'quorum'
  | 'limits'
  | 'stale'
  | 'window';

export interface Fault {
  /** Path within the configuration. */
  readonly file: string;
  readonly line?: number;
  /** JSON Pointer into the file. */
  readonly pointer: string;
  readonly rule: Rule;
  readonly message: string;
}

/** A fault of bytes, whatever file holds them. */
export type Problem = Omit<Fault, 'file'>;

export const problem = (line: number | undefined, pointer: string, rule: Rule, message: string): Problem => ({
  ...(line === undefined ? {} : { line }),
  pointer,
  rule,
  message,
});

/** The configuration cannot be used; `faults` is never empty. */
export class ConfigurationError extends Error {
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    super(`the configuration has ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`);
    this.name = 'ConfigurationError';
    this.faults = faults;
  }
}

/** One line a fault, as editors and people read it: `agencies/X01.1.yaml:12 /grants/0/procedure [unknown-reference] …`. */
export function formatFault(fault: Fault): string {
  return `${fault.file}${fault.line === undefined ? '' : `:${fault.line}`} ${fault.pointer || '/'} [${fault.rule}] ${fault.message}`;
}
