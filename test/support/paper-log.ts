/** A log on paper: in memory, with as much of its tree as a search needs, and pages that can be torn out. */
import { canonicalJson } from '../../src/audit/canonical.ts';
import type { AuditEntry } from '../../src/audit/entry.ts';
import type { LogReader } from '../../src/audit/store.ts';
import { leafHash, TILE_WIDTH } from '../../src/audit/tree.ts';

export class PaperLog implements LogReader {
  readonly bodies: (string | undefined)[] = [];
  readonly #leaves: Buffer[] = [];
  retention: number | undefined;

  write(...entries: readonly AuditEntry[]): void {
    for (const entry of entries) {
      const body = canonicalJson(entry);
      this.bodies.push(body);
      this.#leaves.push(leafHash(Buffer.from(body)));
    }
  }

  /** As a log that was restored from a copy made when it had `size` entries. */
  restore(size: number): void {
    this.bodies.length = size;
    this.#leaves.length = size;
  }

  async head() {
    return { size: this.bodies.length, checkpoint: undefined, cosigned: undefined, retention: this.retention };
  }

  async read(from: number, to: number): Promise<(string | undefined)[]> {
    return this.bodies.slice(from, to);
  }

  async tile(level: number, index: number): Promise<Buffer> {
    const hashes = this.#leaves.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH);
    if (level !== 0 || hashes.length === 0) throw new Error(`the log has no tile ${level}/${index}`);
    return Buffer.concat(hashes);
  }
}
