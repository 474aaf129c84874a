/** `npm run bench:log [-- --quick]`: what the audit log costs a request, a store, and whoever verifies it, in one run on one machine. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPostgres } from '../test/support/postgres.ts';
import { appending } from './log/appending.ts';
import { perRequest } from './log/per-request.ts';
import { verifying } from './log/verifying.ts';
import { withAndWithout } from './log/with-and-without.ts';
import { theMachine } from './report.ts';

const quick = process.argv.includes('--quick');
const directory = mkdtempSync(join(tmpdir(), 'oncegate-bench-log-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
const found = await findPostgres();
const postgres = typeof found === 'string' ? undefined : found;
const say = (text: string): void => void process.stdout.write(`${text}\n\n`);

say(theMachine());
if (postgres === undefined) say(`PostgreSQL is left out: ${found}`);
try {
  say(await perRequest(directory, quick ? 0.05 : 1));
  say(await withAndWithout(quick));
  say(await appending(directory, postgres, quick ? 0.05 : 1));
  say(await verifying(directory, quick ? 20_000 : 1_000_000));
} finally {
  await postgres?.stop();
}
