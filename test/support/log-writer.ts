/** A process of its own that appends to a log that others append to too: `node log-writer.ts <path or url> <pkcs8 pem> <count> <name>`. */
import { createPrivateKey } from 'node:crypto';
import { entryOf, logKeyOf, openLog } from './log.ts';
import { openStore } from './stores.ts';

const [address, pem, count, name] = process.argv.slice(2) as [string, string, string, string];
const store = await openStore(address);
const log = await openLog(store, logKeyOf(createPrivateKey(pem)));
const indexes: number[] = [];
for (let n = 0; n < Number(count); n++) {
  const receipts = await Promise.all([0, 1].map((part) => log.append(entryOf(`${name}-${n}-${part}`), { receipt: true })));
  indexes.push(...receipts.map((receipt) => receipt.index));
}
await store.close();
process.stdout.write(JSON.stringify(indexes));
