/** A process of its own that uses names once: `node once-user.ts <path or URL> <durable> <names…>`. Prints each that it was the first for; lives on until it is killed. */
import { openOnceAt } from './once.ts';

const [address = '', durable, ...names] = process.argv.slice(2);
const store = await openOnceAt(address, { clock: Date.now, durable: durable === 'true' });
const until = Date.now() + 3_600_000;
await Promise.all(names.map(async (name) => (await store.use(name, until)) && process.stdout.write(`${name}\n`)));
process.stdout.write('.\n');
setInterval(() => {}, 60_000);
