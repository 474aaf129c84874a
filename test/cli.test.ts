/** The command line and the process, as a newcomer and an operator use them: a gateway of its own process, and a process of a command for each way to start and end one. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import t from 'tap';
import { parse, stringify } from 'yaml';
import type { Prefill } from '../src/domain.ts';
import { printReply, REASONS } from '../src/print.ts';
import { startSandbox } from '../src/sandbox/index.ts';
import { type Done, runHere } from './support/command-line.ts';
import { editedConfig, temporaryDirectory } from './support/gateway.ts';
import { freePort } from './support/ports.ts';

/** As the sandbox shows it; and for an agency that is named, which need not be looked for in the configuration. */
const PREFILL = ['prefill', '1.004222', '003099000017', '--related', 'householder=003060000021'];
const NAMED = [...PREFILL, '--agency', 'X01.1'];

/** What these processes have of this one's environment; code compiled once serves them all. */
const own = { PATH: process.env.PATH ?? '', NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '' };
const state = temporaryDirectory();
t.teardown(() => rmSync(state, { recursive: true }));

/** What a process of the command line takes from such an environment, without one. */
const run = (
  args: readonly string[],
  { PORT = '8080', ONCEGATE_DATA = 'var', ONCEGATE_CONFIG = 'config' } = {},
  input?: string,
): Promise<Done> =>
  runHere(
    args,
    {
      issuer: `http://127.0.0.1:${PORT}`,
      dataDirectory: ONCEGATE_DATA,
      configDirectory: ONCEGATE_CONFIG,
      stateDirectory: join(state, 'oncegate'),
    },
    input,
  );

/** Runs the command line as a process to its end. */
function start(args: readonly string[], env: Record<string, string>, input?: string): Promise<Done> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['src/main.ts', ...args],
      // What a verifier remembers goes where the test can throw it away.
      { env: { ...own, XDG_STATE_HOME: state, ...env } },
      (error, out, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, error: stderr });
      },
    );
    child.stdin?.end(input);
  });
}

/** Starts a gateway and waits until it says that it listens. */
async function serve(args: readonly string[], env: Record<string, string>): Promise<{ child: ChildProcess; said: () => string }> {
  const child = spawn(process.execPath, ['src/main.ts', 'serve', ...args], {
    env: { ...own, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  await new Promise<void>((resolve, reject) => {
    const hear = (chunk: Buffer): void => {
      said += chunk.toString();
      if (/npx oncegate prefill|"listening"/.test(said)) resolve();
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('exit', () => reject(new Error(said)));
  });
  return { child, said: () => said };
}

async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode;
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

t.test('the sandbox, from its start to a verified receipt', async (t) => {
  const data = temporaryDirectory();
  const env = { PORT: String(await freePort()), ONCEGATE_DATA: data };
  const { child, said } = await serve(['--sandbox'], env);
  t.teardown(async () => {
    await stop(child);
    rmSync(data, { recursive: true });
  });

  await t.test('it prints its address, its documentation and a command to paste', async (t) => {
    t.match(said(), `http://127.0.0.1:${env.PORT}/docs`);
    t.match(said(), `npx oncegate ${PREFILL.join(' ')}`);
    t.match(said(), /http:\/\/127\.0\.0\.1:\d+ {2}land/, 'and where its registries are');
  });

  await t.test('that command prints the dossier: it finds the gateway and the agency by itself', async (t) => {
    const { code, out, error } = await start(PREFILL, { ONCEGATE_DATA: data });
    t.equal(code, 0, error);
    for (const text of [
      'NGUYỄN VĂN AN',
      'NGUYỄN VĂN BÌNH',
      'ZZ 00000017',
      'annex I, row 735',
      'annex I, row 737',
      'no database replaces it',
      'only if: Registering at a dwelling of one’s own',
      '— only the declarant can say it',
      '2 of 6',
    ])
      t.match(out, text);
  });

  await t.test('in Vietnamese too', async (t) => {
    const { out } = await run([...NAMED, '--lang', 'vi'], env);
    t.match(out, 'Đăng ký thường trú');
    t.match(out, 'thay bằng dữ liệu');
    t.match(out, 'chỉ khi: Đăng ký vào chỗ ở thuộc quyền sở hữu của mình');
    t.match(out, 'không có cơ sở dữ liệu nào thay thế');
  });

  await t.test('--json can be verified, from a file and from standard input, with the public key alone', async (t) => {
    const { out } = await run([...NAMED, '--json'], env);
    const file = join(data, 'reply.json');
    writeFileSync(file, out);
    const elsewhere = temporaryDirectory();
    t.teardown(() => rmSync(elsewhere, { recursive: true }));
    const key = join(elsewhere, 'key');
    writeFileSync(key, readFileSync(join(data, 'log.vkey')));
    t.match(await run(['verify', file, '--key', key], { ONCEGATE_DATA: elsewhere }), {
      code: 0,
      out: /^verified: this answer to X01\.1 of \S+ is entry \d+ of the log oncegate\.example\/log/,
    });
    t.match(await start(['verify', '-', '--key', key], { ONCEGATE_DATA: elsewhere }, out), { code: 0 });
    t.match(await start(['verify', '-', '--key', key], {}, out.replace('NGUYỄN VĂN AN', 'NGUYỄN VĂN ÂN')), {
      code: 1,
      error: /it was changed/,
    });
  });

  await t.test('--max-age 0 asks every registry anew', async (t) => {
    t.match((await run(NAMED, env)).out, / · cached · /);
    const { code, out } = await run([...NAMED, '--max-age', '0'], env);
    t.equal(code, 0);
    t.match(out, / · live · /);
    t.notMatch(out, / · cached · /);
  });

  await t.test('verify takes an auditor’s entry too, and says of a refusal that it is one', async (t) => {
    const headers = { authorization: `Bearer ${(await run(['token', 'X09.1', '--scope', 'audit'], env)).out.trim()}` };
    const read = async (index: number): Promise<string> =>
      (await fetch(`http://127.0.0.1:${env.PORT}/v1/audit/entries/${index}`, { headers })).text();
    const receipt = await read(1);
    t.match(await run(['verify', '-'], env, receipt), {
      code: 0,
      out: /^verified: entry 1 of the log oncegate\.example\/log, made for X01\.1 at \S+, under its signed head of \d+ entries\n$/,
    });
    t.match(await run(['verify', '-'], env, receipt.replace('"X01.1"', '"X02.1"')), { code: 1, error: /was changed/ });
    t.match(await run(['verify', '-', '--request', 'package.json'], env, receipt), { code: 2, error: /whole reply/ });
    t.match(await run(['verify', '-'], env, await read(99_999)), { code: 1, error: 'this is a refusal (unknown-entry), not a reply\n' });
    t.match(await run(['verify', '-'], env, '{"error":"invalid_client"}'), { code: 1, error: /a refusal \(invalid_client\)/ });
  });

  await t.test('token prints the token alone', async (t) => {
    const { out } = await start(['token', 'X09.1', '--scope', 'audit'], env);
    t.match(out, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    t.match(await run(['token', 'X09.1', '--scope', 'prefill'], env), { code: 1, error: /invalid_scope/ });
    t.match(await run(['token', 'H99'], env), { code: 1, error: /no private key of H99/ });
  });

  await t.test('a refusal is said in a line', async (t) => {
    t.match(await run(['prefill', '1.012768', '003099000017', '--agency', 'X01.1'], env), { code: 1, error: /403 procedure-not-granted/ });
    t.match(await run(['prefill', '1.000894', '003301000034'], env), { code: 1, error: /role-missing[\s\S]*\/related\/husband/ });
    t.match(await run(['prefill', '1.004222', '12'], env), { code: 1, error: /\/subject must look like/ });
  });

  await t.test('SIGTERM ends it with 0, and then the command line says that nobody answers', async (t) => {
    t.equal(await stop(child), 0);
    t.match(said(), '"msg":"stopped"');
    t.notOk(existsSync(join(data, 'address')));
    const { code, error } = await start(PREFILL, env);
    t.equal(code, 1);
    t.match(error, /no gateway answers at .*npm start/);
    t.ok(error.includes(`no gateway runs on the data directory ${data} `), error);
    t.ok(error.includes(`so http://127.0.0.1:${env.PORT} was tried`), error);
  });

  await t.test('the whole log verifies, also against a head that was kept', async (t) => {
    const verify = (...args: string[]) => run(['audit', 'verify', ...args]);
    const HOLDS = /^verified: \d+ entries of the log oncegate\.example\/log/;
    t.match(await verify(data), { code: 0, out: HOLDS });
    t.match(await verify(data), { code: 0, out: /it continues what was seen of it before/ }, 'what was seen is remembered');
    t.match(await verify(join(data, 'nowhere')), { code: 1, error: /there is no log/ });
    const head = join(state, 'head');
    const log = new DatabaseSync(join(data, 'log.db'));
    const { checkpoint } = log.prepare('SELECT checkpoint FROM head').get() as { checkpoint: string };
    writeFileSync(head, checkpoint);
    t.match(await verify(data, '--seen', head), { code: 0, out: HOLDS }, 'a bare checkpoint is understood');
    t.equal(readFileSync(head, 'utf8'), checkpoint, 'and stays as it is');
    log.exec(`UPDATE entries SET body = replace(body, '"agency"', '"agencY"') WHERE idx = 1`);
    log.close();
    t.match(await verify(data), { code: 1, error: /entry 1 is not the one that the tree holds at its place/ }, 'the entry is named');
  });

  await t.test('the keys of the log, of pseudonyms and of the cache rotate', async (t) => {
    const keys = (): { log: unknown[]; pseudonym: unknown[]; cache: unknown[] } =>
      JSON.parse(readFileSync(join(data, 'keys.json'), 'utf8'));
    const env = { ONCEGATE_DATA: data };
    t.match(await run(['keys', 'rotate', 'log'], env), { code: 0, out: /a new key of the log is used from/ });
    t.match(await run(['keys', 'rotate', 'pseudonym', '--from', '2999-01-01T00:00:00Z'], env), { code: 0 });
    t.match(await run(['keys', 'rotate', 'cache'], env), { code: 0, out: /a new key of the cache is used from/ });
    t.match([keys().log.length, keys().pseudonym.length, keys().cache.length], [2, 2, 2]);
    t.match(await run(['keys', 'rotate', 'pseudonym'], env), { code: 1, error: /a new key is made already/ });
    t.match(await run(['keys', 'rotate', 'witness'], env), { code: 2, error: /takes log, pseudonym, cache or token/ });
    t.match(await run(['keys', 'rotate', 'log', '--from', 'yesterday'], env), { code: 2, error: /a time to come/ });
  });

  await t.test('keys are readable by their owner alone', async (t) => {
    for (const file of ['keys.json', 'agencies/X01.1.jwk.json']) t.equal(statSync(join(data, file)).mode & 0o077, 0, file);
  });
});

t.test('help prints the usage', async (t) => {
  for (const args of [['help'], ['--help'], ['-h'], ['prefill', '--help']])
    t.match(await run(args), { code: 0, out: /^oncegate serve[\s\S]*--max-age/, error: '' }, args.join(' '));
  t.match(await start([], {}), { code: 2, out: /^oncegate serve/, error: '' }, 'so does no command, which does nothing');
});

t.test('misuse is told in a line that leads to the help, with exit code 2', async (t) => {
  for (const args of [
    ['nonsense'],
    ['prefill'],
    ['prefill', '1.004222'],
    ['check', '--nonsense'],
    ['agency', 'new', 'lower'],
    ['supplier', 'new', 'lower'],
    [...PREFILL, '--lang', 'xx'],
    [...PREFILL, '--related', 'x'],
    [...PREFILL, '--max-age', 'x'],
    ['constructor'],
  ]) {
    t.match(await run(args), { code: 2, out: '', error: /^.+\nsee: oncegate --help\n$/ }, args.join(' '));
  }
});

t.test('what a registry says cannot forge a line of the dossier or command the terminal', (t) => {
  const name = { vi: 'Tên', en: 'Name' };
  const says = 'A\n  ✔ Forged\u001b[2J\u009b2J\u202eB\u2028C\u2066D\u{e0041}E';
  const shown = 'A�  ✔ Forged�[2J�2J�B�C�D�E';
  const prefill: Prefill = {
    id: '',
    salt: '',
    procedure: '1.004222',
    dossier: 'X01.1-261122-0001',
    issuedAt: '',
    form: { name: says, person: { fullName: says, personalId: says } },
    fields: {
      '/name': { status: 'filled', source: 'land', freshness: 'live', recordedAt: '2026\u001b[2J', confirmedBy: [says] },
      '/person': { status: 'filled', source: says },
      '/asked': { status: 'ask', reason: 'several-values' },
      '/new': { status: 'ask', reason: 'a-new\u001bcode' },
      '/away': { status: 'unavailable' },
    },
    components: [
      { id: 'a', name, verdict: 'ask', reason: 'original-required', condition: { vi: says, en: says }, note: { vi: says, en: says } },
      { id: 'b', name, verdict: 'partly', by: [says], legalBasis: says, reason: 'to-be-compared' },
    ],
    conflicts: [{ field: '/name', difference: 'different', values: [{ source: 'land', value: [says] }] }],
    notices: [{ code: 'person-deceased', role: 'subject', source: says }],
    summary: { fields: 5, filled: 2, components: 2, replaced: 0 },
  };
  const procedure = { name, form: { name }, fields: Object.keys(prefill.fields).map((at) => ({ at, name })) };
  const receipt = { entry: { replyDigest: says }, index: 1, proof: [], checkpoint: 'log\u001b\n2\n' };
  const english = printReply({ prefill, receipt }, procedure, 'en', false);
  t.notMatch(english, /(?!\n)[\p{Cc}\p{Cf}\u2028\u2029]/u);
  t.notMatch(english, /^ *✔ Forged/m);
  for (const text of [
    `Name  ${shown}  (land · live · 2026�[2J · = ${shown})`,
    `Name  ${shown} ${shown}  (${shown})`,
    '— there are several, and nothing says which',
    '— a-new�code',
    '— the data cannot be had now',
    `only if: ${shown}`,
    'to be handed in: the original is required',
    `note: ${shown}`,
    `partly replaced: ${shown} — ${shown} (an officer has to see that the data is of this case)`,
    `land: ${shown}`,
    `Notice: the person has died (subject, ${shown})`,
    `Receipt #1 · log� · 2 · ${shown}`,
  ])
    t.ok(english.includes(text), text);
  t.match(printReply({ prefill, receipt }, procedure, 'vi', false), 'phải nộp: phải nộp bản gốc');
  t.match(printReply({ prefill, receipt }, procedure, 'fr', false), 'à fournir: the original is required', 'French falls back to English');
  t.end();
});

t.test('every reason that the interface lists has its words, in both languages', (t) => {
  for (const schema of ['field-result', 'component-result']) {
    const { properties } = JSON.parse(readFileSync(`schemas/api/${schema}.json`, 'utf8')) as {
      properties: { reason: { description: string } };
    };
    const codes = [...properties.reason.description.matchAll(/`([a-z-]+)`/g)].map((match) => match[1] ?? '');
    t.ok(codes.length > 10);
    for (const code of codes)
      for (const words of [REASONS[code]?.vi, REASONS[code]?.en]) t.ok(words !== undefined && words !== '', `${code}: ${words}`);
  }
  t.end();
});

t.test('a broken configuration stops the start with the list of its faults', async (t) => {
  const config = editedConfig({
    'agencies/X01.1.yaml': (file) => ({ ...file, scopes: ['everything'] }),
    'gateway.yaml': (file) => ({ ...file, deadlineMs: -1 }),
  });
  t.teardown(() => rmSync(config, { recursive: true }));
  const { code, error } = await start(['serve', '--sandbox'], {
    ONCEGATE_CONFIG: config,
    ONCEGATE_DATA: join(config, 'var'),
    PORT: String(await freePort()),
  });
  t.equal(code, 1);
  t.match(error, /agencies\/X01\.1\.yaml:\d+ \/scopes\/0 \[schema\]/);
  t.match(error, /gateway\.yaml:\d+ \/deadlineMs \[schema\]/);
  t.match(error, '2 faults');
});

t.test('production: the sandbox is refused, an operator’s own agency and registries serve', async (t) => {
  const data = temporaryDirectory();
  const sandbox = await startSandbox();
  const source = (id: keyof typeof sandbox.addresses) => (file: object) => ({
    ...file,
    address: `env:${id.replaceAll('-', '_').toUpperCase()}_URL`,
    credential: `env:${id.replaceAll('-', '_').toUpperCase()}_KEY`,
  });
  const config = editedConfig({
    'gateway.yaml': ({ citizens: _sandbox, ...file }) => ({ ...file, logOrigin: 'log.example.vn/oncegate' }),
    ...Object.fromEntries(
      (['population', 'civil-registry', 'land', 'birth-notices'] as const).map((id) => [`sources/${id}.yaml`, source(id)]),
    ),
  });
  t.teardown(async () => {
    await sandbox.close();
    for (const directory of [config, data]) rmSync(directory, { recursive: true });
  });
  const env: Record<string, string> = { ONCEGATE_CONFIG: config, ONCEGATE_DATA: data, PORT: String(await freePort()) };

  const refused = await start(['serve'], env);
  t.equal(refused.code, 1);
  for (const agency of ['X00.1', 'X01.1', 'X02.1', 'X04.1', 'X05.1', 'X09.1'])
    t.match(refused.error, new RegExp(`agencies/${agency}\\.yaml:\\d+ /sandbox \\[sandbox-in-production\\]`));

  t.match(refused.error, /coverage\/land\.yaml:\d+ \/sandbox \[sandbox-in-production\]/, 'nor does what no owner published');

  for (const agency of ['X00.1', 'X01.1', 'X02.1', 'X04.1', 'X05.1', 'X09.1']) rmSync(join(config, 'agencies', `${agency}.yaml`));
  rmSync(join(config, 'suppliers'), { recursive: true });
  rmSync(join(config, 'coverage'), { recursive: true });
  const made = await start(['agency', 'new', 'H26.15'], env);
  t.equal(made.code, 0, made.error);
  t.match(await run(['agency', 'new', 'H26.15'], env), { code: 1, error: /is there already/ });
  t.match(await run(['supplier', 'new', 'SOFT1'], env), { code: 0, out: /SOFT1\.yaml[\s\S]*SOFT1\.jwk\.json/ });
  const file = join(config, 'agencies/H26.15.yaml');
  t.notMatch(readFileSync(file, 'utf8'), /\bd:/, 'the file holds the public key alone');
  const grant = {
    id: 'residence',
    procedure: '1.004222',
    purpose: 'settle-dossier',
    fields: 'all',
    components: 'all',
    legalBasis: ['luat-68-2020#art-20-22'],
    validFrom: '2026-07-01',
    validTo: '2027-02-28',
  };
  writeFileSync(file, stringify({ ...(parse(readFileSync(file, 'utf8')) as object), grants: [grant] }));

  const unset = await start(['serve'], env);
  t.match(
    unset,
    { code: 1, error: /sources\/land\.yaml \/address \[missing-secret\] env:LAND_URL[\s\S]*sources\/population\.yaml \/credential/ },
    'a reference that leads nowhere stops the start',
  );

  for (const [id, address] of Object.entries(sandbox.addresses)) {
    const name = id.replaceAll('-', '_').toUpperCase();
    env[`${name}_URL`] = address.href;
    env[`${name}_KEY`] = sandbox.credentials[id as keyof typeof sandbox.credentials];
  }
  const { child, said } = await serve([], env);
  t.teardown(() => stop(child));
  t.match(said(), '"msg":"ONCEGATE_ISSUER is no https', 'production by plain http is said');
  const { code, out, error } = await start([...PREFILL, '--agency', 'H26.15'], env);
  t.equal(code, 0, error);
  t.match(out, 'annex I, row 735');

  const stolen = await run(['token', 'H26.15'], env);
  t.match(
    stolen,
    { code: 1, error: /400 invalid_dpop_proof.*proof[\s\S]*--proof-key/ },
    'no token is issued that is of use to whoever has it',
  );
  const url = `http://127.0.0.1:${env.PORT}/v1/procedures/1.004222`;
  const held = ['--proof-key', join(data, 'proof.jwk.json')];
  const token = (await start(['token', 'H26.15', ...held], env)).out.trim();
  t.equal(statSync(join(data, 'proof.jwk.json')).mode & 0o777, 0o600);
  const proof = await run(['proof', 'get', `${url}?on=2026-12-01`, ...held, '--token', token], env);
  t.equal(proof.code, 0, proof.error);
  const ask = (authorization: string): Promise<Response> => fetch(url, { headers: { authorization, dpop: proof.out.trim() } });
  t.equal((await ask(`Bearer ${token}`)).status, 401);
  t.equal((await ask(`DPoP ${token}`)).status, 200, 'and one that is bound is of use with a proof');
  const again = await ask(`DPoP ${token}`);
  t.match(again.headers.get('www-authenticate'), /^DPoP error="invalid_dpop_proof"/, 'which works once');
  const unbound = await run(['proof', 'get', url, ...held], env);
  t.match(unbound, { code: 2, error: /--token is missing/ });
  const [stored] = (JSON.parse(readFileSync(join(data, 'keys.json'), 'utf8')) as { token: { key: string }[] }).token;
  const ours = createPrivateKey(stored?.key ?? '');
  const { cnf: _key, ...claims } = decodeJwt(token);
  const forged = await new SignJWT(claims).setProtectedHeader({ ...decodeProtectedHeader(token), alg: 'ES256' }).sign(ours);
  const refusal = await ask(`Bearer ${forged}`);
  t.match([refusal.status, await refusal.json()], [401, { detail: /bound to no key/ }], 'nor is an unbound one of its own taken');
  t.equal(await stop(child), 0);

  t.match(
    await start(['serve', '--sandbox'], { ...env, PORT: String(await freePort()) }),
    { code: 1, error: /production/ },
    'nor does a sandbox use the keys of production',
  );
});
