/** What the log is worth outside: receipts that anyone can check, and that nothing changed in can pass for. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import canonicalize from 'canonicalize';
import t from 'tap';
import { openCheckpoint, parseVerifierKey } from '../src/audit/checkpoint.ts';
import { verifyReply } from '../src/audit/verify.ts';
import type { Prefill } from '../src/domain.ts';
import { startSandbox } from '../src/sandbox/index.ts';
import { startGateway } from './support/audit-gateway.ts';
import { chance, seedOf } from './support/chance.ts';
import { runHere } from './support/command-line.ts';
import { makeLogKey } from './support/log.ts';
import { Oracle } from './support/oracle.ts';

const seed = seedOf();
t.comment(`seed ${seed}: SEED=${seed} shows this run again`);
const directory = t.testdir({ offline: {} });

interface Saved {
  prefill: Prefill;
  receipt: { entry: Record<string, unknown>; index: number; proof: string[]; checkpoint: string };
}

/** Replies as callers saved them, of a log with enough in it for paths to have a length. */
const data = join(directory, 'offline');
const requests = Array.from({ length: 9 }, (_, n) => ({
  procedure: '1.004222',
  dossier: `X01.1-261122-${n}`,
  officer: 'X01.1-0042',
  subject: ['003099000017', '003085000041', '003088000131'][n % 3],
  related: { householder: '003060000021' },
}));
const texts = await (async () => {
  const sandbox = await startSandbox();
  const gateway = await startGateway(data, sandbox);
  const replies = await Promise.all(requests.map((request) => gateway.post('/v1/prefills', request, 'X01.1')));
  await gateway.close();
  await sandbox.close();
  return replies.map((reply) => reply.text);
})();
const vkey = readFileSync(join(data, 'log.vkey'), 'utf8');
const key = parseVerifierKey(vkey);
const proofLength = (text: string): number => (JSON.parse(text) as Saved).receipt.proof.length;
// The one with the longest way to the root; the last of a commit may have a short one.
const CHOSEN = texts.reduce((best, text, n) => (proofLength(text) > proofLength(texts[best] as string) ? n : best), 0);
const saved = (n = CHOSEN): Saved => JSON.parse(texts[n] as string) as Saved;
const request = requests[CHOSEN] as (typeof requests)[number];

const oncegate = (argv: string[], input = '') => runHere(argv, { dataDirectory: data, stateDirectory: data }, input);

const file = (name: string, content: string | object): string => {
  const path = join(directory, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};

t.test('a saved reply verifies offline, with the public key alone', async (t) => {
  for (const n of requests.keys()) {
    const { index } = saved(n).receipt;
    t.match(verifyReply(saved(n), key), { index, origin: key.name, agency: 'X01.1', time: saved(n).prefill.issuedAt });
    t.doesNotThrow(() => verifyReply(saved(n), key, requests[n]), 'and its question with it');
  }
  t.ok(saved().receipt.proof.length >= 3);
  const { index, entry, checkpoint } = saved().receipt;
  const size = openCheckpoint(checkpoint, key).size;
  const said = `verified: this answer to X01.1 of ${entry.time} is entry ${index} of the log ${key.name}, under its signed head of ${size} entries\n`;
  const path = file('reply.json', texts[CHOSEN] as string);
  t.strictSame(await oncegate(['verify', path]), { code: 0, out: said, error: '' });
  t.strictSame(await oncegate(['verify', '-'], texts[CHOSEN]), { code: 0, out: said, error: '' });
  t.strictSame(await oncegate(['verify', path, '--key', file('key', vkey), '--request', file('request.json', request)]), {
    code: 0,
    out: said,
    error: '',
  });
  t.equal(
    (await oncegate(['verify', file('pretty.json', JSON.stringify(saved(), null, 4))])).code,
    0,
    'how the file is laid out does not matter',
  );

  await t.test('as a process', async (t) => {
    const run = async (argv: string[], input: string): Promise<{ code: unknown; out: string; error: string }> => {
      const child = spawn(process.execPath, ['src/main.ts', 'verify', ...argv], { env: { ...process.env, ONCEGATE_DATA: data } });
      child.stdin.end(input);
      const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
      return { code, out, error };
    };
    const [good, bad] = await Promise.all([run([path], ''), run(['-'], (texts[CHOSEN] as string).replace('"index":', '"index":1'))]);
    t.strictSame(good, { code: 0, out: said, error: '' });
    t.match(bad, { code: 1, out: '', error: /^oncegate: the entry is not in the log at this place/ });
  });
});

const CHANGED = /the answer is not the one that the log holds: it was changed/;
const NOT_THERE = /the entry is not in the log at this place: entry, index or proof was changed/;
const WRONG = /the signature of .* on the checkpoint is wrong/;
const UNSIGNED = /the checkpoint bears no signature of/;

t.test('whatever was changed, the verifier says what does not hold', async (t) => {
  // Of the same commit where there is one.
  const others = [...requests.keys()].filter((n) => n !== CHOSEN);
  const another = saved(others.find((n) => saved(n).receipt.checkpoint === saved().receipt.checkpoint) ?? others[0]);
  const stranger = makeLogKey(key.name);
  const elsewhere = makeLogKey('elsewhere.test/log');
  const { size, root } = openCheckpoint(saved().receipt.checkpoint, key);
  const swap = (list: string[], i: number, j: number): void => {
    [list[i], list[j]] = [list[j] as string, list[i] as string];
  };
  const edit = (pattern: string | RegExp, by: string) => (reply: Saved) => {
    const { checkpoint } = reply.receipt;
    reply.receipt.checkpoint = checkpoint.replace(pattern, by);
    if (reply.receipt.checkpoint === checkpoint) throw new Error('the row changes nothing');
  };
  const ROWS: [rule: string, change: (reply: Saved) => void, refusal: RegExp][] = [
    ['a value of the form', ({ prefill }) => Object.assign(prefill.form, { fullName: 'NGUYỄN VĂN ÂN' }), CHANGED],
    [
      'a value of the form, decomposed',
      ({ prefill }) => Object.assign(prefill.form, { fullName: String(prefill.form.fullName).normalize('NFD') }),
      CHANGED,
    ],
    ['a value taken away', ({ prefill }) => delete prefill.form.fullName, CHANGED],
    ['a value added', ({ prefill }) => Object.assign(prefill.form, { salary: 1 }), CHANGED],
    ['where a value is from', ({ prefill }) => Object.assign(prefill.fields['/fullName'] ?? {}, { source: 'land' }), CHANGED],
    ['how fresh a value is', ({ prefill }) => Object.assign(prefill.fields['/fullName'] ?? {}, { freshness: 'cached' }), CHANGED],
    ['a verdict', ({ prefill }) => Object.assign(prefill.components[0] ?? {}, { verdict: 'partly' }), CHANGED],
    ['two papers in another order', ({ prefill }) => prefill.components.reverse(), CHANGED],
    ['a count', ({ prefill }) => prefill.summary.filled++, CHANGED],
    ['the dossier', ({ prefill }) => Object.assign(prefill, { dossier: 'X01.1-261122-9999' }), CHANGED],
    ['the procedure', ({ prefill }) => Object.assign(prefill, { procedure: '1.004873' }), CHANGED],
    ['the id', ({ prefill }) => Object.assign(prefill, { id: another.prefill.id }), CHANGED],
    ['the time', ({ prefill }) => Object.assign(prefill, { issuedAt: '2026-11-22T20:10:00.124Z' }), CHANGED],
    ['the salt', ({ prefill }) => Object.assign(prefill, { salt: another.prefill.salt }), CHANGED],
    ['the answer of another', (reply) => Object.assign(reply, { prefill: another.prefill }), CHANGED],
    ['the receipt of another', (reply) => Object.assign(reply, { receipt: another.receipt }), CHANGED],
    [
      'answer and digest together',
      (reply) => {
        reply.prefill = another.prefill;
        reply.receipt.entry.replyDigest = another.receipt.entry.replyDigest;
      },
      NOT_THERE,
    ],
    ...Object.keys(saved().receipt.entry)
      .filter((member) => member !== 'replyDigest')
      .flatMap((member): [string, (reply: Saved) => void, RegExp][] => [
        [`${member} of the entry`, ({ receipt }) => Object.assign(receipt.entry, { [member]: 'another' }), NOT_THERE],
        [`${member} of the entry taken away`, ({ receipt }) => delete receipt.entry[member], NOT_THERE],
      ]),
    ['a member added to the entry', ({ receipt }) => Object.assign(receipt.entry, { note: '' }), NOT_THERE],
    ['another entry of the same commit', ({ receipt }) => Object.assign(receipt, { index: another.receipt.index }), NOT_THERE],
    ['the index, one more', ({ receipt }) => receipt.index++, NOT_THERE],
    ['the index, one less', ({ receipt }) => receipt.index--, NOT_THERE],
    ['an index beyond the log', ({ receipt }) => Object.assign(receipt, { index: size }), NOT_THERE],
    ['an index below zero', ({ receipt }) => Object.assign(receipt, { index: -1 }), NOT_THERE],
    ['an index between two', ({ receipt }) => Object.assign(receipt, { index: receipt.index + 0.5 }), NOT_THERE],
    [
      'an index as text',
      ({ receipt }) => Object.assign(receipt, { index: String(receipt.index) }),
      /lacks its entry, index, proof or checkpoint/,
    ],
    ['two hashes of the proof swapped', ({ receipt }) => swap(receipt.proof, 0, 1), NOT_THERE],
    ['a hash of the proof dropped', ({ receipt }) => receipt.proof.pop(), NOT_THERE],
    ['the first hash of the proof dropped', ({ receipt }) => receipt.proof.shift(), NOT_THERE],
    ['a hash added to the proof', ({ receipt }) => receipt.proof.push(root.toString('base64')), NOT_THERE],
    ['a hash of the proof twice', ({ receipt }) => receipt.proof.unshift(receipt.proof[0] as string), NOT_THERE],
    ['no proof', ({ receipt }) => receipt.proof.splice(0), NOT_THERE],
    ['the proof of another', ({ receipt }) => Object.assign(receipt, { proof: another.receipt.proof }), NOT_THERE],
    ['a hash that is too short', ({ receipt }) => (receipt.proof[0] = 'AAAA'), /the proof holds something that is not a hash/],
    ['a hash that is no text', ({ receipt }) => Object.assign(receipt.proof, { 0: null }), /the proof holds something that is not a hash/],
    [
      'a hash in another spelling',
      ({ receipt }) => (receipt.proof[0] = (receipt.proof[0] as string).replace('=', '')),
      /the proof holds something that is not a hash/,
    ],
    ['the size of the checkpoint', edit(`\n${size}\n`, `\n${size + 1}\n`), WRONG],
    ['the root of the checkpoint', edit(root.toString('base64'), Buffer.alloc(32).toString('base64')), WRONG],
    ['the origin of the checkpoint', edit(key.name, 'elsewhere.test/log'), WRONG],
    ['the signature of the checkpoint', edit(/.{8}\n$/, 'AAAAAAA=\n'), WRONG],
    ['no signature on the checkpoint', edit(/— .*\n/, ''), /bears no signature|is not a signed note|no signature/],
    ['a signature under another name', edit(/— \S+/, '— elsewhere.test/log'), UNSIGNED],
    [
      'a checkpoint of another key of that name',
      ({ receipt }) => (receipt.checkpoint = stranger.sign({ origin: key.name, size, root })),
      UNSIGNED,
    ],
    [
      'a checkpoint of another log',
      ({ receipt }) => (receipt.checkpoint = elsewhere.sign({ origin: 'elsewhere.test/log', size, root })),
      UNSIGNED,
    ],
    ['no newline at the end of the checkpoint', edit(/\n$/, ''), /the checkpoint is not a signed note/],
    ['no checkpoint', ({ receipt }) => (receipt.checkpoint = ''), /the checkpoint is not a signed note/],
    ...(['entry', 'index', 'proof', 'checkpoint'] as const).map((member): [string, (reply: Saved) => void, RegExp] => [
      `no ${member} in the receipt`,
      ({ receipt }) => Reflect.deleteProperty(receipt, member),
      /the receipt lacks its entry, index, proof or checkpoint/,
    ]),
    ['an entry that is a list', (reply) => Object.assign(reply.receipt, { entry: [] }), /the receipt lacks/],
    ['no receipt', (reply) => Reflect.deleteProperty(reply, 'receipt'), /there is no receipt to check/],
    ['a receipt that is a list', (reply) => Object.assign(reply, { receipt: [] }), /there is no receipt to check/],
    ['no answer', (reply) => Reflect.deleteProperty(reply, 'prefill'), /there is no prefill to check/],
    ['an answer that is nothing', (reply) => Object.assign(reply, { prefill: null }), /there is no prefill to check/],
  ];
  for (const [rule, change, refusal] of ROWS) {
    const reply = saved();
    change(reply);
    t.throws(() => verifyReply(reply, key), { message: refusal }, rule);
    const { code, out, error } = await oncegate(['verify', '-'], JSON.stringify(reply));
    t.match({ code, out, error }, { code: 1, out: '', error: refusal }, `${rule}: on the command line`);
  }

  await t.test('a true checkpoint of the same log, but another one', async (t) => {
    const early = saved();
    const heads = requests.map((_, n) => saved(n).receipt.checkpoint);
    const elders = heads.filter((head) => head !== early.receipt.checkpoint);
    if (elders.length === 0) t.pass('all replies shared one commit');
    for (const checkpoint of elders) {
      t.throws(() => verifyReply({ ...early, receipt: { ...early.receipt, checkpoint } }, key), { message: NOT_THERE });
    }
  });

  await t.test('one key for two logs: the receipt of one is not that of the other', async (t) => {
    const two = makeLogKey();
    const reply = { prefill: {}, receipt: { entry: {}, index: 0, proof: [], checkpoint: '' } };
    const oracle = new Oracle();
    const entry = { replyDigest: 'RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=' };
    oracle.push(Buffer.from(canonicalize(entry) as string));
    const receipt = (origin: string): object => ({
      ...reply.receipt,
      entry,
      checkpoint: two.sign({ origin, size: 1, root: oracle.root(0, 1) }),
    });
    t.match(verifyReply({ ...reply, receipt: receipt(two.key.name) }, two.key), { index: 0, size: 1 });
    t.throws(() => verifyReply({ ...reply, receipt: receipt('other.test/log') }, two.key), /the checkpoint is that of other\.test\/log/);
  });

  const QUESTIONS: [rule: string, change: object][] = [
    ['another person', { subject: '003060000021' }],
    ['another person beside', { related: { householder: '003163000023' } }],
    ['nobody beside', { related: undefined }],
    ['another dossier', { dossier: 'X01.1-261122-9999' }],
    ['another officer', { officer: 'X01.1-0043' }],
    ['another procedure', { procedure: '1.004873' }],
    ['fewer fields', { fields: ['/fullName'] }],
    ['fresher', { maxAgeSeconds: 0 }],
  ];
  for (const [rule, change] of QUESTIONS) {
    const question = { ...request, ...change };
    t.throws(() => verifyReply(saved(), key, question), /the request is not the one that the log holds/, `asked about: ${rule}`);
    const { code, error } = await oncegate(['verify', '-', '--request', file('question.json', question)], texts[CHOSEN]);
    t.match(
      { code, error },
      { code: 1, error: /the request is not the one that the log holds/ },
      `asked about: ${rule}, on the command line`,
    );
  }

  const MISUSED: [rule: string, argv: string[], input: string, code: number, error: RegExp][] = [
    ['no file', ['verify'], '', 2, /the file with the reply, or - for standard input is missing/],
    ['a file that is not there', ['verify', 'nowhere.json'], '', 1, /ENOENT/],
    ['a file that is not JSON', ['verify', '-'], '{', 1, /JSON/],
    ['nothing', ['verify', '-'], 'null', 1, /there is no prefill to check/],
    ['a list', ['verify', '-'], '[]', 1, /there is no prefill to check/],
    ['a key that is none', ['verify', '-', '--key', file('bad.vkey', 'oncegate')], texts[CHOSEN] as string, 1, /not a verifier key/],
    [
      'the key of another',
      ['verify', '-', '--key', file('go.vkey', 'sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8')],
      texts[CHOSEN] as string,
      1,
      UNSIGNED,
    ],
  ];
  for (const [rule, argv, input, code, error] of MISUSED) t.match(await oncegate(argv, input), { code, out: '', error }, rule);
});

t.test('property: no byte of a saved reply can be changed and it still verify', async (t) => {
  const random = chance(seed);
  const bytes = Buffer.from(texts[CHOSEN] as string);
  const receiptAt = bytes.indexOf('"receipt":');
  const same = JSON.stringify(saved());
  const passed: string[] = [];
  let parsed = 0;
  for (let n = 0; n < 6000; n++) {
    // The answer is much longer than its receipt, which has the more places where a change could hide.
    const at = n % 3 === 0 ? random(bytes.length) : receiptAt + random(bytes.length - receiptAt);
    const changed = Buffer.from(bytes);
    const how = random(5);
    let flipped: Buffer = changed;
    if (how === 0) changed[at] = (changed[at] as number) ^ (1 << random(8));
    if (how === 1) changed[at] = 0x20 + random(95);
    if (how === 2) flipped = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
    if (how === 3) flipped = Buffer.concat([bytes.subarray(0, at), Buffer.from([0x20 + random(95)]), bytes.subarray(at)]);
    if (how === 4) flipped = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + 1), bytes.subarray(at)]);
    let reply: Saved;
    try {
      reply = JSON.parse(flipped.toString('utf8')) as Saved;
    } catch {
      continue;
    }
    if (JSON.stringify(reply) === same) continue;
    parsed++;
    try {
      verifyReply(reply, key);
      passed.push(`seed ${seed}, change ${n}, byte ${at}: ${flipped.subarray(at - 20, at + 20)}`);
    } catch (error) {
      if (error instanceof TypeError) passed.push(`seed ${seed}, change ${n}: ${error.stack}`);
    }
  }
  t.strictSame(passed, []);
  t.ok(parsed > 1000, `${parsed} changes left JSON`);
});
