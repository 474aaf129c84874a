/** The gateway's own keys: wherever they are kept, whatever becomes of what holds them, and however often they are replaced. */
import { createSecretKey, generateKeyPairSync, type KeyObject, randomBytes, verify } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { createLocalJWKSet, decodeProtectedHeader, type JWK, jwtVerify } from 'jose';
import t from 'tap';
import { type TokenKey, TokenKeys } from '../src/access/token-keys.ts';
import { ProgramSigner } from '../src/keys/program.ts';
import { closeKeys, loadKeys, rotateKey, tryKeys } from '../src/keys.ts';
import { startSandbox } from '../src/sandbox/index.ts';
import { type Signer, SignerUnavailable, signerInMemory } from '../src/signer.ts';
import { runHere } from './support/command-line.ts';
import { agencyKey, assertion, editedConfig, ISSUER, NOON, requestToken, startGateway, type TestGateway } from './support/gateway.ts';
import { ORIGIN, rejection } from './support/log.ts';
import { softToken } from './support/softhsm.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const FACTS = { logOrigin: ORIGIN, keptSeconds: 3600 };
const PROGRAM = resolve('test/support/signing-program.ts');
/** A busy machine starts a program slowly. */
const PATIENT = 20_000;

const root = t.testdir({});
const sandbox = await startSandbox();
t.teardown(() => sandbox.close());
let made = 0;
function newDirectory(): string {
  const directory = join(root, String(made++));
  mkdirSync(directory);
  return directory;
}

const p256 = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const ed25519 = (): KeyObject => generateKeyPairSync('ed25519').privateKey;
const pemOf = (key: KeyObject): string => key.export({ format: 'pem', type: key.type === 'public' ? 'spki' : 'pkcs8' }) as string;
const publicOf = (key: KeyObject): KeyObject => signerInMemory(key).publicKey;

function secretFile(text: string, mode = 0o600): string {
  const path = join(newDirectory(), 'secret');
  writeFileSync(path, text, { mode });
  return path;
}

/** The program that signs with this key in the way it is told; `flag` is a file that changes its mind. */
const commandOf = (how: string, key: KeyObject, flag = join(newDirectory(), 'flag')): string[] => [
  process.execPath,
  PROGRAM,
  how,
  secretFile(pemOf(key)),
  flag,
];

const programOf = (how: string, key: KeyObject, more: Partial<ConstructorParameters<typeof ProgramSigner>[0]> = {}): ProgramSigner =>
  new ProgramSigner({ command: commandOf(how, key), publicKey: publicOf(key), left: () => {}, pauseMs: 1, ...more });

const token = softToken(newDirectory());
if (typeof token !== 'string') Object.assign(process.env, token.environment);
const onToken = (mechanism: 'ECDSA' | 'EDDSA'): Signer | string =>
  typeof token === 'string' ? token : new ProgramSigner({ ...token.keys[mechanism], left: () => {} });

const SIGNERS: [kind: string, signer: () => Signer | string][] = [
  ['P-256 in memory', () => signerInMemory(p256())],
  ['Ed25519 in memory', () => signerInMemory(ed25519())],
  ['P-256 in a program, as DER', () => programOf('der', p256())],
  ['P-256 in a program, as r ‖ s', () => programOf('raw', p256())],
  ['Ed25519 in a program', () => programOf('raw', ed25519())],
  ['P-256 on a PKCS#11 token', () => onToken('ECDSA')],
  ['Ed25519 on a PKCS#11 token', () => onToken('EDDSA')],
];

t.test('whoever signs gives what the public key verifies', async (t) => {
  for (const [kind, make] of SIGNERS) {
    const signer = make();
    await t.test(kind, { skip: typeof signer === 'string' && signer }, async (t) => {
      if (typeof signer === 'string') return;
      t.teardown(() => signer.close());
      const elliptic = signer.publicKey.asymmetricKeyType === 'ec';
      const key = elliptic ? { key: signer.publicKey, dsaEncoding: 'ieee-p1363' as const } : signer.publicKey;
      const messages = ['', 'a', 'a\nb', '0'.repeat(900)].map((text) => Buffer.from(text));
      // pkcs11-tool reads no longer message at once for EdDSA, and the log signs none.
      if (elliptic || !kind.includes('PKCS')) messages.push(randomBytes(100_000));
      const signatures = await Promise.all(messages.map((message) => signer.sign(message, PATIENT)));
      for (const [i, signature] of signatures.entries()) {
        t.equal(signature.length, 64);
        t.ok(verify(elliptic ? 'sha256' : null, messages[i] as Buffer, key, signature), `message ${i}`);
      }
      signer.close();
      if (signer instanceof ProgramSigner) t.match(await rejection(signer.sign(Buffer.from('a'))), { code: 'closed' });
    });
  }
});

t.test('a program that fails gives no signature that is none, and is back by itself', async (t) => {
  const ROWS: [how: string, code: string, left: string][] = [
    ['hangs', 'late', 'hangs'],
    ['dies', 'ended', 'ended'],
    ['garbles', 'wrong signature', 'wrong signature'],
    ['says nothing', 'wrong signature', 'wrong signature'],
    ['signs something else', 'wrong signature', 'wrong signature'],
    ['out of turn', 'wrong signature', 'wrong signature'],
    ['one by one too late', 'wrong signature', 'wrong signature'],
    ['floods', 'too long an answer', 'too long an answer'],
    ['floods with lines', 'wrong signature', 'wrong signature'],
  ];
  await Promise.all(
    ROWS.map(async ([how, code, reason]) => {
      const left: string[] = [];
      const signer = programOf(how, p256(), { left: (why) => void left.push(why), hangMs: 2000 });
      t.teardown(() => signer.close());
      const patience = how === 'hangs' ? 300 : PATIENT;
      const [first, second] = await Promise.all(['a', 'b'].map((text) => rejection(signer.sign(Buffer.from(text), patience))));
      t.match(first, { name: 'SignerUnavailable', code }, how);
      t.ok(second instanceof SignerUnavailable, `${how}: whoever waits behind is told too`);
      if (how === 'hangs') t.match(await rejection(signer.sign(Buffer.from('c'))), { code: 'hangs' }, 'while it hangs nobody waits');
      const message = Buffer.from('d');
      let again: Buffer | undefined;
      while (again === undefined) again = await signer.sign(message, PATIENT).catch(() => after(20).then(() => undefined));
      t.ok(verify('sha256', message, { key: signer.publicKey, dsaEncoding: 'ieee-p1363' }, again), `${how}: and is back`);
      t.equal(left[0], reason, how);
    }),
  );
});

t.test('a program that refuses once is asked again, and nothing of what it says is passed on', async (t) => {
  const left: string[] = [];
  const signer = programOf('refuses', ed25519(), { left: (why) => void left.push(why) });
  t.teardown(() => signer.close());
  const refused = await rejection(signer.sign(Buffer.from('a'), PATIENT));
  t.match(refused, { code: 'refused' });
  t.notMatch(String((refused as Error).stack), /003099000017|device|secret words/);
  t.strictSame(left, []);
  const many = await Promise.all(Array.from({ length: 70 }, () => rejection(signer.sign(Buffer.from('a'), PATIENT))));
  t.equal(many.filter((error) => (error as SignerUnavailable).code === 'busy').length, 70 - 64, 'no more wait than can be remembered');
});

t.test('a program that cannot be started, or answers unasked, is said by its reason', async (t) => {
  const left: string[] = [];
  const told = { publicKey: publicOf(p256()), left: (why: string) => void left.push(why) };
  const missing = new ProgramSigner({ command: [join(root, 'missing')], ...told });
  t.match(await rejection(missing.sign(Buffer.from('a'), PATIENT)), { code: 'ENOENT' });
  t.match(await rejection(missing.sign(Buffer.from('a'), PATIENT)), { code: 'ended' }, 'and is not started anew at once');
  const twice = programOf('answers twice', p256(), { left: told.left });
  t.teardown(() => twice.close());
  await rejection(twice.sign(Buffer.from('a'), PATIENT));
  while (left.length < 2) await after(5);
  t.strictSame(left, ['ENOENT', 'answers unasked']);
});

type Stored = Record<string, unknown> & Record<'token' | 'log' | 'pseudonym' | 'cache', Record<string, unknown>[]>;
const storedIn = (directory: string): Stored => JSON.parse(readFileSync(join(directory, 'keys.json'), 'utf8')) as Stored;

/** A data directory with keys, changed as a person would change them. */
function keysWith(change: (stored: Stored) => void, sandbox = false): string {
  const directory = newDirectory();
  loadKeys(directory, sandbox);
  const stored = storedIn(directory);
  change(stored);
  writeFileSync(join(directory, 'keys.json'), JSON.stringify(stored));
  return directory;
}

t.test('a key may stand in the environment, in a file or in a program, and keys.json goes on saying where', async (t) => {
  const [log, signing] = [ed25519(), p256()];
  const secret = randomBytes(32);
  const references = {
    token: { program: commandOf('der', signing), public: pemOf(publicOf(signing)) },
    log: `file:${secretFile(pemOf(log))}`,
    pseudonym: 'env:PSEUDONYMS',
  };
  const directory = keysWith((stored) => {
    for (const name of ['token', 'log', 'pseudonym'] as const) Object.assign(stored[name][0] ?? {}, { key: references[name] });
    Object.assign(stored.cache[0] ?? {}, { seal: 'env:SEAL', name: `file:${secretFile(secret.toString('base64'))}` });
    Object.assign(stored, { later: 'env:SEAL', nonce: 'env:SEAL', witness: references.log });
  });
  const environment: Record<string, string> = { PSEUDONYMS: secret.toString('base64'), SEAL: secret.toString('base64') };
  const tools = { secret: (name: string) => environment[name], left: () => {} };
  const keys = loadKeys(directory, false, tools);
  t.teardown(() => closeKeys(keys));
  await tryKeys(directory, keys, NOON);
  t.ok(keys.log[0]?.publicKey.equals(publicOf(log)) && keys.token[0]?.publicKey.equals(publicOf(signing)));
  t.ok([keys.pseudonym[0]?.key, keys.cache[0]?.seal, keys.cache[0]?.name, keys.later].every((key) => key?.equals(createSecretKey(secret))));

  for (const which of ['token', 'log', 'pseudonym', 'cache'] as const)
    await rotateKey(directory, which, new Date(NOON + HOUR), new Date(NOON), FACTS, tools);
  const rotated = storedIn(directory);
  t.match(rotated, { later: 'env:SEAL', cache: [{}, { seal: 'env:SEAL' }], pseudonym: [{}, { key: 'env:PSEUDONYMS' }] });
  t.strictSame([rotated.token[1]?.key, rotated.log[1]?.key], [references.token, references.log], 'what is in use still says where');
  t.match(rotated.log[0], { handover: { signature: /^[A-Za-z0-9+/]{86}==$/ } }, 'and vouched for the new one');
  const later = new Date(NOON + 2 * HOUR);
  const given = { ...FACTS, key: `file:${secretFile(pemOf(p256()))}` };
  await rotateKey(directory, 'token', later, later, given, tools);
  await rotateKey(directory, 'log', later, later, { ...FACTS, key: references.log }, tools);
  const third = storedIn(directory);
  t.strictSame([third.token[0]?.key, third.log[0]?.key], [given.key, references.log], 'the new one too');
  for (const name of ['token', 'log'] as const)
    t.match(third[name][2]?.key, /^-----BEGIN PUBLIC KEY/, 'of those that are over the public half');
  t.equal(loadKeys(directory, false, tools).token.length, 3);
});

t.test('all that is wrong with keys is said at once, and nothing of them', async (t) => {
  const pem = pemOf(ed25519());
  const open = secretFile(pem, 0o644);
  const directory = keysWith((stored) => {
    Object.assign(stored.token[0] ?? {}, { key: pem });
    stored.log = [
      { from: '2026-01-01T00:00:00Z', key: { program: ['x'], public: 'PEM' } },
      { from: '2027-01-01T00:00:00Z', key: 'file:/nowhere' },
      { from: 'once', key: `file:${open}` },
    ];
    Object.assign(stored.pseudonym[0] ?? {}, { key: 'env:NOWHERE' });
    Object.assign(stored.cache[0] ?? {}, { seal: 'c2hvcnQ=', name: 7 });
    Object.assign(stored, { witness: pemOf(publicOf(ed25519())), later: {} });
  });
  const error = await rejection((async () => loadKeys(directory, false))());
  const lines = (error as Error).message.split('\n').slice(1);
  t.strictSame(
    lines.map((line) => line.trim()),
    [
      'token: is not a key of P-256 in PEM',
      'log 2: from is no time',
      'log: the newest key does not come first',
      'log: public: is not a key of Ed25519 in PEM',
      'log 1: file:/nowhere leads nowhere',
      ...(process.getuid === undefined ? [] : [`log 2: others than its owner may read file:${open}: chmod 600`]),
      'pseudonym: env:NOWHERE leads nowhere',
      'witness: is the public half alone',
      'cache: seal: is not 32 bytes in base64',
      'cache: name: is no key and refers to none',
      'later: is no key and refers to none',
    ],
  );
  t.notMatch((error as Error).message, /PRIVATE|c2hvcnQ/);
  const path = join(directory, 'keys.json');
  writeFileSync(path, `{"token": "${pem.replaceAll('\n', '')}`);
  t.throws(() => loadKeys(directory, false), { message: `${path} is not JSON` }, 'a parser would quote it');
  chmodSync(path, 0o640);
  if (process.getuid !== undefined) t.throws(() => loadKeys(directory, false), /others than its owner may read .*keys\.json: chmod 600/);

  const wrong = p256();
  const lost = keysWith((stored) => {
    Object.assign(stored.token[0] ?? {}, { key: { program: commandOf('der', p256()), public: pemOf(publicOf(wrong)) } });
    Object.assign(stored.log[0] ?? {}, { key: { program: [join(root, 'missing')], public: pemOf(publicOf(ed25519())) } });
  });
  const keys = loadKeys(lost, false);
  t.teardown(() => closeKeys(keys));
  await t.rejects(tryKeys(lost, keys, NOON), /token: no signature: wrong signature\n {2}log: no signature: ENOENT/);
  const before = readFileSync(join(lost, 'keys.json'), 'utf8');
  await t.rejects(rotateKey(lost, 'log', new Date(NOON), new Date(NOON), FACTS), /no key was changed: no signature: ENOENT/);
  await t.rejects(
    rotateKey(lost, 'token', new Date(NOON), new Date(NOON), { ...FACTS, key: `file:${secretFile(pem)}` }),
    /no key was changed: the new key: is not a key of P-256/,
  );
  t.equal(readFileSync(join(lost, 'keys.json'), 'utf8'), before);
});

t.test('tokens have a ring of keys', async (t) => {
  const signers = [p256(), p256(), p256()].map(signerInMemory);
  const ring: TokenKey[] = signers.map((signer, i) => ({
    from: [NOON + 30 * DAY, NOON, 0][i] as number,
    publicKey: signer.publicKey,
    signer: i === 2 ? undefined : signer,
  }));
  let now = NOON;
  const keys = new TokenKeys(ring, () => now);
  const kids = keys.jwks().keys.map(({ kid }) => kid as string);
  const takes = (i: number): boolean => {
    try {
      return keys.verifier(kids[i]).equals(ring[i]?.publicKey as KeyObject);
    } catch {
      return false;
    }
  };
  const ROWS: [rule: string, at: number, shown: number, signs: number, taken: number[]][] = [
    ['one to come stands in the JWK Set before it signs, and is taken: clocks differ', NOON, 3, 1, [0, 1, 2]],
    ['as long as tokens live, the one before is taken', NOON + HOUR, 3, 1, [0, 1, 2]],
    ['then it is not, whoever may have got hold of it', NOON + HOUR + 60_000, 3, 1, [0, 1]],
    ['but is shown a week, for events', NOON + 7 * DAY, 3, 1, [0, 1]],
    ['and no longer', NOON + 7 * DAY + 1, 2, 1, [0, 1]],
    ['until the time has come', NOON + 30 * DAY - 1, 2, 1, [0, 1]],
    ['then the new one signs', NOON + 30 * DAY, 2, 0, [0, 1]],
    ['and is alone in the end', NOON + 38 * DAY, 1, 0, [0]],
  ];
  for (const [rule, at, shown, signs, taken] of ROWS) {
    now = at;
    t.equal(keys.jwks().keys.length, shown, rule);
    const jwt = await keys.sign('secevent+jwt', { iss: ISSUER });
    t.strictSame(decodeProtectedHeader(jwt), { alg: 'ES256', typ: 'secevent+jwt', kid: kids[signs] }, rule);
    t.ok((await jwtVerify(jwt, createLocalJWKSet(keys.jwks()))).payload, rule);
    t.strictSame([0, 1, 2].filter(takes), taken, rule);
  }
  for (const kid of [undefined, '', 'constructor', `${kids[0]} `]) t.throws(() => keys.verifier(kid), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
  now = -1;
  await t.rejects(keys.sign('at+jwt', {}), /no key of tokens is in use yet/);

  const directory = keysWith(() => {});
  const rotate = async (days: number): Promise<number> => {
    await rotateKey(directory, 'token', new Date(NOON + days * DAY), new Date(NOON + days * DAY), FACTS);
    return storedIn(directory).token.length;
  };
  t.strictSame([await rotate(0), await rotate(6), await rotate(8), await rotate(20)], [2, 3, 3, 2], 'what verifies nothing is forgotten');
  t.equal(readFileSync(join(directory, 'keys.json'), 'utf8').match(/BEGIN PRIVATE KEY/g)?.length, 4, 'token 2, log, witness');
});

const dossier = (subject = '003099000017'): string =>
  JSON.stringify({ procedure: '1.004222', dossier: 'X01.1-261122-0001', officer: 'X01.1-0042', subject });
const prefill = (address: string, bearer: string): Promise<Response> =>
  fetch(`${address}/v1/prefills`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: dossier(),
  });

t.test('while the key of tokens is away there are none, those there are stay good, and it comes back by itself', async (t) => {
  const key = p256();
  const flag = join(newDirectory(), 'there');
  writeFileSync(flag, '');
  const program = { program: commandOf('gated', key, flag), public: pemOf(publicOf(key)) };
  const dataDirectory = keysWith((stored) => Object.assign(stored.token[0] ?? {}, { key: program }), true);
  writeFileSync(join(dataDirectory, 'log.db'), '');
  const gateway = await startGateway({ sandbox, dataDirectory });
  t.teardown(() => gateway.close());
  const held = await gateway.token();
  rmSync(flag);
  const reply = await requestToken(gateway.address, await assertion(agencyKey(dataDirectory, 'X01.1'), 'X01.1'));
  t.match(
    [reply.status, reply.headers.get('content-type'), reply.headers.get('retry-after'), await reply.json()],
    [503, 'application/problem+json', '2', { code: 'signer-unavailable' }],
  );
  t.equal((await prefill(gateway.address, held)).status, 200);
  writeFileSync(flag, '');
  t.equal((await requestToken(gateway.address, await assertion(agencyKey(dataDirectory, 'X01.1'), 'X01.1'))).status, 200);
  t.notMatch(gateway.lines.join(''), /secret words|PRIVATE/);
});

t.test('while the key of the log is away nothing leaves, and it comes back by itself', async (t) => {
  const key = ed25519();
  const flag = join(newDirectory(), 'there');
  writeFileSync(flag, '');
  const program = { program: commandOf('gated', key, flag), public: pemOf(publicOf(key)) };
  const dataDirectory = keysWith((stored) => Object.assign(stored.log[0] ?? {}, { key: program }), true);
  writeFileSync(join(dataDirectory, 'log.db'), '');
  const gateway = await startGateway({ sandbox, dataDirectory });
  t.teardown(() => gateway.close());
  const bearer = await gateway.token();
  rmSync(flag);
  const asked = gateway.lookUps();
  const reply = await prefill(gateway.address, bearer);
  t.match([reply.status, await reply.json()], [503, { code: 'log-unavailable' }]);
  t.equal(gateway.lookUps(), asked, 'no registry was asked');
  t.equal((await fetch(`${gateway.address}/readyz`)).status, 503);
  writeFileSync(flag, '');
  t.equal((await prefill(gateway.address, bearer)).status, 200);
  t.equal((await fetch(`${gateway.address}/readyz`)).status, 200);
  t.equal((await gateway.entries()).filter(({ kind }) => kind === 'outcome').length, 1, 'what was not signed was not kept');
});

t.test('a key of tokens is replaced under load and nobody is refused', async (t) => {
  const dataDirectory = newDirectory();
  const shared = { sandbox, dataDirectory };
  const first = await startGateway(shared);
  const gateways: TestGateway[] = [first, await startGateway(shared)];
  t.teardown(async () => {
    for (const gateway of gateways) await gateway.close();
  });
  let now = NOON;
  const key = agencyKey(dataDirectory, 'X01.1');
  /** What stands before the gateways sends nothing to one that is about to stop. */
  const serving = new Set(gateways);
  const under = new Map<TestGateway, number>();
  let turn = 0;
  const anywhere = async <T>(ask: (address: string) => Promise<T>): Promise<T> => {
    const gateway = [...serving][turn++ % serving.size] as TestGateway;
    under.set(gateway, (under.get(gateway) ?? 0) + 1);
    return ask(gateway.address).finally(() => under.set(gateway, (under.get(gateway) ?? 0) - 1));
  };
  const statuses = new Map<number, number>();
  const kids = new Set<string>();
  const refusals: string[] = [];
  const count = async (reply: Response): Promise<string> => {
    statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1);
    const text = await reply.text();
    if (reply.status !== 200) refusals.push(text);
    return text;
  };
  const stop = new AbortController();
  let rounds = 0;
  const client = async (renews: number): Promise<void> => {
    let bearer = '';
    for (let n = 0; !stop.signal.aborted; n++) {
      if (n % renews === 0) {
        const proof = await assertion(key, 'X01.1', { now });
        bearer = JSON.parse(await count(await anywhere((address) => requestToken(address, proof)))).access_token;
        kids.add(decodeProtectedHeader(bearer).kid ?? '');
        const shown = await anywhere(async (address) => (await fetch(`${address}/.well-known/jwks.json`)).json());
        await jwtVerify(bearer, createLocalJWKSet(shown as { keys: JWK[] }), { currentDate: new Date(now) }).catch((error) =>
          refusals.push(String(error)),
        );
      }
      await count(await anywhere((address) => prefill(address, bearer)));
      rounds++;
    }
  };
  // One renews its token each time, one now and then, one never: its token is from before the key was replaced to the end.
  const clients = [client(1), client(5), client(1_000_000)];
  const someRounds = async (): Promise<void> => {
    for (const enough = rounds + 8; rounds < enough; ) await after(5);
  };
  await someRounds();
  await rotateKey(dataDirectory, 'token', new Date(NOON + 60_000), new Date(NOON), FACTS);
  for (const [i, old] of [...gateways].entries()) {
    serving.delete(old);
    while ((under.get(old) ?? 0) > 0) await after(5);
    await old.close();
    gateways[i] = await startGateway({ ...shared, now });
    serving.add(gateways[i] as TestGateway);
    await someRounds();
  }
  t.equal(kids.size, 1, 'the old one signs until the time');
  for (; now < NOON + 120_000; await someRounds()) {
    now += 20_000;
    for (const { time } of gateways) time.now = now;
  }
  stop.abort();
  await Promise.all(clients);
  t.strictSame([...statuses.keys()], [200]);
  t.strictSame(refusals, []);
  t.equal(kids.size, 2, 'and then the new one');
  t.comment(`${statuses.get(200)} answers`);

  // Whoever got hold of the key before makes tokens with it that nobody takes once no honest one can live.
  const stolen = loadKeys(dataDirectory, true).token[1] as TokenKey;
  const kid = ((await (await fetch(`${gateways[0]?.address}/.well-known/jwks.json`)).json()) as { keys: JWK[] }).keys[1]?.kid as string;
  const forged = async (header: object): Promise<number> => {
    const seconds = (gateways[0] as TestGateway).time.now / 1000;
    const claims = {
      iss: ISSUER,
      sub: 'X01.1',
      client_id: 'X01.1',
      client_key: 'x',
      aud: ISSUER,
      scope: 'prefill',
      jti: 'x',
      iat: seconds,
      exp: seconds + 600,
    };
    const input = [{ alg: 'ES256', typ: 'at+jwt', ...header }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const signature = await (stolen.signer as Signer).sign(Buffer.from(input));
    return (await prefill((gateways[0] as TestGateway).address, `${input}.${signature.toString('base64url')}`)).status;
  };
  const newest = decodeProtectedHeader(await (gateways[0] as TestGateway).token()).kid as string;
  t.strictSame(
    [await forged({ kid }), await forged({ kid: newest }), await forged({}), await forged({ kid: `${kid}x` })],
    [200, 401, 401, 401],
  );
  (gateways[0] as TestGateway).time.now = NOON + 60_000 + HOUR + 60_000;
  t.equal(await forged({ kid }), 401);
});

t.test('an agency’s keys are added, overlap and are retired by its file', async (t) => {
  const midnight = Date.parse('2026-11-22T17:00:00Z');
  const pair = (kid: string, dates: object): { key: JWK; shown: object } => {
    const { d, ...jwk } = p256().export({ format: 'jwk' }) as JWK;
    const shown = { ...jwk, kid, alg: 'ES256', use: 'sig', ...dates };
    return { key: { ...jwk, kid, alg: 'ES256', d } as JWK, shown };
  };
  const [old, overlapping, tomorrow] = [
    pair('old', { validTo: '2026-11-22' }),
    pair('overlapping', { validFrom: '2026-11-22' }),
    pair('tomorrow', { validFrom: '2026-11-23' }),
  ];
  const file = (keys: object[]) => () => ({ id: 'X03.1', name: { vi: 'Cơ quan', en: 'Agency' }, sandbox: true, scopes: ['prefill'], keys });
  const [three, two] = [
    [old, overlapping, tomorrow],
    [overlapping, tomorrow],
  ].map((pairs) => editedConfig({ 'agencies/X03.1.yaml': file(pairs.map(({ shown }) => shown)) })) as [string, string];
  t.teardown(() => [three, two].forEach((directory) => void rmSync(directory, { recursive: true })));
  const dataDirectory = newDirectory();
  const gateway = await startGateway({ sandbox, dataDirectory, configDirectory: three, now: midnight - 1000 });
  t.teardown(() => gateway.close());
  const asks = async ({ key }: { key: JWK }, at = gateway): Promise<Response> =>
    requestToken(at.address, await assertion(key, 'X03.1', { now: at.time.now }));
  const all = async (at = gateway): Promise<number[]> =>
    Promise.all([old, overlapping, tomorrow].map(async (one) => (await asks(one, at)).status));

  t.strictSame(await all(), [200, 200, 401], 'on the last day of the one, the first of the other; that of tomorrow begins tomorrow');
  const { access_token: outstanding } = (await (await asks(old)).json()) as { access_token: string };
  gateway.time.now = midnight;
  t.strictSame(await all(), [401, 200, 200], 'at midnight in Viet Nam');
  t.equal(
    (await prefill(gateway.address, outstanding)).status,
    403,
    'a token got before is good as long as it lives: it is the grant that is missing',
  );
  const without = await startGateway({ dataDirectory, configDirectory: two, sandbox, now: midnight });
  t.teardown(() => without.close());
  t.strictSame(await all(without), [401, 200, 200]);
  t.equal((await prefill(without.address, outstanding)).status, 403, 'also where the file does not know the key any more');
  without.time.now = midnight - 1000 + 600_000;
  t.equal((await prefill(without.address, outstanding)).status, 401);
});

t.test('oncegate keys rotate takes a key that is kept elsewhere', async (t) => {
  const key = p256();
  const data = keysWith(() => {}, true);
  const command = commandOf('der', key);
  const shown = secretFile(pemOf(publicOf(key)));
  const run = async (...words: string[]): Promise<string> => {
    const { code, out, error } = await runHere(['keys', 'rotate', ...words], { dataDirectory: data });
    return `${code} ${out}${error}`;
  };
  t.match(await run('token', ...command.map((word) => `--program=${word}`), '--public', shown), /^0 a new key of tokens is used from /);
  t.strictSame(storedIn(data).token[0]?.key, { program: command, public: readFileSync(shown, 'utf8') });
  t.match(await run('pseudonym', '--key', 'env:NOWHERE'), /^1 .*no key was changed: the new key: env:NOWHERE leads nowhere/);
  t.match(await run('cache', '--key', 'env:X'), /^2 the cache has two keys/);
  t.match(await run('witness'), /^2 keys rotate takes/);
});
