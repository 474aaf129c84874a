/** What the bytes of a file of the configuration say, wherever the file stands: a value that fits its schema, or what is wrong with it. */
import type { CheckValue } from './config-schemas.ts';
import { type Problem, problem } from './faults.ts';
import type { Kind } from './folders.ts';
import { readRecordLines } from './record-lines.ts';
import { readYaml } from './yaml.ts';

export interface Content {
  /** The parsed file; only where there are no problems does it fit its schema. Frozen: another load may be given the same. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** The line of what a pointer leads to, or of the nearest thing around it. */
  lineOf(pointer: string): number | undefined;
}

/** What the last load read. A configuration is loaded again and again where it is worked on, and few of its files change. */
let last: { readonly check: CheckValue; readonly contents: ReadonlyMap<string, Content> } | undefined;

/** Gives the contents of the files of one load; `done` says that the load has read them all. */
export class Contents {
  readonly #check: CheckValue;
  readonly #read = new Map<string, Content>();

  constructor(check: CheckValue) {
    this.#check = check;
  }

  /** `sha256` is that of the bytes. Throws where they are no UTF-8. */
  of(kind: Kind, bytes: Buffer, sha256: string): Content {
    const name = `${kind} ${sha256}`;
    const known = last?.check === this.#check ? last.contents.get(name) : undefined;
    const content = known ?? contentOf(kind, new TextDecoder('utf-8', { fatal: true }).decode(bytes), this.#check);
    this.#read.set(name, content);
    return content;
  }

  done(): void {
    last = { check: this.#check, contents: this.#read };
  }
}

function contentOf(kind: Kind, text: string, check: CheckValue): Content {
  const content = kind === 'annex' ? readRecordLines(text) : readYaml(text);
  const { value, problems, lineOf } = content;
  if (value === null && problems.length > 0) return content;
  const unfit = check(kind, value).map(({ pointer, message }) => problem(lineOf(pointer), pointer, 'schema', message));
  return { value: frozen(value), problems: [...problems, ...unfit], lineOf };
}

/** To its last member. */
function frozen(value: unknown): unknown {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) frozen(member);
  }
  return value;
}
