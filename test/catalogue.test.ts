/** The configuration is checked as a whole: what is wrong is named by file, line, pointer and rule, all of it at once. */

import { generateKeyPairSync } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join, relative } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { createGateway, openCatalogue } from '../src/app.ts';
import { COSIGNATURE_ED25519, formatVerifierKey, parseVerifierKey, WITNESS_TYPES } from '../src/audit/vkey.ts';
import { type Fault, formatFault } from '../src/catalogue/faults.ts';
import type { Catalogue } from '../src/catalogue/load.ts';
import type { Prefill } from '../src/domain.ts';
import { makeAgencyKey } from '../src/keys.ts';
import { startSandbox } from '../src/sandbox/index.ts';
import { runHere } from './support/command-line.ts';
import { ASSERTION_TYPE, agencyKey, assertion, ISSUER, temporaryDirectory } from './support/gateway.ts';
import { EXAMPLE, POST_QUANTUM, SEVERAL, WITNESSED } from './support/public-notes.ts';

const RESIDENCE = 'procedures/1.004222.yaml';
const MARITAL = 'procedures/1.004873.yaml';
const DESK = 'agencies/X01.1.yaml';
const OWNER = 'agencies/X05.1.yaml';
const SUPPLIER = 'suppliers/S01.yaml';
const INSPECTORS = 'agencies/X09.1.yaml';
const RESOLUTION = 'legal/nq-66-7-2025.yaml';
const ANNEX = 'legal/nq-66-7-2025/annex-1.json';
const NOTICES = 'sources/birth-notices.yaml';
const LAND = 'sources/land.yaml';
const EVERY_KIND = [DESK, SUPPLIER, RESIDENCE, RESOLUTION, LAND, 'gateway.yaml'];

const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
const { privateJwk, publicJwk } = makeAgencyKey('one');
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });

/** A configuration that starts as the shipped one. */
class Copy {
  readonly directory: string;
  readonly #touched = new Set<string>();

  constructor(t: Test, name = 'config') {
    this.directory = join(t.testdirName, name);
    t.teardown(() => rmSync(this.directory, { recursive: true }));
    cpSync('config', this.directory, { recursive: true });
  }

  /** As shipped, but for procedures that the rows do without: each costs a while to read. */
  reduce(): this {
    for (const name of readdirSync(join(this.directory, 'procedures')))
      if (![RESIDENCE, MARITAL].includes(`procedures/${name}`)) this.remove(`procedures/${name}`);
    const desk = this.read(DESK).replace(/^suppliers:\n(?: .*\n)+/m, '');
    const grants = desk.split(/(?<=^grants:\n|\n)(?= {2}(?:# .*\n {2})*- id: )/);
    this.write(DESK, grants.filter((grant) => !grant.includes('procedure:') || /"1\.00(4222|4873)"/.test(grant)).join(''));
    for (const agency of ['X02.1', 'X04.1']) this.remove(`agencies/${agency}.yaml`);
    this.#touched.clear();
    return this;
  }

  /** What was changed since is as in the other again. */
  restore(from: Copy): void {
    for (const path of this.#touched) {
      rmSync(join(this.directory, path), { recursive: true, force: true });
      if (existsSync(join(from.directory, path))) cpSync(join(from.directory, path), join(this.directory, path), { recursive: true });
    }
    this.#touched.clear();
  }

  read(file: string): string {
    return readFileSync(join(this.directory, file), 'utf8');
  }

  write(file: string, content: string | Buffer): void {
    const made = mkdirSync(dirname(join(this.directory, file)), { recursive: true });
    this.#touched.add(made === undefined ? file : relative(this.directory, made));
    writeFileSync(join(this.directory, file), content);
  }

  remove(file: string): void {
    this.#touched.add(file);
    rmSync(join(this.directory, file), { recursive: true });
  }

  /** Replaces the first `from` of the file, which must be there. */
  change(file: string, from: string, to: string): void {
    const text = this.read(file);
    if (!text.includes(from)) throw new Error(`${file} has no ${from}`);
    this.write(
      file,
      text.replace(from, () => to),
    );
  }

  load(sandbox = true): Catalogue {
    return openCatalogue(this.directory, sandbox);
  }

  faults(sandbox = true): readonly Fault[] {
    try {
      this.load(sandbox);
      return [];
    } catch (error) {
      return (error as { faults: Fault[] }).faults ?? [error];
    }
  }

  /** The line on which the text stands for the first time. */
  lineOf(file: string, text: string): number {
    const before = this.read(file).split(text);
    if (before.length < 2) throw new Error(`${file} has no ${text}`);
    return (before[0] ?? '').split('\n').length;
  }
}

/** `on` is a text that stands first on the line of the fault, or undefined where the fault is of no line. */
type Expected = [file: string, on: string | undefined, pointer: string, rule: Fault['rule']];

interface Row {
  rule: string;
  break: (copy: Copy) => void;
  /** Exactly these and no others. */
  faults: Expected[];
  says?: RegExp;
  production?: true;
}

/** More members of the gateway's own file. */
const gateway =
  (members: object) =>
  (copy: Copy): void =>
    copy.write('gateway.yaml', copy.read('gateway.yaml') + stringify(members, { lineWidth: 0 }));
const WITNESS = 'https://witness.test/';
const [REMORA, STAGEMOLE] = [WITNESSED.witnesses[2] ?? '', WITNESSED.witnesses[3] ?? ''];
const REMORA_RENAMED = formatVerifierKey('other.example', parseVerifierKey(REMORA, WITNESS_TYPES).key, COSIGNATURE_ED25519);

/** A field bound to whatever, put before the first field of the residence form. */
const field =
  (binding: string, type = 'phone', at = '/extra') =>
  (copy: Copy) =>
    copy.change(
      RESIDENCE,
      'fields:\n',
      `fields:\n  - at: ${at}\n    name: { vi: a, en: a }\n    type: ${type}\n    required: false\n    from: [${binding}] # here\n`,
    );
/** A paper replaced on evidence, put before the first paper of the residence dossier. */
const paper =
  (evidence: string, id = 'extra') =>
  (copy: Copy) =>
    copy.change(
      RESIDENCE,
      'components:\n',
      `components:\n  - { id: ${id}, name: { vi: a, en: a }, confidence: verified, replacedBy: [${evidence}] } # here\n`,
    );
const keys =
  (...jwks: object[]) =>
  (copy: Copy) =>
    copy.change(DESK, 'keys: sandbox', `keys:\n${jwks.map((jwk) => `  - ${JSON.stringify(jwk)}\n`).join('')}`);
/** What suppliers may do for the desk. */
const mandates =
  (...lines: string[]) =>
  (copy: Copy) =>
    copy.write(DESK, `${copy.read(DESK)}suppliers:\n${lines.map((line) => `  - { ${line} }\n`).join('')}`);
const MANDATE = 'supplier: S01, scopes: [prefill], procedures: all, validFrom: 2026-09-01, validTo: 2026-12-31';
/** Members added to the file of the land registry. */
const protection =
  (...lines: string[]) =>
  (copy: Copy) =>
    copy.write(LAND, `${copy.read(LAND)}${lines.join('\n')}\n`);
const dataset =
  (name: string, properties: object, more: object = {}) =>
  (copy: Copy) =>
    copy.write(
      `datasets/${name}.json`,
      JSON.stringify({
        $id: `oncegate:datasets/${name}`,
        'x-key': 'person',
        'x-legal': { basis: 'a law', decree58AnnexV: 'not listed' },
        type: 'object',
        properties,
        ...more,
      }),
    );
const all =
  (...edits: ((copy: Copy) => void)[]) =>
  (copy: Copy) => {
    for (const edit of edits) edit(copy);
  };
const change = (file: string, from: string, to: string) => (copy: Copy) => copy.change(file, from, to);
/** Another source that holds deaths, of which the confirmation of marital status reads one. */
const secondCivilRegistry = all(
  (copy) => copy.write('sources/civil-archive.yaml', copy.read('sources/civil-registry.yaml')),
  change('sources/civil-archive.yaml', 'id: civil-registry', 'id: civil-archive'),
  change('sources/civil-archive.yaml', '  birth: { maxAgeSeconds: 86400, absentMaxAgeSeconds: 60 }\n', ''),
  change('sources/civil-archive.yaml', '  marriage: { maxAgeSeconds: 3600, absentMaxAgeSeconds: 60 }\n', ''),
  change('legal/nq-66-7-2025/evidence.yaml', 'role: deceased, dataset: death,', 'role: deceased, dataset: death, source: civil-registry,'),
);
const DEATH = '{ role: formerSpouse, dataset: death, value: /extract/number }';
const forbidden = /Decree 58\/2026\/NĐ-CP, annex V, list 3/;

const ROWS: Row[] = [
  // References
  {
    rule: 'a scope is one that there is',
    break: change(DESK, 'scopes: [prefill, verify, correct]', 'scopes: [prefill, citizen]'),
    faults: [[DESK, 'scopes:', '/scopes/1', 'schema']],
    says: /must be one of prefill, verify, audit, changes, correct, operate/,
  },
  {
    rule: 'an agency owns sources that there are',
    break: change(OWNER, 'owns: [population]', 'owns: [population, prisons]'),
    faults: [[OWNER, 'prisons', '/owns/1', 'unknown-reference']],
  },
  {
    rule: 'whoever owns a source may tell its changes',
    break: change(OWNER, 'scopes: [changes]', 'scopes: [audit]'),
    faults: [[OWNER, 'owns:', '/owns', 'unknown-reference']],
  },
  {
    rule: 'whoever may tell changes owns a source',
    break: change(OWNER, 'owns: [population]\n', ''),
    faults: [[OWNER, 'id: X05.1', '/owns', 'unknown-reference']],
  },
  { rule: 'a supplier may do for an agency what its file says', break: mandates(MANDATE), faults: [] },
  {
    rule: 'an agency names suppliers that there are',
    break: mandates(MANDATE.replace('S01', 'S99')),
    faults: [[DESK, 'S99', '/suppliers/0/supplier', 'unknown-reference']],
  },
  {
    rule: 'a supplier with faults of its own is no unknown one',
    break: all(mandates(MANDATE), change(SUPPLIER, 'sandbox: true', 'sandbox: maybe')),
    faults: [[SUPPLIER, 'sandbox: maybe', '/sandbox', 'schema']],
  },
  {
    rule: 'a supplier has no scope that the agency has not',
    break: all(mandates(MANDATE.replace('[prefill]', '[correct, prefill]')), change(DESK, '[prefill, verify, correct]', '[prefill]')),
    faults: [[DESK, '[correct', '/suppliers/0/scopes/0', 'unknown-reference']],
  },
  ...['audit', 'operate', 'changes'].map(
    (scope): Row => ({
      rule: `no supplier has the scope ${scope}, though the agency has it`,
      break: all(mandates(MANDATE.replace('[prefill]', `[${scope}]`)), change(DESK, '[prefill, verify, correct]', `[prefill, ${scope}]`)),
      faults: [[DESK, `S01, scopes: [${scope}]`, '/suppliers/0/scopes/0', 'schema']],
      says: /must be one of prefill, verify, correct/,
    }),
  ),
  {
    rule: 'a supplier acts in no procedure that the agency has no grant for',
    break: mandates(MANDATE.replace('all', '["1.004222", "1.999999"]')),
    faults: [[DESK, '1.999999', '/suppliers/0/procedures/1', 'unknown-reference']],
  },
  {
    rule: 'what a supplier may do ends after it begins',
    break: mandates(MANDATE.replace('2026-12-31', '2026-08-31')),
    faults: [[DESK, '2026-08-31', '/suppliers/0/validTo', 'validity']],
  },
  {
    rule: 'what a supplier may do ends',
    break: mandates(MANDATE.replace(', validTo: 2026-12-31', '')),
    faults: [[DESK, 'S01', '/suppliers/0', 'schema']],
  },
  {
    rule: 'on one day one thing is said of what a supplier may do',
    break: mandates(MANDATE, MANDATE.replace('2026-09-01', '2026-12-31').replace('2026-12-31', '2026-12-31')),
    faults: [[DESK, 'validFrom: 2026-12-31', '/suppliers/1', 'validity']],
  },
  {
    rule: 'nobody is a supplier and an agency',
    break: all(
      (copy) => copy.write('suppliers/X01.yaml', copy.read(SUPPLIER).replace('id: S01', 'id: X01')),
      (copy) => copy.write('agencies/X01.yaml', copy.read(INSPECTORS).replace('id: X09.1', 'id: X01')),
    ),
    faults: [['agencies/X01.yaml', 'id: X01', '/id', 'duplicate']],
  },
  {
    rule: 'there is one supplier of a name',
    break: (copy) => copy.write('suppliers/S01@2.yaml', copy.read(SUPPLIER)),
    faults: [['suppliers/S01@2.yaml', 'id: S01', '/id', 'duplicate']],
  },
  {
    rule: 'a supplier says nothing of what it may do',
    break: change(SUPPLIER, 'keys: sandbox', 'keys: sandbox\nscopes: [prefill]'),
    faults: [[SUPPLIER, 'scopes:', '/scopes', 'schema']],
  },
  {
    rule: 'the key of a supplier is one',
    break: change(SUPPLIER, 'keys: sandbox', `keys: [${JSON.stringify({ ...publicJwk, x: 'AAAA' })}]`),
    faults: [[SUPPLIER, 'keys:', '/keys/0', 'type-mismatch']],
  },
  {
    rule: 'a grant is for a procedure that there is',
    break: change(DESK, '"1.004222"', '"1.999999"'),
    faults: [[DESK, '"1.999999"', '/grants/0/procedure', 'unknown-reference']],
  },
  {
    rule: 'a grant names fields of the form',
    break: change(DESK, 'fields: all', 'fields: [/phone, /fax]'),
    faults: [[DESK, '/fax', '/grants/0/fields/1', 'unknown-reference']],
  },
  {
    rule: 'a grant names papers of the dossier',
    break: change(DESK, 'components: all', 'components: [lease, deed]'),
    faults: [[DESK, 'deed', '/grants/0/components/1', 'unknown-reference']],
  },
  {
    rule: 'a grant stands on a provision that there is',
    break: change(DESK, 'luat-68-2020#art-20-22', 'luat-68-2020#art-99'),
    faults: [[DESK, '#art-99', '/grants/0/legalBasis/0', 'unknown-reference']],
  },
  {
    rule: 'a procedure stands on a provision that there is',
    break: change(RESIDENCE, 'tt-116-2026-bca#ct01', 'tt-116-2026-bca#ct09'),
    faults: [[RESIDENCE, '#ct09', '/legalBasis/2', 'unknown-reference']],
  },
  {
    rule: 'a register prevails under a provision that there is',
    break: change(RESIDENCE, 'prevails: luat-60-2014#art-60-2', 'prevails: luat-60-2014#art-60-3'),
    faults: [[RESIDENCE, '#art-60-3', '/fields/1/prevails', 'unknown-reference']],
  },
  {
    rule: 'a paper is replaced under a provision that there is',
    break: change(RESIDENCE, 'nq-66-7-2025#I.737', 'nq-66-7-2025#I.999'),
    faults: [[RESIDENCE, '#I.999', '/components/2/replacedBy/0/provision', 'unknown-reference']],
  },
  {
    rule: 'a field is bound to a dataset that there is',
    break: field('{ role: subject, dataset: people, value: /phone }'),
    faults: [[RESIDENCE, '# here', '/fields/0/from/0/dataset', 'unknown-reference']],
  },
  {
    rule: 'a source answers datasets that there are',
    break: change(NOTICES, '  birth-notice:\n', '  birth-notices:\n'),
    faults: [[NOTICES, '    maxAgeSeconds: 600', '/datasets/birth-notices', 'unknown-reference']],
  },
  {
    rule: 'what must be of today is kept past its age by no source',
    break: change(
      'sources/civil-registry.yaml',
      '  death: { maxAgeSeconds: 3600, absentMaxAgeSeconds: 60 }',
      '  death: { maxAgeSeconds: 3600, absentMaxAgeSeconds: 60, staleSeconds: 60 }',
    ),
    faults: [['sources/civil-registry.yaml', '  death:', '/datasets/death/staleSeconds', 'stale']],
    says: /what a death says must be of today: nobody may use it past its age/,
  },
  {
    rule: 'nor is a value that must be of today read by a procedure that allows older ones',
    break: change(MARITAL, 'roles:\n', 'staleSeconds: 60\nroles:\n'),
    faults: [[MARITAL, '{ role: subject, dataset: person, value: /maritalStatus }', '/fields/13/from/1/value', 'stale']],
    says: /\/maritalStatus must be of today, and staleSeconds lets this procedure use a person past its age/,
  },
  {
    rule: 'a dataset that is used is held by a source',
    break: change('sources/civil-registry.yaml', '  death: { maxAgeSeconds: 3600, absentMaxAgeSeconds: 60 }\n', ''),
    faults: [[MARITAL, DEATH, '/components/3/replacedBy/1/records/0', 'unknown-reference']],
  },
  {
    rule: 'a field is bound to something its dataset has',
    break: field('{ role: subject, dataset: person, value: /telephone }'),
    faults: [[RESIDENCE, '# here', '/fields/0/from/0/value', 'unknown-value']],
  },
  {
    rule: 'what every object inherits is nothing that a dataset has',
    break: paper('{ provision: nq-66-7-2025#I.735, records: [{ role: dwelling, dataset: land-certificate, value: /constructor }] }'),
    faults: [[RESIDENCE, '# here', '/components/0/replacedBy/0/records/0/value', 'unknown-value']],
  },
  {
    rule: 'a confirmation reads something that its records have',
    break: change(RESIDENCE, 'confirm: { value: /holders/*/personalId, is: subject }', 'confirm: { value: /owners, is: subject } # here'),
    faults: [[RESIDENCE, '# here', '/roles/dwelling/confirm/value', 'unknown-value']],
  },
  {
    rule: 'the type of a value is the type of its field',
    break: field('{ role: subject, dataset: person, value: /email }'),
    faults: [[RESIDENCE, '# here', '/fields/0/from/0/value', 'type-mismatch']],
    says: /\/email of person is email, the form wants phone/,
  },
  {
    rule: 'one of several values of another type does not fit',
    break: field('{ role: subject, dataset: person, value: [/phone, /gender] }'),
    faults: [[RESIDENCE, '# here', '/fields/0/from/0/value', 'type-mismatch']],
  },
  {
    rule: 'a field has a type that there is',
    break: change(RESIDENCE, 'type: email', 'type: mail'),
    faults: [
      [RESIDENCE, 'type: mail', '/fields/6/type', 'unknown-reference'],
      [RESIDENCE, 'value: /email', '/fields/6/from/0/value', 'type-mismatch'],
    ],
  },
  {
    rule: 'only a date has a precision',
    break: change(RESIDENCE, 'type: email', 'type: email\n    precision: year'),
    faults: [[RESIDENCE, 'precision:', '/fields/6/precision', 'type-mismatch']],
  },
  {
    rule: 'a field is of a role that there is',
    break: field('{ role: tenant, dataset: person, value: /phone }'),
    faults: [[RESIDENCE, '# here', '/fields/0/from/0/role', 'unknown-reference']],
  },
  {
    rule: 'what every object inherits is no role',
    break: change(RESIDENCE, 'is: landlord', 'is: constructor'),
    faults: [[RESIDENCE, 'is: constructor', '/roles/letDwelling/confirm/is', 'unknown-reference']],
  },
  {
    rule: 'a record is compared with a role that there is',
    break: change(RESIDENCE, 'value: /father/personalId, is: householder', 'value: /father/personalId, is: holder'),
    faults: [[RESIDENCE, 'is: holder', '/components/2/replacedBy/0/records/0/is', 'unknown-reference']],
  },
  {
    rule: 'a paper is replaced by fields of the form',
    break: change(RESIDENCE, 'fields: [/dwelling/certificateSerial]', 'fields: [/dwelling/serial]'),
    faults: [[RESIDENCE, 'fields: [/dwelling', '/components/1/replacedBy/0/fields/0', 'unknown-reference']],
  },
  {
    rule: 'a dataset is looked up by the kind of key that its role has',
    break: field('{ role: dwelling, dataset: person, value: /phone }'),
    // The confirmation of the role cannot be read in that record either.
    faults: [
      [RESIDENCE, '# here', '/fields/0/from/0/dataset', 'key-mismatch'],
      [RESIDENCE, 'confirm: { value: /holders/*/personalId, is: subject }', '/roles/dwelling/confirm/value', 'unknown-value'],
    ],
  },
  {
    rule: 'the subject is a person',
    break: (copy) =>
      copy.write(
        'procedures/1.000001.yaml',
        `code: "1.000001"
validFrom: 2026-07-27
name: { vi: a, en: a }
agency: { vi: a, en: a }
form: { name: { vi: a, en: a }, confidence: unverified }
legalBasis: [luat-31-2024#art-133]
sources: [made up]
roles: { subject: { kind: certificate, name: { vi: a, en: a } } }
fields: [{ at: /agency, name: { vi: a, en: a }, type: declared, required: true }]
components: [{ id: declaration, name: { vi: a, en: a }, confidence: unverified, kept: declaration }]
`,
      ),
    faults: [['procedures/1.000001.yaml', 'roles:', '/roles/subject/kind', 'key-mismatch']],
  },
  // Sources
  {
    rule: 'where two sources hold a dataset, a procedure says which',
    break: secondCivilRegistry,
    faults: [[MARITAL, DEATH, '/components/3/replacedBy/1/records/0', 'ambiguous-source']],
    says: /civil-archive and civil-registry hold death/,
  },
  {
    rule: 'where it says which, nothing is wrong',
    break: all(secondCivilRegistry, change(MARITAL, DEATH, DEATH.replace(', value', ', source: civil-archive, value'))),
    faults: [],
  },
  {
    rule: 'a procedure names a source that holds the dataset',
    break: all(secondCivilRegistry, change(MARITAL, DEATH, DEATH.replace(', value', ', source: land, value'))),
    faults: [[MARITAL, 'source: land', '/components/3/replacedBy/1/records/0', 'unknown-reference']],
  },
  {
    rule: 'an adapter is one that there is',
    break: change(LAND, 'adapter: land', 'adapter: lands'),
    faults: [[LAND, 'adapter: lands', '/adapter', 'adapter']],
    says: /there is no adapter lands: population, civil-registry, land, json-http, postgres, mysql, soap/,
  },
  {
    rule: 'an adapter answers the dataset',
    break: change(LAND, '  land-certificate: {', '  death: { maxAgeSeconds: 1, absentMaxAgeSeconds: 1 }\n  land-certificate: {'),
    faults: [
      [LAND, 'death:', '/datasets/death', 'adapter'],
      [MARITAL, DEATH, '/components/3/replacedBy/1/records/0', 'ambiguous-source'],
    ],
  },
  {
    rule: 'a coded adapter takes no description',
    break: change(LAND, 'land-holding: {', 'land-holding: { request: { key: person, method: POST, path: /a },'),
    faults: [[LAND, 'request:', '/datasets/land-holding/request', 'schema']],
    says: /is not for this adapter/,
  },
  {
    rule: 'json-http needs a description',
    break: (copy) => copy.write(NOTICES, copy.read(NOTICES).replace(/ {4}map:.*$/s, '')),
    faults: [[NOTICES, '    maxAgeSeconds', '/datasets/birth-notice', 'schema']],
    says: /lacks "map"/,
  },
  {
    rule: 'a described request asks by the key of its dataset',
    break: change(NOTICES, 'key: person', 'key: certificate'),
    faults: [[NOTICES, 'key: certificate', '/datasets/birth-notice/request/key', 'key-mismatch']],
    says: /birth-notice is looked up by a person, not by a certificate/,
  },
  {
    rule: 'a described request says whom it asks about',
    break: change(NOTICES, 'mother: "{key}"', 'mother: "{id}"'),
    faults: [
      [NOTICES, '{id}', '/datasets/birth-notice/request/body/mother', 'adapter'],
      [NOTICES, 'key: person', '/datasets/birth-notice/request', 'adapter'],
    ],
  },
  {
    rule: 'an address names nobody',
    break: change(NOTICES, 'path: /birth-notices/latest', 'path: "/birth-notices/{key}"'),
    faults: [[NOTICES, 'path:', '/datasets/birth-notice/request/path', 'schema']],
  },
  {
    rule: 'a described answer uses code lists that it has',
    break: change(NOTICES, 'codes: sex }', 'codes: gender }'),
    faults: [[NOTICES, 'codes: gender', '/datasets/birth-notice/map/~1gender/codes', 'adapter']],
  },
  {
    rule: 'a secret is referred to, never written',
    break: change(LAND, 'credential: sandbox:land', 'credential: hunter2'),
    faults: [[LAND, 'credential:', '/credential', 'schema']],
  },
  {
    rule: 'two sources are two names',
    break: (copy) => copy.write('sources/land@2.yaml', copy.read(LAND)),
    faults: [['sources/land@2.yaml', 'id: land', '/id', 'duplicate']],
  },
  {
    rule: 'whoever may wait waits for one of so many places',
    break: protection('concurrency: { waiting: 10 }'),
    faults: [[LAND, 'waiting: 10', '/concurrency', 'schema']],
    says: /atOnce/,
  },
  {
    rule: 'a burst is one of a rate',
    break: protection('budget: { burst: 10 }'),
    faults: [[LAND, 'burst: 10', '/budget', 'schema']],
    says: /perSecond/,
  },
  {
    rule: 'no agency’s share is more than the whole',
    break: protection(
      'budget:',
      '  perSecond: 5',
      '  eachAgency: { perSecond: 6 }',
      '  agencies: { X01.1: { perSecond: 5.5 }, X09.1: { perSecond: 5 } }',
    ),
    faults: [
      [LAND, 'eachAgency', '/budget/eachAgency', 'limits'],
      [LAND, 'X01.1', '/budget/agencies/X01.1', 'limits'],
    ],
  },
  {
    rule: 'a share is of an agency that there is',
    break: protection('budget: { agencies: { X01.1: { perSecond: 5 }, X77.1: { perSecond: 5 } } }'),
    faults: [[LAND, 'X77.1', '/budget/agencies/X77.1', 'unknown-reference']],
  },
  {
    rule: 'pauses grow',
    break: protection('circuit: { pauseSeconds: 20 }'),
    faults: [[LAND, 'circuit', '/circuit', 'limits']],
    says: /15 s/,
  },
  {
    rule: 'a time of day is one',
    break: protection(
      'maintenance: { weekly: [{ days: [sun], from: "24:00", to: "24:30" }, { days: [sunday], from: "2:00", to: "03:00" }] }',
    ),
    faults: [
      [LAND, 'maintenance', '/maintenance/weekly/0/from', 'schema'],
      [LAND, 'maintenance', '/maintenance/weekly/0/to', 'schema'],
      [LAND, 'maintenance', '/maintenance/weekly/1/days/0', 'schema'],
      [LAND, 'maintenance', '/maintenance/weekly/1/from', 'schema'],
    ],
  },
  {
    rule: 'a window begins before it ends',
    break: protection(
      'maintenance:',
      '  weekly:',
      '    - { days: [mon, tue], from: "22:00", to: "22:00" }',
      '  once:',
      '    - { from: 2026-12-24T22:00, to: 2026-12-24T22:00 }',
      '    - { from: 2026-12-26T22:00, to: 2026-12-25T22:00 }',
      '    - { from: 2027-02-28T22:00, to: 2027-02-29T01:00 }',
    ),
    faults: [
      [LAND, 'days: [mon, tue]', '/maintenance/weekly/0', 'window'],
      [LAND, '2026-12-24', '/maintenance/once/0', 'window'],
      [LAND, '2026-12-26', '/maintenance/once/1', 'window'],
      [LAND, '2027-02-28', '/maintenance/once/2/to', 'window'],
    ],
  },
  {
    rule: 'windows do not overlap, over midnight and over Sunday either; those that only meet do not',
    break: protection(
      'maintenance:',
      '  weekly:',
      '    - { days: [sun, tue], from: "22:00", to: "02:00" }',
      '    - { days: [mon], from: "01:00", to: "03:00" }',
      '    - { days: [mon], from: "03:00", to: "24:00" }',
      '    - { days: [wed], from: "01:59", to: "02:30" }',
      '    - { days: [wed], from: "02:30", to: "02:31" }',
      '  once:',
      '    - { from: 2026-12-24T22:00, to: 2026-12-28T22:00 }',
      '    - { from: 2026-12-28T22:00, to: 2026-12-28T23:00 }',
      '    - { from: 2026-12-25T00:00, to: 2026-12-25T01:00 }',
      '    - { from: 2026-12-26T00:00, to: 2026-12-26T01:00 }',
    ),
    faults: [
      [LAND, 'from: "01:00"', '/maintenance/weekly/1', 'window'],
      [LAND, 'from: "01:59"', '/maintenance/weekly/3', 'window'],
      [LAND, 'from: 2026-12-25', '/maintenance/once/2', 'window'],
      [LAND, 'from: 2026-12-26', '/maintenance/once/3', 'window'],
    ],
  },
  {
    rule: 'some time is left to ask in',
    break: protection(
      'maintenance:',
      '  weekly: # all of them',
      '    - { days: [mon, tue, wed, thu, fri, sat, sun], from: "12:00", to: "24:00" }',
      '    - { days: [mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "12:00" }',
    ),
    faults: [[LAND, 'days: [mon, tue, wed, thu, fri, sat, sun], from: "12:00"', '/maintenance/weekly', 'window']],
  },
  {
    rule: 'two agencies are two names',
    break: (copy) => copy.write('agencies/X01.1@2.yaml', copy.read(DESK)),
    faults: [['agencies/X01.1@2.yaml', 'id: X01.1', '/id', 'duplicate']],
  },
  // Roles
  {
    rule: 'no key depends on itself',
    break: change(
      RESIDENCE,
      '  letDwelling:\n',
      '    from: [{ role: letDwelling, dataset: land-certificate, value: /holders/*/personalId }] # here\n  letDwelling:\n',
    ),
    faults: [
      [RESIDENCE, '# here', '/roles/landlord/from', 'cycle'],
      [RESIDENCE, 'from: [{ role: landlord', '/roles/letDwelling/from', 'cycle'],
    ],
  },
  {
    rule: 'no key depends on a record that is confirmed by that key',
    break: change(
      RESIDENCE,
      'confirm: { value: /holders/*/personalId, is: subject }\n',
      `confirm: { value: /holders/*/personalId, is: coOwner }
  coOwner:
    kind: person
    name: { vi: a, en: a }
    from: [{ role: dwelling, dataset: land-certificate, value: /coHolders/*/personalId }] # here
`,
    ),
    faults: [[RESIDENCE, '# here', '/roles/coOwner/from', 'cycle']],
  },
  {
    rule: 'a key is given or found',
    break: change(RESIDENCE, 'given: optional', 'given: never'),
    faults: [[RESIDENCE, 'not: [subject]\n    kind: person\n    given: never', '/roles/householder', 'unknown-reference']],
  },
  {
    rule: 'a role is found in a value of its kind',
    break: change(RESIDENCE, 'dataset: land-holding, value: /certificates/*/serial', 'dataset: land-holding, value: /personalId'),
    faults: [[RESIDENCE, 'value: /personalId }]\n    confirm', '/roles/dwelling/from/0/value', 'type-mismatch']],
  },
  // Law and dates
  {
    rule: 'a procedure stands on provisions in force on all its days',
    break: change('legal/nd-154-2024.yaml', 'validFrom: 2025-01-10', 'validFrom: 2025-01-10\nvalidTo: 2026-06-30'),
    faults: [[RESIDENCE, 'legalBasis:', '/legalBasis/1', 'validity']],
  },
  {
    rule: 'a paper is replaced under a provision in force on one of the procedure’s days',
    break: change('legal/nd-104-2022.yaml', 'validFrom: 2023-01-01', 'validFrom: 2023-01-01\nvalidTo: 2025-12-31'),
    faults: [[MARITAL, '#art-14-2', '/components/2/replacedBy/0/provision', 'validity']],
  },
  {
    rule: 'a row of the resolution is about the procedures it names',
    break: change(RESIDENCE, 'nq-66-7-2025#I.737', 'nq-66-7-2025#I.741'),
    faults: [[RESIDENCE, '#I.741', '/components/2/replacedBy/0/provision', 'wrong-provision']],
    says: /is about 1\.001456/,
  },
  {
    rule: 'a paper is replaced by data of the database that the law names',
    break: change(RESIDENCE, 'nq-66-7-2025#I.735', 'nq-66-7-2025#I.737'),
    faults: [[RESIDENCE, '#I.737', '/components/1/replacedBy/0/provision', 'wrong-provision']],
    says: /lets data of civil replace a paper, the evidence is of land/,
  },
  {
    rule: 'a provision that names no database replaces nothing',
    break: change(RESIDENCE, 'nq-66-7-2025#I.735', 'nq-66-7-2025#art-2'),
    faults: [[RESIDENCE, '#art-2\n', '/components/1/replacedBy/0/provision', 'wrong-provision']],
  },
  {
    rule: 'a provision stands once in its instrument',
    break: change(RESOLUTION, 'id: art-4-2-d', 'id: art-4-10'),
    faults: [
      [RESOLUTION, 'art-4-10\n    cite: article 4(10)', '/provisions/3/id', 'duplicate'],
      [MARITAL, '#art-4-2-d', '/components/3/replacedBy/1/provision', 'unknown-reference'],
    ],
  },
  {
    rule: 'a row stands once in its annex',
    break: change(ANNEX, '"ref":"I.737"', '"ref":"I.738"'),
    faults: [
      [ANNEX, '{"ref":"I.738","code":"1.004222","name":"Đăng ký thường trú vào', '/records/746/ref', 'duplicate'],
      [RESIDENCE, '#I.737', '/components/2/replacedBy/0/provision', 'unknown-reference'],
    ],
  },
  {
    rule: 'versions of a procedure do not overlap',
    break: all(
      (copy) => copy.write('procedures/1.004222@2027-01-01.yaml', copy.read(RESIDENCE)),
      change('procedures/1.004222@2027-01-01.yaml', 'validFrom: 2026-07-01', 'validFrom: 2027-01-01'),
    ),
    faults: [['procedures/1.004222@2027-01-01.yaml', 'validFrom:', '/validFrom', 'validity']],
  },
  {
    rule: 'versions of a procedure may follow one another',
    break: all(
      (copy) => copy.write('procedures/1.004222@2027-01-01.yaml', copy.read(RESIDENCE)),
      change('procedures/1.004222@2027-01-01.yaml', 'validFrom: 2026-07-01', 'validFrom: 2027-01-01'),
      change(RESIDENCE, 'validFrom: 2026-07-01', 'validFrom: 2026-07-01\nvalidTo: 2026-12-31'),
    ),
    faults: [],
  },
  {
    rule: 'grants of one procedure do not overlap',
    break: change(DESK, 'procedure: "1.004873"', 'procedure: "1.004222"'),
    faults: [[DESK, '- id: marital-status', '/grants/1', 'validity']],
    says: /overlaps the grant residence/,
  },
  {
    rule: 'grants of an agency have different names',
    break: change(DESK, 'id: marital-status', 'id: residence'),
    faults: [[DESK, 'residence\n    procedure: "1.004873"', '/grants/1/id', 'duplicate']],
  },
  {
    rule: 'a grant does not outlive its legal basis',
    break: change(DESK, 'validTo: 2027-02-28', 'validTo: 2027-03-01'),
    faults: [[DESK, 'nq-66-7-2025#art-2', '/grants/0/legalBasis/1', 'validity']],
  },
  {
    rule: 'a grant holds while its procedure applies',
    break: all(
      change(RESIDENCE, 'validFrom: 2026-07-01', 'validFrom: 2026-09-01'),
      change(DESK, 'validTo: 2027-02-28', 'validTo: 2026-08-31'),
    ),
    faults: [[DESK, '- id: residence', '/grants/0', 'validity']],
  },
  {
    rule: 'a grant ends after it begins',
    break: all(change(DESK, 'validTo: 2027-02-28', 'validTo: 2026-08-31'), change(DESK, 'validFrom: 2026-07-01', 'validFrom: 2026-09-01')),
    faults: [[DESK, 'validTo: 2026-08-31', '/grants/0/validTo', 'validity']],
  },
  {
    rule: 'an instrument ends after it begins',
    break: (copy) =>
      copy.write('legal/old.yaml', copy.read('legal/luat-68-2020.yaml').replace('id: luat-68-2020\n', 'id: old\nvalidTo: 2021-06-30\n')),
    faults: [['legal/old.yaml', 'validTo:', '/validTo', 'validity']],
  },
  {
    rule: 'a procedure ends after it begins',
    break: (copy) =>
      copy.write(
        'procedures/1.000002.yaml',
        readFileSync('config/procedures/1.001456.yaml', 'utf8')
          .replace('1.001456', '1.000002')
          .replace('validFrom: 2026-01-01', 'validFrom: 2026-01-01\nvalidTo: 2025-02-28'),
      ),
    faults: [
      ['procedures/1.000002.yaml', 'validTo:', '/validTo', 'validity'],
      ['procedures/1.000002.yaml', '#I.741', '/components/1/replacedBy/0/provision', 'validity'],
      ['procedures/1.000002.yaml', '#I.741', '/components/1/replacedBy/0/provision', 'wrong-provision'],
    ],
  },
  {
    rule: 'a key ends after it begins',
    break: keys({ ...publicJwk, validFrom: '2026-02-01', validTo: '2026-01-01' }),
    faults: [[DESK, '"validTo"', '/keys/0/validTo', 'validity']],
  },
  // The form
  {
    rule: 'a procedure that there is was not replaced',
    break: change(RESIDENCE, 'code: "1.004222"', 'code: "1.004222"\nreplaces: ["1.004873"]'),
    faults: [[RESIDENCE, 'replaces:', '/replaces/0', 'duplicate']],
  },
  {
    rule: 'a procedure was replaced by one other',
    break: all(
      change(RESIDENCE, 'code: "1.004222"', 'code: "1.004222"\nreplaces: ["1.999999"]'),
      change(MARITAL, 'code: "1.004873"', 'code: "1.004873"\nreplaces: ["1.999999"]'),
    ),
    faults: [[MARITAL, 'replaces:', '/replaces/0', 'duplicate']],
  },
  {
    rule: 'what a register fills is not chosen or written by the declarant',
    break: change(RESIDENCE, 'type: phone', 'type: phone\n    as: text # here'),
    faults: [[RESIDENCE, '# here', '/fields/5/as', 'type-mismatch']],
  },
  {
    rule: 'what is declared has a type that there is',
    break: change(RESIDENCE, 'as: relation', 'as: cousin'),
    faults: [[RESIDENCE, 'as: cousin', '/fields/8/as', 'unknown-reference']],
  },
  {
    rule: 'a field stands once in the form',
    break: change(RESIDENCE, '- at: /email', '- at: /phone'),
    faults: [[RESIDENCE, '/phone\n    name: { vi: 6.', '/fields/6/at', 'duplicate']],
  },
  {
    rule: 'no field stands within another',
    break: change(RESIDENCE, '- at: /email', '- at: /phone/home'),
    faults: [[RESIDENCE, '/phone/home', '/fields/6/at', 'duplicate']],
  },
  {
    rule: 'no field stands around another',
    break: change(RESIDENCE, '- at: /signature', '- at: /opinions'),
    faults: [[RESIDENCE, '- at: /opinions\n', '/fields/15/at', 'duplicate']],
  },
  {
    rule: 'a paper stands once in the dossier',
    break: change(RESIDENCE, '- id: lease', '- id: kinship'),
    faults: [[RESIDENCE, 'kinship\n    name: { vi: "Hợp', '/components/4/id', 'duplicate']],
  },
  // Files
  {
    rule: 'a question is about a field that the form has, that a register holds, and whose value has an age; it stands once',
    break: all(
      change(
        RESIDENCE,
        'field: /dwelling/certificateSerial\ncomponents',
        'field: /dwelling/serial\n  - { id: asks, name: { vi: a, en: a }, field: /request }\n  - { id: old, name: { vi: a, en: a }, field: /fullName, ageAtLeast: 18 }\n  - { id: old, name: { vi: a, en: a }, field: /dateOfBirth }\ncomponents',
      ),
    ),
    faults: [
      [RESIDENCE, 'field: /dwelling/serial', '/questions/0/field', 'unknown-reference'],
      [RESIDENCE, '- { id: asks', '/questions/1/field', 'unknown-value'],
      [RESIDENCE, '- { id: old, name: { vi: a, en: a }, field: /fullName', '/questions/2/ageAtLeast', 'type-mismatch'],
      [RESIDENCE, '- { id: old, name: { vi: a, en: a }, field: /dateOfBirth', '/questions/3/id', 'duplicate'],
    ],
  },
  {
    rule: 'a procedure code is a text',
    break: change(RESIDENCE, 'code: "1.004222"', 'code: 1.004222'),
    faults: [[RESIDENCE, 'code:', '/code', 'schema']],
    says: /must be string/,
  },
  {
    rule: 'a misspelt member is named',
    break: change(RESIDENCE, 'editable: true', 'editible: true'),
    faults: [[RESIDENCE, 'editible', '/fields/5/editible', 'schema']],
    says: /is it misspelt\?/,
  },
  {
    rule: 'a file is YAML',
    break: change(DESK, 'scopes: [prefill, verify, correct]', 'scopes: [prefill'),
    faults: [[DESK, 'keys: sandbox', '', 'yaml']],
  },
  {
    rule: 'a member stands once',
    break: change(INSPECTORS, 'scopes: [audit]', 'scopes: [audit]\nscopes: [prefill, audit]'),
    faults: [[INSPECTORS, 'scopes: [prefill', '', 'yaml']],
  },
  {
    rule: 'aliases do not explode',
    break: (copy) =>
      copy.write(
        'gateway.yaml',
        ['a0: &a0 [x]', ...[1, 2, 3, 4, 5].map((i) => `a${i}: &a${i} [${Array(9).fill(`*a${i - 1}`)}]`), 'logOrigin: *a5'].join('\n'),
      ),
    faults: [['gateway.yaml', 'a0:', '', 'yaml']],
    says: /too often/,
  },
  {
    rule: 'an alias does not hold itself',
    break: change(DESK, 'scopes: [prefill, verify, correct]', 'scopes: &a [prefill, *a]'),
    faults: [[DESK, 'scopes:', '/scopes/1', 'schema']],
  },
  {
    rule: 'a file is UTF-8',
    break: (copy) => copy.write(DESK, Buffer.concat([Buffer.from(copy.read(DESK)), Buffer.from([0x23, 0xe9, 0x0a])])),
    faults: [[DESK, undefined, '', 'unreadable']],
    says: /is not UTF-8/,
  },
  {
    rule: 'a file is not larger than a file should be',
    break: (copy) => copy.write(DESK, `${copy.read(DESK)}#${'x'.repeat(4 * 1024 * 1024)}`),
    faults: [[DESK, undefined, '', 'unreadable']],
    says: /larger than 4194304 bytes/,
  },
  {
    rule: 'a folder is there',
    break: (copy) => copy.remove('agencies'),
    faults: [['agencies', undefined, '', 'unreadable']],
  },
  {
    rule: 'what would stand in a missing folder is no second fault',
    break: (copy) => copy.remove('legal'),
    faults: [['legal', undefined, '', 'unreadable']],
  },
  {
    rule: 'a list of places is there',
    break: (copy) => copy.remove('places/until-2025-06-30/communes.csv'),
    faults: [['places/until-2025-06-30/communes.csv', undefined, '', 'unreadable']],
  },
  {
    rule: 'a unit became one that there is',
    break: change('places/until-2025-06-30/communes.csv', 'Phúc Xá,00097', 'Phúc Xá,00098'),
    faults: [['places/until-2025-06-30/communes.csv', 'Phúc Xá', '', 'unknown-reference']],
  },
  {
    rule: 'a second code is no other unit’s own',
    break: change('places/places.yaml', '"06978": ', '"00004": '),
    faults: [['places/places.yaml', '"00004"', '/aliases/00004', 'duplicate']],
  },
  {
    rule: 'a spelling means one value of its list',
    break: change('codes/ethnicity.yaml', 'aliases: [Hán]', 'aliases: [Thái]'),
    faults: [['codes/ethnicity.yaml', 'Thái]', '/items/3', 'duplicate']],
  },
  {
    rule: 'only an address has a unit of today',
    break: change('procedures/1.004222.yaml', 'type: gender', 'type: gender\n    asOfToday: true'),
    faults: [['procedures/1.004222.yaml', 'asOfToday', '/fields/3/asOfToday', 'type-mismatch']],
  },
  {
    rule: 'the gateway’s own file is there',
    break: (copy) => copy.remove('gateway.yaml'),
    faults: [['gateway.yaml', undefined, '', 'unreadable']],
    says: /ENOENT/,
  },
  {
    rule: 'a file is called after what it describes',
    break: (copy) => {
      copy.write('agencies/X01.10.yaml', copy.read(DESK));
      copy.remove(DESK);
    },
    faults: [['agencies/X01.10.yaml', 'id: X01.1', '', 'file-name']],
  },
  {
    rule: 'a folder holds nothing that is passed over in silence',
    break: (copy) => copy.write('agencies/X01.2.yaml.bak', ''),
    faults: [['agencies/X01.2.yaml.bak', undefined, '', 'file-name']],
  },
  // Keys
  {
    rule: 'a private key does not belong to an agency’s file, and is not repeated',
    break: keys(privateJwk),
    faults: [[DESK, '"d":', '', 'private-key']],
  },
  {
    rule: 'a private key in single quotes is one too',
    break: (copy) => copy.write(DESK, `${copy.read(DESK)}  # { 'd': '${privateJwk.d}' }\n`),
    faults: [[DESK, "'d'", '', 'private-key']],
  },
  {
    rule: 'a private key in a file that is no YAML is not repeated',
    break: change(DESK, 'keys: sandbox', `keys: {\n  d: ${privateJwk.d}, @${privateJwk.d}`),
    faults: [[DESK, '  d: ', '', 'private-key']],
  },
  {
    rule: 'a private key does not belong to any file, not even in a comment',
    break: (copy) => {
      for (const file of EVERY_KIND) copy.write(file, `${copy.read(file)}${pem.replace(/^/gm, '# ')}\n`);
    },
    faults: EVERY_KIND.map((file) => [file, '# -----BEGIN', '', 'private-key']),
  },
  {
    rule: 'a key is Ed25519 or P-256, and everything about it says so',
    break: keys(
      publicJwk,
      { ...publicJwk, kid: 'two', alg: 'ES256' },
      { ...p256, kid: 'three', alg: 'ES256' },
      { ...p256, kid: 'four', alg: 'EdDSA' },
      { kid: 'five', kty: 'EC', crv: 'P-256', x: p256.x, alg: 'ES256' },
      { ...publicJwk, kid: 'six', kty: 'EC' },
    ),
    faults: ([1, 3, 4, 5] as const).map((i): Expected => {
      const kid = ['', '"kid":"two"', '', '"kid":"four"', '"kid":"five"', '"kid":"six"'][i];
      return [DESK, kid, `/keys/${i}`, 'type-mismatch'];
    }),
  },
  {
    rule: 'two keys have two identifiers',
    break: keys(publicJwk, { ...makeAgencyKey('one').publicJwk, validFrom: '2027-01-01' }),
    faults: [[DESK, '"validFrom"', '/keys/1/kid', 'duplicate']],
  },
  // Data for crime prevention only
  {
    rule: 'no field of crime-prevention data',
    break: field(
      '{ role: subject, dataset: person, value: /phone }',
      'phone',
      '/lyLịchTưPháp'.normalize('NFD').replace(/[\u0300-\u036f]/g, ''),
    ),
    faults: [[RESIDENCE, '- at: /lyLich', '/fields/0/at', 'crime-prevention-only']],
    says: forbidden,
  },
  {
    rule: 'no value of crime-prevention data',
    break: field('{ role: subject, dataset: person, value: /criminalRecord }'),
    faults: [
      [RESIDENCE, '# here', '/fields/0/from/0', 'crime-prevention-only'],
      [RESIDENCE, '# here', '/fields/0/from/0/value', 'unknown-value'],
    ],
    says: forbidden,
  },
  {
    rule: 'no paper judged by crime-prevention data',
    break: all(
      dataset('court', { drugRehab: { type: 'boolean' } }),
      paper('{ provision: nq-66-7-2025#I.735, records: [{ role: subject, dataset: court, value: /drugRehab }] }'),
      (copy) =>
        copy.write(
          'sources/court.yaml',
          copy
            .read(NOTICES)
            .replace('id: birth-notices', 'id: court')
            .replace('database: birth_notice', 'database: land')
            .replace('  birth-notice:', '  court:')
            .replace(/ {4}map:[\s\S]*$/, '    map: { /drugRehab: /x }\n'),
        ),
    ),
    faults: [
      ['datasets/court.json', undefined, '/drugRehab', 'crime-prevention-only'],
      ['sources/court.yaml', 'map:', '/datasets/court/map/~1drugRehab', 'crime-prevention-only'],
      [RESIDENCE, '# here', '/components/0/replacedBy/0/records/0', 'crime-prevention-only'],
    ],
    says: forbidden,
  },
  {
    rule: 'no source is read for crime-prevention data, whatever its member is called here',
    break: change(NOTICES, '/intendedName: /intendedName', '/intendedName: /criminalRecord/latestConviction'),
    faults: [[NOTICES, '/intendedName:', '/datasets/birth-notice/map/~1intendedName', 'crime-prevention-only']],
  },
  {
    rule: 'no deadline is longer than a quiet connection lives',
    break: change('gateway.yaml', 'deadlineMs: 3000', 'deadlineMs: 30000'),
    faults: [['gateway.yaml', 'deadlineMs:', '/deadlineMs', 'schema']],
  },
  {
    rule: 'no role is called what every object has',
    break: change(RESIDENCE, '  landlord:\n', '  constructor:\n'),
    faults: [
      [RESIDENCE, 'not: [subject]\n    kind: person\n    given: optional\n    name: { vi: Người cho thuê', '/roles/constructor', 'schema'],
      [RESIDENCE, 'role: landlord,', '/roles/letDwelling/from/0/role', 'unknown-reference'],
      [RESIDENCE, 'is: landlord', '/roles/letDwelling/confirm/is', 'unknown-reference'],
    ],
  },
  {
    rule: 'somebody else is a role',
    break: change(RESIDENCE, 'not: [subject]', 'not: [neighbour]'),
    faults: [[RESIDENCE, 'neighbour', '/roles/householder/not/0', 'unknown-reference']],
  },
  {
    rule: 'no dataset of list 3',
    break: dataset('notes', { text: { type: 'string' } }, { 'x-legal': { basis: 'any', decree58AnnexV: 'List 3, item 2' } }),
    faults: [['datasets/notes.json', undefined, '', 'crime-prevention-only']],
    says: forbidden,
  },
  {
    rule: 'no dataset that is called so',
    break: dataset('licence-points', { text: { type: 'string' } }),
    faults: [['datasets/licence-points.json', undefined, '', 'crime-prevention-only']],
  },
  {
    rule: 'no member of a dataset that is called so, however deep',
    break: dataset(
      'conduct',
      {
        list: { type: 'array', items: { type: 'object', properties: { violations: { type: 'string' } } } },
        choice: { oneOf: [{ type: 'object', properties: { 'tiền-án': { type: 'string' } } }, { type: 'null' }] },
      },
      { $defs: { wantedPersons: { type: 'string' } } },
    ),
    faults: [
      ['datasets/conduct.json', undefined, '/choice/tiền-án', 'crime-prevention-only'],
      ['datasets/conduct.json', undefined, '/list/*/violations', 'crime-prevention-only'],
      ['datasets/conduct.json', undefined, '/wantedPersons', 'crime-prevention-only'],
    ],
  },
  // The operator's datasets
  {
    rule: 'an operator’s dataset is JSON',
    break: (copy) => copy.write('datasets/licence.json', '{ "$id": '),
    faults: [['datasets/licence.json', undefined, '', 'schema']],
    says: /is not JSON/,
  },
  {
    rule: 'an operator’s dataset is a schema, and a reference to one that is not is no second fault',
    break: all(
      dataset('licence', { number: { $ref: 'oncegate:datasets/types#/$defs/number' } }),
      field('{ role: subject, dataset: licence, value: /number }', 'text'),
    ),
    faults: [['datasets/licence.json', undefined, '', 'schema']],
  },
  {
    rule: 'an operator’s dataset says under which law it is held, and where Decree 58/2026 lists it',
    break: dataset('licence', { number: { type: 'string' } }, { 'x-legal': { decree58AnnexV: 'made up' } }),
    faults: [
      ['datasets/licence.json', undefined, '', 'schema'],
      ['datasets/licence.json', undefined, '', 'schema'],
    ],
  },
  {
    rule: 'an operator’s dataset names by pointers what must be of today',
    break: dataset('licence', { number: { type: 'string' } }, { 'x-never-stale': ['number'] }),
    faults: [['datasets/licence.json', undefined, '', 'schema']],
    says: /x-never-stale must be a list of pointers/,
  },
  {
    rule: 'an operator’s dataset is called as its file, and says what it is looked up by',
    break: dataset('licence', { number: { type: 'string' } }, { $id: 'oncegate:datasets/license', 'x-key': 'number' }),
    faults: [
      ['datasets/licence.json', undefined, '', 'schema'],
      ['datasets/licence.json', undefined, '', 'schema'],
    ],
  },
  {
    rule: 'a map fills members that the dataset has, and all that it demands',
    break: change(NOTICES, '      /code: /code', '      /coed: /code'),
    faults: [
      [NOTICES, '/coed:', '/datasets/birth-notice/map', 'unknown-value'],
      [NOTICES, '/coed:', '/datasets/birth-notice/map/~1coed', 'unknown-value'],
    ],
  },
  {
    rule: 'no field is bound to what its source never fills',
    break: all(
      change(NOTICES, '      /intendedName: /intendedName\n', ''),
      field('{ role: subject, dataset: birth-notice, value: /intendedName }', 'personName'),
    ),
    faults: [[RESIDENCE, '# here', '/fields/0/from/0/value', 'unknown-value']],
    says: /never fills \/intendedName/,
  },
  {
    rule: 'an operator’s dataset does not take the place of one of the gateway’s own',
    break: dataset('person', { fullName: { type: 'string' } }),
    faults: [['datasets/person.json', undefined, '', 'schema']],
  },
  // Witnesses
  {
    rule: 'a quorum can be reached',
    break: gateway({
      witnesses: {
        quorum: 3,
        each: [
          { key: REMORA, address: WITNESS },
          { key: STAGEMOLE, address: WITNESS },
        ],
      },
    }),
    faults: [['gateway.yaml', '  quorum: 3', '/witnesses/quorum', 'quorum']],
    says: /3 of 2 witnesses/,
  },
  {
    rule: 'a witness is known by a verifier key of a witness',
    break: gateway({
      witnesses: { quorum: 1, each: [REMORA.replace('+da77', '+da78'), EXAMPLE.key, 'remora'].map((key) => ({ key, address: WITNESS })) },
    }),
    faults: [
      ['gateway.yaml', 'remora.n621.de+da78', '/witnesses/each/0/key', 'verifier-key'],
      ['gateway.yaml', 'example.com/foo', '/witnesses/each/1/key', 'verifier-key'],
      ['gateway.yaml', 'key: remora\n', '/witnesses/each/2/key', 'verifier-key'],
    ],
    says: /does not belong to its key[\s\S]*a witness’s Ed25519 key/,
  },
  {
    rule: 'nobody is counted twice as a witness, under another name neither',
    break: gateway({
      witnesses: { quorum: 2, each: [REMORA, STAGEMOLE, REMORA_RENAMED, STAGEMOLE].map((key, i) => ({ key, address: `${WITNESS}${i}` })) },
    }),
    faults: [
      ['gateway.yaml', 'other.example', '/witnesses/each/2/key', 'duplicate'],
      ['gateway.yaml', `${STAGEMOLE}\n      address: ${WITNESS}3`, '/witnesses/each/3/key', 'duplicate'],
    ],
  },
  {
    rule: 'a witness is asked at an address that hides nothing',
    break: gateway({ witnesses: { quorum: 1, each: [{ key: REMORA, address: 'https://user:hunter2@witness.test/' }] } }),
    faults: [['gateway.yaml', 'https://user', '/witnesses/each/0/address', 'schema']],
  },
  {
    rule: 'a gateway is no witness of its own log',
    break: gateway({
      witnesses: { quorum: 1, each: [{ key: REMORA, address: WITNESS }] },
      witness: { name: 'remora.n621.de', logs: [{ origin: 'oncegate.example/log', keys: [EXAMPLE.key] }] },
    }),
    faults: [
      ['gateway.yaml', REMORA, '/witnesses/each/0/key', 'duplicate'],
      ['gateway.yaml', 'origin: oncegate', '/witness/logs/0/origin', 'duplicate'],
    ],
  },
  {
    rule: 'a witness has a name of its own',
    break: gateway({ witness: { name: 'oncegate.example/log', logs: [{ origin: 'log.test', keys: [EXAMPLE.key] }] } }),
    faults: [['gateway.yaml', 'name: oncegate', '/witness/name', 'duplicate']],
  },
  {
    rule: 'a witnessed log stands once, and is known by verifier keys of a log',
    break: gateway({
      witness: {
        name: 'w.test',
        logs: [
          { origin: 'log.test', keys: [EXAMPLE.key, REMORA] },
          { origin: 'log.test', keys: [POST_QUANTUM.key] },
          { origin: 'ờ'.repeat(90), keys: [EXAMPLE.key] },
        ],
      },
    }),
    faults: [
      ['gateway.yaml', REMORA, '/witness/logs/0/keys/1', 'verifier-key'],
      ['gateway.yaml', 'origin: log.test\n      keys:\n        - example.com/mldsa-log', '/witness/logs/1/origin', 'duplicate'],
      ['gateway.yaml', 'origin: ờ', '/witness/logs/2/origin', 'unknown-value'],
    ],
    says: /longer than 255 bytes/,
  },
  // Sandbox and production
  {
    rule: 'only an agency of the sandbox has its keys made for it',
    break: change(INSPECTORS, 'sandbox: true\n', ''),
    faults: [[INSPECTORS, 'keys: sandbox', '/keys', 'sandbox-in-production']],
  },
];

const written = ({ file, line, pointer, rule }: { file: string; line: number | undefined; pointer: string; rule: string }): string =>
  `${file}:${line ?? '-'} ${pointer || '/'} [${rule}]`;

t.test('every fault is named by file, line, pointer and rule', async (t) => {
  const [copy, whole] = [new Copy(t).reduce(), new Copy(t, 'whole').reduce()];
  for (const row of ROWS) {
    copy.restore(whole);
    row.break(copy);
    const faults = copy.faults();
    const found = faults.map(({ file, line, pointer, rule }) => ({ file, line, pointer, rule }));
    const expected = row.faults.map(([file, on, pointer, rule]) => {
      return { file, line: on === undefined ? undefined : copy.lineOf(file, on), pointer, rule };
    });
    t.strictSame(found.map(written).sort(), expected.map(written).sort(), row.rule);
    if (row.says) t.match(faults.map((fault) => fault.message).join('\n'), row.says, `${row.rule}: and says how`);
    const texts = faults.map(formatFault).join('\n');
    if (texts.includes(privateJwk.d ?? '') || texts.includes(pem.split('\n')[1] ?? '')) t.fail(`${row.rule}: a fault repeats the key`);
    if (texts.includes('hunter2')) t.fail(`${row.rule}: a fault repeats the secret`);
  }
});

t.test('the faults of all files are reported in one error, and a reference to a broken file is no second fault', async (t) => {
  const copy = new Copy(t);
  copy.change('legal/tt-116-2026-bca.yaml', 'confidence: ', 'confident: ');
  copy.change('sources/civil-registry.yaml', 'timeoutMs: 1500', 'timeoutMs: soon');
  copy.change('procedures/1.000894.yaml', 'code: "1.000894"', 'code: 1.000894');
  copy.write('legal/luat-49-2019.yaml', Buffer.from([0xff]));
  copy.write('procedures/1.012768@2026-07-27.yaml', copy.read('procedures/1.012768.yaml').replace('fields:\n', 'field:\n'));
  copy.remove('procedures/1.012768.yaml');
  copy.change(RESIDENCE, 'value: /phone', 'value: /telephone');
  copy.change(LAND, 'adapter: land', 'adapter: lands');
  copy.change(DESK, 'procedure: "1.004873"', 'procedure: "1.004874"');
  copy.change(INSPECTORS, 'scopes: [audit]', 'scopes: [audit');
  copy.change('gateway.yaml', 'deadlineMs: 3000', 'deadlineMs: 1');
  t.throws(() => copy.load(), { name: 'ConfigurationError' });
  const faults = copy.faults();
  t.strictSame(faults.map(({ file, pointer, rule }) => `${file} ${pointer} ${rule}`).sort(), [
    'agencies/X01.1.yaml /grants/3/procedure unknown-reference',
    'agencies/X09.1.yaml  yaml',
    'gateway.yaml /deadlineMs schema',
    'legal/luat-49-2019.yaml  unreadable',
    'legal/tt-116-2026-bca.yaml  schema',
    'legal/tt-116-2026-bca.yaml /confident schema',
    'procedures/1.000894.yaml /code schema',
    'procedures/1.004222.yaml /fields/5/from/0/value unknown-value',
    'procedures/1.012768@2026-07-27.yaml  schema',
    'procedures/1.012768@2026-07-27.yaml /field schema',
    'sources/civil-registry.yaml /timeoutMs schema',
    'sources/land.yaml /adapter adapter',
  ]);
  try {
    copy.load();
  } catch (error) {
    t.equal((error as Error).message, `the configuration has ${faults.length} faults`);
  }

  // Only a broken source hides that nobody holds a dataset.
  const other = new Copy(t, 'other');
  other.change(INSPECTORS, 'scopes: [audit]', 'scopes: [audit');
  other.change('sources/civil-registry.yaml', '  death: { maxAgeSeconds: 3600, absentMaxAgeSeconds: 60 }\n', '');
  t.strictSame([...new Set(other.faults().map(({ rule }) => rule))].sort(), ['unknown-reference', 'yaml']);
});

t.test('the shipped configuration has no fault', async (t) => {
  t.doesNotThrow(() => openCatalogue('config', true));
});

t.test('the gateway’s own schemas are schemas', async (t) => {
  const ajv = new Ajv2020({ strict: false });
  for (const folder of ['config', 'datasets', 'api'])
    for (const name of readdirSync(`schemas/${folder}`)) {
      const schema = JSON.parse(readFileSync(`schemas/${folder}/${name}`, 'utf8')) as object;
      t.ok(ajv.validateSchema(schema), `${folder}/${name}: ${ajv.errorsText(ajv.errors)}`);
    }
});

t.test('whatever was loaded before, a file is read as it is now', async (t) => {
  const copy = new Copy(t);
  const { digest } = copy.load();
  copy.change(DESK, 'scopes: [prefill, verify, correct]', 'scopes: [prefill]');
  t.strictSame([...(copy.load().agencies.get('X01.1')?.scopes ?? [])], ['prefill']);
  copy.change(RESIDENCE, 'value: /phone', 'value: /telephone');
  const fault = { file: RESIDENCE, line: copy.lineOf(RESIDENCE, '/telephone'), rule: 'unknown-value' };
  for (const _ of [1, 2]) t.match(copy.faults(), [fault], 'the same fault on the same line, each time');
  copy.change(RESIDENCE, 'value: /telephone', 'value: /phone');
  copy.change(DESK, 'scopes: [prefill]', 'scopes: [prefill, verify, correct]');
  t.equal(copy.load().digest, digest, 'and nothing stays of it');
  const elsewhere = 'codes/X09.1.yaml';
  copy.write(elsewhere, copy.read(INSPECTORS));
  t.match(copy.faults()[0], { file: elsewhere, rule: 'schema' }, 'the same bytes elsewhere are of another kind');
  copy.remove(elsewhere);
  const [gender] = copy.load().codes.get('gender') ?? [];
  t.throws(() => Object.assign(gender ?? {}, { id: 'other' }), TypeError, 'and what one load gave away cannot be changed for the next');
});

t.test('who witnesses whom is read', async (t) => {
  const copy = new Copy(t);
  t.match(copy.load().gateway, { witnesses: undefined, witness: undefined });
  gateway({
    witnesses: { quorum: 1, each: [{ key: REMORA, address: WITNESS }] },
    witness: {
      name: 'w.test',
      logs: [
        { origin: 'go.sum database tree', keys: SEVERAL.keys.slice(0, 2) },
        { origin: 'log.test', keys: [POST_QUANTUM.key] },
      ],
    },
  })(copy);
  const { witnesses, witness } = copy.load().gateway;
  t.match(witnesses, { quorum: 1, everySeconds: 5, each: [{ key: { name: 'remora.n621.de', type: 4 }, address: WITNESS }] });
  t.equal(witness?.name, 'w.test');
  t.strictSame(
    [...(witness?.logs ?? [])].map(([origin, keys]) => [origin, ...keys.map(({ name }) => name)]),
    [
      ['go.sum database tree', 'sum.golang.org', 'monkeys'],
      ['log.test', 'example.com/mldsa-log'],
    ],
  );
});

t.test('the protection that docs/add-a-source.md shows is taken as it is written there', async (t) => {
  const copy = new Copy(t);
  const shown = /## What protects it[\s\S]*?```yaml\n([\s\S]*?)```/.exec(readFileSync('docs/add-a-source.md', 'utf8'))?.[1] ?? '';
  copy.write(LAND, `${copy.read(LAND).replace(/^timeoutMs: .*\n/m, '')}${shown}`);
  t.strictSame(copy.faults(), []);
  t.match(copy.load().sources.get('land')?.protection, {
    atOnce: 8,
    waiting: 200,
    budget: {
      all: { perSecond: 40, burst: 80 },
      eachAgency: { perSecond: 10, burst: 10 },
      agencies: new Map([['X01.1', { perSecond: 25, burst: 50 }]]),
    },
    circuit: { failures: 5, percent: 50, of: 20, withinSeconds: 20, pauseSeconds: 2, longestPauseSeconds: 15 },
    retry: { most: 1, percent: 10 },
    maintenance: { weekly: [{ days: ['sun'] }, { days: ['wed', 'fri'] }], once: [{ from: '2026-12-24T22:00' }] },
  });
});

t.test('the digest is that of all files, byte for byte', async (t) => {
  const copy = new Copy(t);
  dataset('vehicle', { plate: { $ref: 'oncegate:datasets/types#/$defs/text' } })(copy);
  copy.write('datasets/shared.json', JSON.stringify({ $id: 'oncegate:datasets/shared', $defs: { colour: { type: 'string' } } }));
  const { digest } = copy.load();
  t.match(digest, /^[\w-]{43}$/);
  t.equal(copy.load().digest, digest, 'the same files, the same digest');
  const moved = new Copy(t, 'moved');
  cpSync(copy.directory, moved.directory, { recursive: true });
  t.equal(moved.load().digest, digest, 'wherever they are');
  // Each load takes a while: the first and last file of each folder stand for it.
  const folders = ['.', 'agencies', 'codes', 'datasets', 'legal', 'places', 'places/until-2025-06-30', 'procedures', 'sources'];
  const files = folders.flatMap((folder) => {
    const names = readdirSync(join(copy.directory, folder)).filter((name) => /\.(yaml|json|csv)$/.test(name));
    return [...new Set([names.at(0), names.at(-1)])].map((name) => join(folder, name ?? ''));
  });
  const seen = new Map([[digest, 'none']]);
  for (const file of files) {
    const text = copy.read(file);
    copy.write(file, `${text}\n`);
    const changed = copy.load().digest;
    t.equal(seen.get(changed), undefined, `${file} counts`);
    seen.set(changed, file);
    copy.write(file, text);
  }
  t.equal(seen.size, files.length + 1);
});

t.test('production refuses every part of the sandbox', async (t) => {
  const sandboxed = ['gateway.yaml /citizens/keys', 'gateway.yaml /logOrigin'];
  for (const folder of ['agencies', 'suppliers'])
    for (const name of readdirSync(`config/${folder}`)) sandboxed.push(`${folder}/${name} /sandbox`);
  for (const name of readdirSync('config/coverage')) sandboxed.push(`coverage/${name} /sandbox`);
  for (const name of readdirSync('config/sources')) sandboxed.push(`sources/${name} /address`, `sources/${name} /credential`);
  try {
    openCatalogue('config', false);
    t.fail('it was taken');
  } catch (error) {
    const { faults } = error as { faults: Fault[] };
    t.strictSame(faults.map(({ file, pointer }) => `${file} ${pointer}`).sort(), sandboxed.sort());
    t.ok(faults.every(({ rule, line }) => rule === 'sandbox-in-production' && line !== undefined));
  }
  const copy = new Copy(t);
  for (const folder of ['agencies', 'suppliers']) {
    for (const name of readdirSync(`config/${folder}`)) {
      copy.change(`${folder}/${name}`, 'sandbox: true\n', '');
      copy.change(`${folder}/${name}`, 'keys: sandbox', `keys: [${JSON.stringify(publicJwk)}]`);
    }
  }
  for (const name of readdirSync('config/sources')) {
    copy.write(`sources/${name}`, copy.read(`sources/${name}`).replaceAll(/: sandbox:.*/g, ': env:SOMEWHERE'));
  }
  for (const name of readdirSync('config/coverage')) copy.change(`coverage/${name}`, 'sandbox: true\n', '');
  copy.change('gateway.yaml', 'oncegate.example/log', 'log.agency.test');
  copy.change('gateway.yaml', 'keys: sandbox', 'jwks: https://id.agency.test/jwks');
  t.strictSame(copy.faults(false), [], 'and takes the same without them');
});

const NOW = Date.parse('2026-11-22T05:00:00Z');
const SUBJECT = '003099000017';

/** Fills a form, in a gateway of this configuration, for an agency that proves itself by its key. */
async function prefill(t: Test, copy: Copy, secrets: Record<string, string>, agency: string, procedure: string) {
  const sandbox = await startSandbox();
  t.teardown(() => sandbox.close());
  const dataDirectory = temporaryDirectory();
  t.teardown(() => rmSync(dataDirectory, { recursive: true }));
  const gateway = await createGateway({
    environment: {
      host: '127.0.0.1',
      port: 0,
      configDirectory: copy.directory,
      dataDirectory,
      stateDirectory: dataDirectory,
      issuer: ISSUER,
      databaseUrl: undefined,
      redisUrl: undefined,
      logLevel: 'silent',
      secret: (name) => secrets[name],
    },
    sandbox,
    logger: pino({ level: 'silent' }),
    clock: () => NOW,
  });
  t.teardown(() => gateway.close());
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: await assertion(agencyKey(dataDirectory, agency), agency, { now: NOW }),
  });
  const token = await gateway.server.inject({
    method: 'POST',
    url: '/oauth2/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: form.toString(),
  });
  const reply = await gateway.server.inject({
    method: 'POST',
    url: '/v1/prefills',
    headers: { authorization: `Bearer ${token.json().access_token}` },
    payload: { procedure, dossier: `${agency}-261122-0001`, officer: `${agency}-0001`, subject: SUBJECT },
  });
  t.equal(reply.statusCode, 200, reply.statusCode === 200 ? 'answered' : reply.payload);
  return reply.json().prefill as Prefill;
}

/** What a decree that lets another agency in adds to the configuration. */
const decree = `id: decree-1
number: 1/2026/NĐ-CP
cite: NĐ 1/2026/NĐ-CP
title: { vi: Nghị định, en: Decree }
validFrom: 2026-01-01
confidence: unverified
provisions:
  - { id: art-1, cite: article 1, databases: [npd, vehicle] }
`;
const agencyFile = (procedure: string): string => `id: X03.1
name: { vi: Sở, en: Department }
sandbox: true
scopes: [prefill]
keys: sandbox
grants:
  - id: only
    procedure: "${procedure}"
    purpose: settle-dossier
    fields: all
    components: all
    legalBasis: [decree-1#art-1]
    validFrom: 2026-01-01
    validTo: 2026-12-31
`;
const procedureFile = (code: string, ...bindings: [at: string, type: string, dataset: string, value: string][]): string => `code: "${code}"
validFrom: 2026-01-01
name: { vi: Thủ tục, en: Procedure }
agency: { vi: Sở, en: Department }
form: { name: { vi: Đơn, en: Application }, confidence: unverified }
legalBasis: [decree-1#art-1]
sources: [made up]
roles: { subject: { kind: person, name: { vi: Người nộp, en: Applicant } } }
fields:
${bindings
  .map(
    ([at, type, from, value]) =>
      `  - { at: ${at}, name: { vi: a, en: a }, type: ${type}, required: true, from: [{ role: subject, dataset: ${from}, value: ${value} }] }`,
  )
  .join('\n')}
components:
  - id: paper
    name: { vi: Giấy, en: Paper }
    confidence: unverified
    replacedBy: [{ provision: decree-1#art-1, fields: [${bindings.at(-1)?.[0]}] }]
`;

t.test('a procedure is added by files alone', async (t) => {
  const copy = new Copy(t);
  copy.write('legal/decree-1.yaml', decree);
  copy.write('agencies/X03.1.yaml', agencyFile('2.000001'));
  copy.write('procedures/2.000001.yaml', procedureFile('2.000001', ['/applicant/name', 'personName', 'person', '/fullName']));
  const filled = await prefill(t, copy, {}, 'X03.1', '2.000001');
  t.strictSame(filled.form, { applicant: { name: 'NGUYỄN VĂN AN' } });
  t.match(filled.components, [{ id: 'paper', verdict: 'replaced', legalBasis: 'NĐ 1/2026/NĐ-CP, article 1' }]);
});

t.test('a registry and its dataset are added by files alone', async (t) => {
  const asked: unknown[] = [];
  const registry = createServer(async (request, response) => {
    const chunks = await request.toArray();
    asked.push([request.method, request.url, request.headers['x-secret'], String(Buffer.concat(chunks))]);
    const record = { owner: SUBJECT, plates: [{ text: '99A-000.01', since: '01/02/2020' }], stamp: '20261101' };
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ outcome: 'ok', record }));
  });
  await new Promise<void>((listening) => registry.listen(0, '127.0.0.1', listening));
  t.teardown(() => {
    registry.close();
    registry.closeAllConnections();
  });
  const copy = new Copy(t);
  const type = (name: string): object => ({ $ref: `oncegate:datasets/types#/$defs/${name}` });
  const vehicle = { type: 'object', additionalProperties: false, properties: { plate: type('text'), since: type('date') } };
  dataset('vehicle', { owner: type('personalId'), vehicles: { type: 'array', items: vehicle } }, { additionalProperties: false })(copy);
  copy.write(
    'sources/vehicles.yaml',
    `id: vehicles
name: { vi: Phương tiện, en: Vehicles }
owner: { vi: Bộ, en: Ministry }
database: vehicle
legalBasis: NĐ 1/2026/NĐ-CP, article 1
adapter: json-http
address: env:VEHICLES_ADDRESS
credential: env:VEHICLES_SECRET
timeoutMs: 1000
datasets:
  vehicle:
    maxAgeSeconds: 60
    absentMaxAgeSeconds: 10
    request: { key: person, method: POST, path: /v2/ask, headers: { x-secret: "{credential}" }, body: { who: "{key}" } }
    answer:
      found: { at: /outcome, equals: ok }
      notFound: [{ at: /outcome, equals: none }]
      record: /record
      about: /record/owner
      recordedAt: { from: /record/stamp, date: yyyymmdd }
    map:
      /owner: /owner
      /vehicles: { from: /plates, each: { /plate: /text, /since: { from: /since, date: dd/mm/yyyy } } }
`,
  );
  copy.write('legal/decree-1.yaml', decree);
  copy.write('agencies/X03.1.yaml', agencyFile('2.000002'));
  copy.write(
    'procedures/2.000002.yaml',
    procedureFile(
      '2.000002',
      ['/applicant/name', 'personName', 'person', '/fullName'],
      ['/vehicle/since', 'date', 'vehicle', '/vehicles/*/since'],
      ['/vehicle/plate', 'text', 'vehicle', '/vehicles/*/plate'],
    ),
  );
  const address = `http://127.0.0.1:${(registry.address() as AddressInfo).port}`;
  const filled = await prefill(t, copy, { VEHICLES_ADDRESS: address, VEHICLES_SECRET: 'between us' }, 'X03.1', '2.000002');
  t.strictSame(filled.form, { applicant: { name: 'NGUYỄN VĂN AN' }, vehicle: { plate: '99A-000.01', since: '2020-02-01' } });
  t.match(filled.fields['/vehicle/plate'], { status: 'filled', source: 'vehicles', dataset: 'vehicle', recordedAt: '2026-11-01' });
  t.match(filled.components, [{ id: 'paper', verdict: 'replaced' }]);
  t.strictSame(asked, [['POST', '/v2/ask', 'between us', JSON.stringify({ who: SUBJECT })]]);
});

t.test('oncegate check', async (t) => {
  const check = (...argv: string[]) => runHere(['check', ...argv]);
  const { digest, procedures, sources, agencies } = openCatalogue('config', true);
  const grants = [...agencies.values()].flatMap((agency) => agency.grants);
  const forms = new Set(readdirSync('config/procedures').map((name) => name.slice(0, 8))).size;
  const summary = `${forms} procedures and ${procedures.size - forms} without a form, ${sources.size} sources, ${agencies.size} agencies with ${grants.length} grants`;
  t.strictSame(await check('config'), { code: 0, out: `ok: ${summary}; digest ${digest}\n`, error: '' }, 'says what there is');
  const copy = new Copy(t);
  copy.change(DESK, 'scopes: [prefill, verify, correct]', 'scopes: [prefill, citizen]');
  copy.change(RESIDENCE, 'value: /phone', 'value: /telephone');
  t.strictSame(
    await check(copy.directory),
    {
      code: 1,
      out: '',
      error: [
        `${DESK}:${copy.lineOf(DESK, 'scopes:')} /scopes/1 [schema] must be one of prefill, verify, audit, changes, correct, operate`,
        `${RESIDENCE}:${copy.lineOf(RESIDENCE, '/telephone')} /fields/5/from/0/value [unknown-value] a record of person has no /telephone; schemas/datasets/person.json says what it has`,
        'the configuration has 2 faults',
        '',
      ].join('\n'),
    },
    'says one line for each fault',
  );
});
