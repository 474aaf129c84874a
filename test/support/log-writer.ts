/**
 * A process of its own that appends to a log that others append to too, and prints each receipt as it gets it:
 * `node log-writer.ts <path or url> <pkcs8 pem> <count> <name>`.
 */
import { createPrivateKey } from 'node:crypto';
import { writeSync } from 'node:fs';
import { LogUnavailable } from '../../src/audit/log.ts';
import { entryOf, logKeyOf, openLog } from './log.ts';
import { openStore } from './stores.ts';

const [address, pem, count, name] = process.argv.slice(2) as [string, string, string, string];
const store = await openStore(address);
const log = await openLog(store, logKeyOf(createPrivateKey(pem)));
const CALLERS = 4;
// Whoever started it has the other end, and takes it along when he goes.
process.stdin.on('end', () => process.exit()).resume();

async function call(caller: number): Promise<void> {
  for (let n = 0; n < Number(count); n++) {
    const kind = n % 4 === 3 ? 'intent' : 'outcome';
    try {
      const receipt = await log.append(entryOf(`${name}-${caller}-${n}`, kind), { receipt: kind === 'outcome' });
      // At once, and not by way of a buffer that would be lost with the process.
      if (kind === 'outcome') writeSync(1, `${JSON.stringify(receipt)}\n`);
    } catch (error) {
      // While others are killed the log may be locked for longer than a writer waits.
      if (!(error instanceof LogUnavailable) || count !== 'Infinity') throw error;
    }
  }
}

await Promise.all(Array.from({ length: CALLERS }, (_, caller) => call(caller)));
await store.close();
process.stdin.destroy();
