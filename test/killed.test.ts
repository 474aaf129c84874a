/** Whatever becomes of a process, killed at any moment or told to stop: what it answered is on record, and the log is whole. */
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as after } from 'node:timers/promises';
import canonicalize from 'canonicalize';
import t from 'tap';
import { Pool } from 'undici';
import { openCheckpoint, parseVerifierKey } from '../src/audit/checkpoint.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import { openSqliteLog } from '../src/audit/sqlite.ts';
import { verifyReceipt, verifyReply } from '../src/audit/verify.ts';
import { checkLog, type Seen } from '../src/audit/whole.ts';
import type { Prefill, Receipt } from '../src/domain.ts';
import { chance, seedOf } from './support/chance.ts';
import { type ChildGateway, childToken, startChild } from './support/child.ts';
import { logKeyOf } from './support/log.ts';
import { Oracle, wholeLog } from './support/oracle.ts';
import { freePort } from './support/ports.ts';
import { kindsOfStore, openStore } from './support/stores.ts';

const seed = seedOf();
t.comment(`seed ${seed}: SEED=${seed} shows this run again`);
const directory = t.testdir({ killed: {}, stopped: {}, log: {} });
const { kinds, stop } = await kindsOfStore(() => join(directory, 'log'));
t.teardown(stop);

/** Writers of one log at a time, and how many of them are killed. */
const LANES = 2;
const KILLS = 14;

for (const { name, skip, make } of kinds) {
  t.test(`writers of a log in ${name}, killed at any moment under load: all they acknowledged is there`, { skip }, async (t) => {
    const random = chance(seed);
    const { address } = await make();
    const { privateKey } = generateKeyPairSync('ed25519');
    const { key } = logKeyOf(privateKey);
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
    const reader = await openStore(address);
    const acknowledged: Receipt[] = [];
    const faults: string[] = [];
    let seen: Seen | undefined;
    let started = 0;

    /** What a writer acknowledged until it was killed. */
    const killed = async (): Promise<Receipt[]> => {
      const writer = `writer-${started++}`;
      const child = spawn(process.execPath, ['test/support/log-writer.ts', address, pem, 'Infinity', writer]);
      let said = '';
      let errors = '';
      child.stderr.on('data', (chunk) => (errors += chunk));
      const enough = new Promise<void>((resolve, reject) => {
        const lines = 1 + random(100);
        child.stdout.on('data', (chunk) => {
          said += chunk;
          if (said.split('\n').length > lines) resolve();
        });
        child.once('exit', (code, signal) => reject(new Error(`${writer} ended by itself: ${code ?? signal} ${errors}`)));
      });
      await enough;
      await after(random(15));
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      const [, signal] = await closed;
      if (signal !== 'SIGKILL') faults.push(`${writer} ended by ${signal}`);
      // The last line may be cut off.
      return said
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Receipt);
    };
    /** Whether the log is whole, continues the one before, and holds these. */
    const check = async (receipts: readonly Receipt[]): Promise<void> => {
      const checked = await checkLog(reader, key, seen);
      seen = checked.seen;
      for (const receipt of receipts) {
        const [body] = await reader.read(receipt.index, receipt.index + 1);
        if (body !== canonicalize(receipt.entry)) faults.push(`${receipt.entry.id} was acknowledged and is not at its place`);
        verifyReceipt(receipt, key);
      }
      acknowledged.push(...receipts);
    };
    let checking = Promise.resolve();
    const lane = async (): Promise<void> => {
      while (started < KILLS) {
        const receipts = await killed();
        checking = checking.then(() => check(receipts));
        await checking;
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));

    const entries = await wholeLog(reader, key);
    const ids = entries.map((body) => (JSON.parse(body) as AuditEntry).id);
    t.equal(new Set(ids).size, ids.length, 'nothing twice');
    t.equal(new Set(acknowledged.map(({ index }) => index)).size, acknowledged.length, 'each has a place of its own');
    for (const { index, entry } of acknowledged) if (entries[index] !== canonicalize(entry)) faults.push(`${entry.id} is gone since`);
    t.strictSame(faults.slice(0, 10), []);
    t.ok(acknowledged.length > 10 * KILLS);
    t.comment(`${started} killed, ${acknowledged.length} entries acknowledged, ${entries.length} in the log`);
    await reader.close();
  });
}

const SUBJECTS = [
  '003099000017',
  '003060000021',
  '003301000034',
  '003085000041',
  '003219000043',
  '003088000131',
  '003065000171',
  '003091000199',
];

interface Received {
  readonly dossier: string;
  readonly request: object;
  readonly status: number;
  readonly text: string;
}

/** Callers that send one prefill after another until the gateway is gone; what they received whole. */
async function load(
  address: string,
  token: string,
  callers: number,
  next: () => object & { dossier: string },
  received: Received[],
): Promise<void> {
  const pool = new Pool(address, { connections: callers });
  const call = async (): Promise<void> => {
    for (;;) {
      const request = next();
      try {
        const reply = await pool.request({
          method: 'POST',
          path: '/v1/prefills',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: JSON.stringify(request),
        });
        received.push({ dossier: request.dossier, request, status: reply.statusCode, text: await reply.body.text() });
      } catch {
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  await pool.destroy();
}

let serial = 0;
const dossier = (): string => `X01.1-261122-${++serial}`;

t.test('killed at any moment under load, it has on record whatever it answered', async (t) => {
  const random = chance(seed + 1);
  const dataDirectory = join(directory, 'killed');
  const port = await freePort();
  const received: Received[] = [];
  const next = () => ({
    procedure: ['1.004222', '1.004222', '1.004873', '1.012768'][random(4)],
    dossier: dossier(),
    officer: 'X01.1-0042',
    subject: SUBJECTS[random(SUBJECTS.length)],
    ...(random(3) === 0 ? { maxAgeSeconds: 0 } : {}),
  });
  let token = '';
  for (let round = 0; round < 4; round++) {
    const child = await startChild(dataDirectory, port);
    if (round === 0) token = await childToken(child.address, dataDirectory, 'X01.1');
    const before = received.length;
    const loading = load(child.address, token, 16, next, received);
    const enough = before + 20 + random(200);
    for (const end = Date.now() + 5000; received.length < enough && Date.now() < end; ) await after(5);
    await after(random(20));
    child.process.kill('SIGKILL');
    t.equal(await child.ended, 'SIGKILL');
    await loading;
    t.ok(received.length > before, `round ${round}: ${received.length - before} replies`);
  }

  const store = openSqliteLog(join(dataDirectory, 'log.db'));
  const key = parseVerifierKey(readFileSync(join(dataDirectory, 'log.vkey'), 'utf8'));
  const entries = await wholeLog(store, key);
  t.match(await checkLog(store, key), { entries: entries.length });
  await store.close();
  const rows = new DatabaseSync(join(dataDirectory, 'log.db'), { readOnly: true });
  t.match(rows.prepare('SELECT min(idx) AS first, max(idx) AS last, count(*) AS count FROM entries').get(), {
    first: 0,
    last: entries.length - 1,
    count: entries.length,
  });
  rows.close();
  const parsed = entries.map((bytes) => JSON.parse(bytes) as AuditEntry);
  const oracle = new Oracle();
  for (const bytes of entries) oracle.push(Buffer.from(bytes));

  const faults: string[] = [];
  const indexes = new Set<number>();
  const closed = new Map(parsed.flatMap((entry) => (entry.kind === 'intent' ? [] : [[entry.dossier, entry]])));
  for (const { dossier, request, status, text } of received) {
    const fault = (what: string): unknown => faults.push(`${dossier}: ${what}`);
    const body = JSON.parse(text) as { prefill: Prefill; receipt: Receipt; code: string };
    if (status !== 200) {
      if (closed.get(dossier)?.outcome !== body.code) fault(`${status} ${body.code} is not on record`);
      continue;
    }
    const { entry, index, checkpoint } = body.receipt;
    if (entries[index] !== canonicalize(entry)) fault(`entry ${index} is not the one in the receipt`);
    if (indexes.has(index)) fault(`entry ${index} was given to another too`);
    indexes.add(index);
    try {
      verifyReply(body, key, request);
    } catch (error) {
      fault((error as Error).message);
    }
    const head = openCheckpoint(checkpoint, key);
    if (head.size > entries.length || !oracle.root(0, head.size).equals(head.root)) fault('its checkpoint is of another past');
  }
  t.strictSame(faults.slice(0, 10), []);
  t.ok(received.filter(({ status }) => status === 200).length > 100);
  t.ok(
    received.some(({ status }) => status === 403),
    'refusals are among them',
  );
  t.strictSame([...new Set(received.map(({ status }) => status))].sort(), [200, 403], 'and nothing else');

  const names = parsed.map(({ id, kind }) => `${id} ${kind}`);
  t.equal(new Set(names).size, names.length, 'nothing is on record twice');
  // Who asks what somebody is asking already shares that answer, and so the intent that went before it.
  const intents = new Set<string>();
  for (const { kind, id, subjects, sources = [] } of parsed)
    for (const { source, dataset, role, freshness } of sources) {
      const question = `${source} ${dataset} ${subjects?.[role]}`;
      if (kind === 'intent') intents.add(question);
      else if (role === 'subject' && freshness === 'live' && !intents.has(question))
        faults.push(`${id}: ${source} was asked without an intent before`);
    }
  t.strictSame(faults, []);
  t.comment(`${received.length} replies, ${entries.length} entries`);
});

/** Ends a process that a failed test left behind. */
const end = (child: ChildGateway): unknown => child.process.exitCode === null && child.process.kill('SIGKILL');

/** Its exit code, unless it takes longer than answering what is in flight can. */
const endedSoon = (child: ChildGateway): Promise<number | string> =>
  Promise.race([child.ended, after(5000, 'still running', { ref: false })]);

t.test(
  'told to stop under load, beside a caller who says nothing, it answers every request in flight and ends well, promptly',
  async (t) => {
    const dataDirectory = join(directory, 'stopped');
    const port = await freePort();
    const child = await startChild(dataDirectory, port);
    t.teardown(() => end(child));
    const silent = connect(port, '127.0.0.1');
    silent.on('error', () => {});
    await once(silent, 'connect');
    const token = await childToken(child.address, dataDirectory, 'X01.1');
    const CALLERS = 48;
    const pool = new Pool(child.address, { connections: CALLERS, pipelining: 1 });
    const send = async (more: object = {}): Promise<Received> => {
      const request = { procedure: '1.004222', dossier: dossier(), officer: 'X01.1-0042', subject: SUBJECTS[serial % 8], ...more };
      const reply = await pool.request({
        method: 'POST',
        path: '/v1/prefills',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(request),
      });
      return { dossier: request.dossier, request, status: reply.statusCode, text: await reply.body.text() };
    };
    // Connections that are there already, so that what is sent next is in the process when it is told to stop.
    await Promise.all(Array.from({ length: CALLERS }, () => send()));
    const inFlight = Array.from({ length: CALLERS }, () => send({ maxAgeSeconds: 0 }));
    await Promise.race(inFlight);
    const told = performance.now();
    child.process.kill('SIGTERM');
    const replies = await Promise.allSettled(inFlight);
    t.strictSame(
      replies.flatMap((reply) => (reply.status === 'rejected' ? String(reply.reason) : reply.value.status === 200 ? [] : reply.value.text)),
      [],
    );
    t.equal(await endedSoon(child), 0, `after ${Math.round(performance.now() - told)} ms: ${child.errors()}`);
    await t.rejects(send(), 'nobody listens any more');
    await pool.destroy();
    silent.destroy();

    const store = openSqliteLog(join(dataDirectory, 'log.db'));
    const key = parseVerifierKey(readFileSync(join(dataDirectory, 'log.vkey'), 'utf8'));
    const entries = await wholeLog(store, key);
    for (const reply of replies) {
      if (reply.status === 'rejected') continue;
      const body = JSON.parse(reply.value.text) as { prefill: Prefill; receipt: Receipt };
      if (entries[body.receipt.index] !== canonicalize(body.receipt.entry)) t.fail(`${reply.value.dossier} is not on record`);
      verifyReply(body, key, reply.value.request);
    }
    await store.close();
  },
);
