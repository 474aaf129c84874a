/** A few random bytes at a time, drawn from the system for many at once: a draw of sixteen costs as much as one of thousands. */
import { randomFillSync } from 'node:crypto';

const drawn = Buffer.alloc(4096);
let used = drawn.length;

/** As good as `randomBytes`, and nobody else is given them. At most some dozens at once. */
export function fewRandomBytes(count: number): Buffer {
  if (used + count > drawn.length) {
    randomFillSync(drawn);
    used = 0;
  }
  const given = Buffer.from(drawn.subarray(used, used + count));
  used += count;
  return given;
}
