/** What a grant allows and nothing beyond it: purposes, officials' and dossiers' numbers, successors, simulated calls; held against an oracle of its own. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import t, { type Test } from 'tap';
import { openKeptOut } from '../src/access/kept-out.ts';
import type { Answer } from '../src/adapter.ts';
import { openCatalogue } from '../src/app.ts';
import type { AuditEntry } from '../src/audit/entry.ts';
import { openSqliteLog } from '../src/audit/sqlite.ts';
import { compileAgencies } from '../src/catalogue/agencies.ts';
import type { ConfigFile } from '../src/catalogue/files.ts';
import type { Catalogue } from '../src/catalogue/load.ts';
import { meanings } from '../src/catalogue/meaning.ts';
import { compileProcedure } from '../src/catalogue/procedure.ts';
import type { Surroundings } from '../src/catalogue/surroundings.ts';
import { type Agency, dayInVietnam, inForce, type Prefill, type Procedure } from '../src/domain.ts';
import { complete, exchange } from '../src/exchange.ts';
import { Problem } from '../src/problems.ts';
import { pseudonyms } from '../src/pseudonyms.ts';
import { personas } from '../src/sandbox/personas.ts';
import type { Ask } from '../src/stages/ask.ts';
import { authenticator, callerAgain } from '../src/stages/authenticate.ts';
import { isOver } from '../src/stages/grant.ts';
import { checkNumbers } from '../src/stages/numbers.ts';
import { allowAgain } from '../src/stages/release.ts';
import { type Simulated, simulate } from '../src/stages/simulate.ts';
import { chance, seedOf } from './support/chance.ts';
import { editedConfig, NOON, startGateway, temporaryDirectory } from './support/gateway.ts';
import {
  type AgencyFile,
  allowed,
  type Call,
  doubtful,
  type GrantFile,
  grantsOf,
  KEY,
  type MandateFile,
  type OutFile,
  type VersionFile,
  type Who,
  type World,
} from './support/grant-oracle.ts';
import { makeLogKey, openLog } from './support/log.ts';
import { noRecords, secretKey } from './support/records.ts';
import { everybodyStands, nothingBound } from './support/standing.ts';

const AN = '003099000017';
const catalogue = openCatalogue('config', true);
const around: Surroundings = { ...catalogue, meanings: meanings(catalogue.places, catalogue.codes), broken: () => false };
const LAW = 'nd-104-2022#art-14-2';
const label = { vi: 'a', en: 'a' };
const SUPPLIERS = ['S1', 'S10', 'S2'];
const SETTLE = 'settle-dossier';
const CHECK = 'check-afterwards';

/** A file of the configuration that was read, and the faults that were found in such files: pointer and rule. */
function fileOf(value: object, faults: string[]): ConfigFile {
  const fault = (pointer: string, rule: string): void => void faults.push(`${pointer} ${rule}`);
  return { kind: 'agency', file: 'made up', value, valid: true, fault };
}

const compiled = (files: readonly object[], faults: string[], procedures = catalogue.procedures): Catalogue['agencies'] =>
  compileAgencies(
    files.map((file) => fileOf(file, faults)),
    around,
    procedures,
    new Map(SUPPLIERS.map((id) => [id, { id, name: label, sandbox: true, keys: 'sandbox' }])),
    catalogue.codes,
    { sandbox: true },
  );

/** First and last days of months. */
const FIRST = Array.from({ length: 10 }, (_, i) => `2026-${String(i + 2).padStart(2, '0')}-01`);
const LAST = FIRST.map((day) => new Date(Date.parse(day) - 86_400_000).toISOString().slice(0, 10));
const DAYS = [...FIRST, ...LAST];

const PROCEDURES = ['2.000001', '2.000002', '2.000003', '2.000004', '2.000005', '2.000006'];
const FIELDS: VersionFile['fields'] = [
  { at: '/name', from: [{ role: 'subject', value: '/fullName' }] },
  { at: '/born', from: [{ role: 'subject', value: '/dateOfBirth' }] },
  { at: '/other', from: [{ role: 'other', value: '/fullName' }] },
  { at: '/otherBorn', from: [{ role: 'other', value: '/dateOfBirth' }] },
  { at: '/note' },
];
/** Identifiers of which one begins as another does, and one that is a unit of another. */
const AGENCIES = ['X10.1', 'X10.10', 'X10.1.2', 'X11', 'X12.1'];

class Making {
  readonly #draw: (below: number) => number;

  constructor(draw: (below: number) => number) {
    this.#draw = draw;
  }

  one = <T>(items: readonly T[]): T => items[this.#draw(items.length)] as T;
  often = (percent: number): boolean => this.#draw(100) < percent;
  some = <T>(items: readonly T[], percent = 50): T[] => items.filter(() => this.often(percent));
  person = (): string => `099${String(this.#draw(1e9)).padStart(9, '0')}`;

  span(): { validFrom: string; validTo: string } {
    const from = this.#draw(4);
    return { validFrom: FIRST[from] as string, validTo: LAST[from + 1 + this.#draw(LAST.length - from - 1)] as string };
  }

  versions(code: string): VersionFile[] {
    const whole = (span: { validFrom: string; validTo: string }): VersionFile => ({
      code,
      ...span,
      roles: { subject: {}, other: { given: this.one(['optional', 'required']) } },
      fields: FIELDS.filter((_, i) => i === 0 || i === 2 || this.often(70)),
    });
    const { validFrom, validTo } = this.often(70) ? { validFrom: FIRST[0] as string, validTo: LAST.at(-1) as string } : this.span();
    const between = FIRST.indexOf(validFrom) + 1;
    if ((FIRST[between] ?? '9') > validTo || this.often(50)) return [whole({ validFrom, validTo })];
    return [whole({ validFrom, validTo: LAST[between] as string }), whole({ validFrom: FIRST[between] as string, validTo })];
  }

  world(): World {
    const versions = PROCEDURES.flatMap((code) => this.versions(code));
    const world: World = { agencies: new Map(), versions };
    for (const id of AGENCIES) {
      const agency: AgencyFile = {
        id,
        scopes: this.often(97) ? ['prefill', 'verify'] : ['verify'],
        grants: Array.from({ length: 1 + this.#draw(3) }, (_, i) => this.grant(`g${i}`, versions)),
        ...(this.often(35) ? { endedOn: this.one(LAST.slice(2, 7)) } : {}),
        succeeds: [],
        ...(this.often(20) ? { dossiers: [{}, { of: 'G22.99', below: false }] } : {}),
      };
      for (const other of world.agencies.values()) {
        const { endedOn } = other;
        if (endedOn === undefined || (agency.endedOn ?? '9999') <= endedOn || this.often(20)) continue;
        const from = this.one(FIRST.filter((day) => day > endedOn && day <= (agency.endedOn ?? '9999')));
        const left = grantsOf(world, other.id).filter(({ validTo }) => validTo >= from);
        const grants = this.often(50) ? ('all' as const) : this.some(left).map((grant) => grant.id);
        agency.succeeds.push({ agency: other.id, from, grants, dossiers: this.often(60) });
      }
      world.agencies.set(id, agency);
      agency.suppliers = this.some(SUPPLIERS).flatMap((supplier) => this.mandates(supplier, world, agency));
    }
    return world;
  }

  /** One, or two one after the other. */
  mandates(supplier: string, world: World, { id, scopes }: AgencyFile): MandateFile[] {
    const procedures = grantsOf(world, id).map(({ procedure }) => procedure);
    const mandate = (span: { validFrom: string; validTo: string }): MandateFile => ({
      supplier,
      scopes: [this.one(scopes), ...scopes]
        .slice(0, this.often(80) ? scopes.length + 1 : 1)
        .filter((one, i, all) => all.indexOf(one) === i),
      procedures: this.often(40) ? 'all' : [...new Set([this.one(procedures), ...this.some(procedures)])],
      ...span,
    });
    const first = this.span();
    const from = FIRST.slice(0, -1).find((day) => day > first.validTo);
    return from === undefined || this.often(50)
      ? [mandate(first)]
      : [mandate(first), mandate({ validFrom: from, validTo: LAST.at(-1) as string })];
  }

  /** Who calls for the agency, and whom somebody keeps out. */
  who({ suppliers = [] }: AgencyFile, officer: string, day: string): Who {
    const lets = suppliers.filter(({ validFrom, validTo }) => validFrom <= day && day <= validTo).map(({ supplier }) => supplier);
    if (this.often(30)) return { actor: this.one(lets.length > 0 && this.often(80) ? lets : SUPPLIERS) };
    return this.often(20) ? { officer: this.often(80) ? officer : `${officer}0` } : {};
  }

  out(id: string, { officer }: Call, { actor = 'S1' }: Who): OutFile[] {
    const [whose, by] = [this.often(60) ? id : this.one(AGENCIES), { agency: this.one(['X00.1', 'gateway']) }];
    const all: OutFile[] = [
      { kind: 'agency', whose, by },
      { kind: 'supplier', whose: this.often(60) ? actor : this.one(SUPPLIERS), by },
      { kind: 'key', whose: this.often(50) ? actor : whose, value: this.one([KEY, KEY, 'k2']), by },
      { kind: 'officer', whose, value: this.often(70) ? officer : `${officer}0`, by },
      { kind: 'officer', whose, value: officer, perMinute: 1, by },
    ];
    return this.often(20) ? [this.one(all)] : [];
  }

  grant(id: string, versions: readonly VersionFile[]): GrantFile {
    const version = this.one(versions);
    const pointers = version.fields.map(({ at }) => at);
    return {
      id,
      procedure: version.code,
      purpose: this.one([SETTLE, SETTLE, CHECK]),
      fields: this.often(40) ? 'all' : [pointers[0] as string, ...this.some(pointers.slice(1))],
      components: 'all',
      legalBasis: [LAW],
      ...this.spanOf(versions.filter(({ code }) => code === version.code)),
    };
  }

  /** A grant has to hold on a day on which some version of its procedure applies. */
  spanOf(versions: readonly VersionFile[]): { validFrom: string; validTo: string } {
    const span = this.span();
    return versions.some(({ validFrom, validTo }) => validFrom <= span.validTo && span.validFrom <= validTo) ? span : this.spanOf(versions);
  }

  call(world: World, id: string, day: string): Call {
    const prefix = (): string => (this.often(80) ? id : this.one([...AGENCIES, 'G22.99', 'G22.99.1']));
    const held = grantsOf(world, id).filter(({ validFrom, validTo }) => this.often(15) || (validFrom <= day && day <= validTo));
    const { procedure, purpose } =
      held.length > 0 && this.often(95) ? this.one(held) : { procedure: this.one([...PROCEDURES, '2.000009']), purpose: SETTLE };
    const late = this.often(5) ? 3 : this.#draw(2);
    const date = new Date(Date.parse(day) + late * 86_400_000).toISOString().slice(2, 10).replaceAll('-', '');
    return {
      procedure,
      ...(this.often(50) ? { purpose: this.often(70) ? purpose : this.one([SETTLE, CHECK, 'other']) } : {}),
      dossier: `${prefix()}${this.often(15) ? '.7' : ''}-${date}-${this.#draw(9999)}`,
      officer: `${this.often(94) ? id : this.one(AGENCIES)}${this.often(15) ? '.7' : ''}-${this.#draw(9999)}`,
      subject: this.person(),
      related: this.often(90) ? { other: this.person() } : {},
      ...(this.often(40)
        ? {
            fields: [
              FIELDS[0]?.at as string,
              ...this.some(
                FIELDS.slice(1).map(({ at }) => at),
                40,
              ),
            ],
          }
        : {}),
    };
  }
}

/** What the register knows of everybody. */
const heldOf = (number: string, value: string): string =>
  value === '/fullName'
    ? `NGUYỄN VĂN ${[...number].map((digit) => 'ABCDEGHIKL'[Number(digit)]).join('')}`
    : `19${number.slice(3, 5)}-05-17`;

const procedureFile = ({ fields, roles, ...version }: VersionFile): object => ({
  ...version,
  name: label,
  agency: label,
  form: { name: label, confidence: 'unverified' },
  legalBasis: [LAW],
  sources: ['made up'],
  roles: Object.fromEntries(Object.entries(roles).map(([name, role]) => [name, { kind: 'person', name: label, ...role }])),
  fields: fields.map(({ at, from }) => ({
    at,
    name: label,
    type: at.endsWith('orn') ? 'date' : at === '/note' ? 'text' : 'personName',
    required: true,
    ...(from === undefined ? {} : { from: from.map((binding) => ({ ...binding, dataset: 'person' })) }),
  })),
  components: [{ id: 'paper', name: label, confidence: 'unverified', replacedBy: [{ provision: LAW, fields: ['/name'] }] }],
});

t.test('whatever the files grant, nothing leaves beyond it and nothing of it is kept back', async (t) => {
  const seed = seedOf();
  t.comment(`SEED=${seed}`);
  const making = new Making(chance(seed));
  const directory = temporaryDirectory();
  const store = openSqliteLog(join(directory, 'log.db'));
  const log = await openLog(store, makeLogKey());
  t.teardown(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });
  const time = { now: 0 };
  const clock = (): number => time.now;
  const never = new AbortController().signal;
  const asked: string[] = [];
  const ask: Ask = async ({ key }, open) => {
    await open();
    asked.push(key);
    const record = { personalId: key, fullName: heldOf(key, '/fullName'), dateOfBirth: heldOf(key, '/dateOfBirth') };
    return { answer: { found: true, about: key, record, recordedAt: null } as Answer, observedAt: time.now };
  };
  const counts = { worlds: 0, doubtful: 0, calls: 0, given: 0, completed: 0, inherited: 0, acted: 0, vouched: 0 };
  const refused: Record<string, number> = {};

  // A thousand, and as many more as it takes until each kind was among them.
  const eachKind = (): boolean =>
    Math.min(counts.given, counts.completed, counts.inherited, counts.doubtful, counts.acted, counts.vouched) > 0;
  for (; counts.calls < 1000 || (!eachKind() && counts.calls < 20_000); counts.worlds++) {
    const world = making.world();
    const faults: string[] = [];
    const procedures = new Map<string, readonly Procedure[]>();
    for (const code of PROCEDURES) {
      const files = world.versions.filter((version) => version.code === code);
      procedures.set(
        code,
        files.map((file) => compileProcedure(fileOf(procedureFile(file), faults), around)),
      );
    }
    const files = [...world.agencies.values()].map((agency) => ({ ...agency, name: label, sandbox: true, keys: 'sandbox' }));
    const agencies = compiled(files, faults, procedures);
    if (faults.length > 0 !== doubtful(world))
      return t.fail(`SEED=${seed}: two grants that would decide one call are a fault, and nothing else is: ${faults}`);
    if (faults.length > 0) {
      counts.doubtful++;
      continue;
    }
    let out: OutFile[] = [];
    const since = async () => out.map((one, i) => ({ change: i + 1, shutOut: { id: 'x', reason: 'x', from: 0, ...one } }));
    const common = {
      catalogue: { ...catalogue, agencies, procedures },
      cache: noRecords,
      sources: catalogue.sources,
      asks: new Map([['population', ask]]),
      around: new Map(),
      random: () => 0,
      log,
      pseudonyms: pseudonyms([{ from: 0, key: secretKey() }], clock),
      configDigest: '',
      admit: () => {},
      clock,
    };
    for (const day of making.some(DAYS, 25)) {
      time.now = Date.parse(`${day}T05:00:00Z`);
      for (const id of AGENCIES) {
        asked.length = 0;
        const scopes = making.often(97) ? ['prefill', 'audit'] : ['verify'];
        const call = making.call(world, id, day);
        const who = making.who(world.agencies.get(id) as AgencyFile, call.officer, day);
        out = making.out(id, call, who);
        const standing = await openKeptOut({ since }, clock, () => {});
        const tools = { ...common, standing };
        const verify = async () => ({ agency: id, client: who.actor ?? id, scopes, token: 'x', key: KEY, expires: 1e11, ...who });
        const authenticate = authenticator({ verify, agencies, bindings: nothingBound, standing, clock });
        const credentials = { authorization: 'Bearer x', method: 'POST', path: '/' };
        const may = allowed(world, id, scopes, call, day, who, out);
        counts.calls++;
        /** Some ten thousand of them: only what does not hold is reported. */
        const hold = (found: unknown, wanted: unknown, rule: string): void => {
          if (!isDeepStrictEqual(found, wanted))
            t.strictSame(found, wanted, `SEED=${seed}: ${rule} ${JSON.stringify({ id, day, call, who, out })}`);
        };
        try {
          const caller = await authenticate(credentials, 'prefill');
          const { related, ...rest } = call;
          const simulated = simulate(caller, { ...rest, related: Object.keys(related) }, tools, day);
          hold('grant' in simulated, may !== undefined, 'it is simulated as the oracle has it');
          const reply = await exchange(caller, call, tools, never);
          const { form, fields } = JSON.parse(reply?.prefill ?? '{}') as Prefill;
          hold(may !== undefined, true, 'nothing is answered that no file grants');
          if (may === undefined || reply === undefined) continue;
          const expected = [...may.values].map(([at, { number, value }]) => [at.slice(1), heldOf(number, value)]);
          hold(form, Object.fromEntries(expected), 'the values that the grant gives, and no others');
          const filled = Object.keys(fields).filter((at) => fields[at]?.status === 'filled');
          hold(new Set(filled), new Set(may.values.keys()), 'the fields that the grant gives, and no others');
          const sought = (simulated as Simulated).fields.flatMap(({ field, would }) => (would === 'look-up' ? field.at : []));
          hold(new Set(sought), new Set(filled), 'the fields that the simulation said');
          const { agency, actor, grant, purpose, legalBasis } = reply.receipt.entry;
          const recorded = { agency: id, actor: who.actor, grant: may.grant.id, purpose: may.grant.purpose, legalBasis: [LAW] };
          hold({ agency, actor, grant, purpose, legalBasis }, recorded, 'who asked under which grant is on record');
          const others = asked.filter((number) => ![call.subject, ...Object.values(related)].includes(number));
          hold(others, [], 'nobody else is asked about');
          counts.given++;
          const also = grantsOf(world, id).some((one) => one.purpose !== purpose && one.procedure === call.procedure && inForce(one, day));
          if (also) {
            // As though the other purpose had come after the first request, which named none.
            const { purpose: _, ...first } = call;
            const again = await complete(caller, first, { id: 'x', purpose: may.grant.purpose }, ['population'], tools, never);
            const entry = again !== undefined && 'reply' in again ? again.reply.receipt.entry : {};
            hold(entry.grant, grant, 'it is completed under the grant that it was begun for');
            counts.completed++;
          }
          if (may.grant.id.includes('/')) counts.inherited++;
          if (who.actor !== undefined) counts.acted++;
          if (who.officer !== undefined) counts.vouched++;
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          refused[error.code] = (refused[error.code] ?? 0) + 1;
          hold(may === undefined, true, `${error.code} for what a file grants`);
          hold(asked, [], 'nobody is asked where it is refused');
        }
      }
    }
  }
  t.comment(JSON.stringify({ ...counts, refused }));
  t.ok(counts.given > 70 && eachKind(), 'each kind is there');
});

/** A file of an agency → the faults that are found in it, beside one whole agency that ended and one that did not. */
const ended = {
  ...{ id: 'X10.1', name: label, sandbox: true, scopes: ['prefill'], keys: 'sandbox', endedOn: '2026-06-30' },
  grants: [
    {
      id: 'one',
      procedure: '1.004222',
      purpose: SETTLE,
      fields: 'all',
      components: 'all',
      legalBasis: [LAW],
      validFrom: '2026-07-01',
      validTo: '2026-12-31',
    },
    {
      id: 'old',
      procedure: '1.004222',
      purpose: CHECK,
      fields: 'all',
      components: 'all',
      legalBasis: [LAW],
      validFrom: '2026-07-01',
      validTo: '2026-07-15',
    },
  ],
};
const there = { ...ended, id: 'X12.1', endedOn: undefined, grants: [] };
const mandate = (procedure: string): object => ({
  suppliers: [{ supplier: 'S1', scopes: ['prefill'], procedures: [procedure], validFrom: '2026-07-01', validTo: '2026-12-31' }],
});
const heir = { succeeds: [{ agency: 'X10.1', from: '2026-07-01', grants: 'all' }] };
const FAULTS: [rule: string, file: object, faults: string[]][] = [
  ['a supplier in what the agency inherited', { ...heir, ...mandate('1.004222') }, []],
  ['and not in what it did not', mandate('1.004222'), ['/suppliers/0/procedures/0 unknown-reference']],
  ['a successor of everything', { succeeds: [{ agency: 'X10.1', from: '2026-07-01', grants: 'all', dossiers: true }] }, []],
  ['a successor of some', { succeeds: [{ agency: 'X10.1', from: '2026-08-01', grants: ['one'] }] }, []],
  ['a purpose is one of the list', { grants: [{ ...ended.grants[0], purpose: 'curiosity' }] }, ['/grants/0/purpose unknown-value']],
  ['one purpose has one grant at a time', { grants: [ended.grants[0], { ...ended.grants[0], id: 'two' }] }, ['/grants/1 validity']],
  ['two purposes have two', { grants: ended.grants }, []],
  ['whom it succeeds is there', { succeeds: [{ agency: 'X99.1', from: '2026-07-01' }] }, ['/succeeds/0/agency unknown-reference']],
  ['nobody succeeds whoever is still there', { succeeds: [{ agency: 'X12.1', from: '2026-07-01' }] }, ['/succeeds/0/agency validity']],
  ['nor before the other’s end', { succeeds: [{ agency: 'X10.1', from: '2026-06-30' }] }, ['/succeeds/0/from validity']],
  ['nor after its own', { endedOn: '2026-07-31', succeeds: [{ agency: 'X10.1', from: '2026-08-01' }] }, ['/succeeds/0/from validity']],
  ['nobody succeeds himself', { succeeds: [{ agency: 'X11', from: '2026-07-01' }] }, ['/succeeds/0/agency cycle']],
  [
    'it inherits what the other has',
    { succeeds: [{ agency: 'X10.1', from: '2026-07-01', grants: ['two'] }] },
    ['/succeeds/0/grants/0 unknown-reference'],
  ],
  ['and what is left of it', { succeeds: [{ agency: 'X10.1', from: '2026-08-01', grants: ['old'] }] }, ['/succeeds/0/grants/0 validity']],
  [
    'and not what it has of its own',
    { grants: [ended.grants[0]], succeeds: [{ agency: 'X10.1', from: '2026-07-01', grants: 'all' }] },
    ['/succeeds/0/grants validity'],
  ],
  [
    'an official is of the agency',
    { officers: [{ of: 'X12.1' }, { of: 'X11.7' }, { of: 'X110' }] },
    ['/officers/0/of unknown-value', '/officers/2/of unknown-value'],
  ],
  ['a dossier is whose the file says', { dossiers: [{ of: 'G22.99', below: false, number: '######' }] }, []],
];
for (const [rule, file, wanted] of FAULTS) {
  t.test(`a file: ${rule}`, async (t) => {
    const faults: string[] = [];
    compiled([ended, there, { ...there, id: 'X11', ...file }], faults);
    t.strictSame(faults, wanted);
  });
}

t.test('a chain of successors ends, and a circle is a fault', async (t) => {
  const next = (id: string, of: string, from: string, endedOn?: string): object => ({
    ...there,
    id,
    endedOn,
    succeeds: [{ agency: of, from, grants: 'all', dossiers: true }],
  });
  const faults: string[] = [];
  const agencies = compiled([next('X13.1', 'X11', '2026-09-01'), next('X11', 'X10.1', '2026-07-01', '2026-08-31'), ended], faults);
  t.strictSame(faults, []);
  t.match(
    agencies.get('X13.1')?.grants,
    [{ id: 'X10.1/one', validFrom: '2026-09-01', validTo: '2026-12-31' }],
    'under the name that it was written by',
  );
  t.strictSame(agencies.get('X13.1')?.dossiers, [
    { of: 'X13.1', below: true },
    { of: 'X11', below: true, from: '2026-09-01' },
    { of: 'X10.1', below: true, from: '2026-09-01' },
  ]);
  compiled([next('X11', 'X13.1', '2026-07-01', '2026-06-30'), next('X13.1', 'X11', '2026-07-01', '2026-06-30')], faults);
  t.ok(faults.includes('/succeeds/0/agency cycle'));
});

const ITSELF = { id: 'X10.1' } as Agency;
const NUMBERED = {
  id: 'X10.1',
  officers: [
    { of: 'X10.1', below: true, number: '####' },
    { of: 'X10.1.7', below: false, number: 'N@*' },
  ],
  dossiers: [
    { of: 'X10.1', below: false },
    { of: 'G22.99', below: false, number: '######' },
    { of: 'X09.1', below: true, from: '2026-11-23' },
  ],
} as unknown as Agency;
/** A number, for an agency → whether it is taken on 22 November 2026. */
const NUMBERS: [agency: Agency, member: 'officer' | 'dossier', number: string, taken: boolean][] = [
  [ITSELF, 'officer', 'X10.1-A1', true],
  [ITSELF, 'officer', 'X10.1.7.K-1', true],
  [ITSELF, 'officer', 'X10.10-1', false],
  [ITSELF, 'officer', 'X10-1', false],
  [ITSELF, 'officer', 'X10.1.00309900-0017', false],
  [ITSELF, 'officer', 'X10.1.0030-99000017', false],
  [ITSELF, 'dossier', 'X10.1-261122-1', true],
  [ITSELF, 'dossier', 'X10.1.7-240229-000001', true],
  [ITSELF, 'dossier', 'X10.1-261123-1', true],
  [ITSELF, 'dossier', 'X10.1-261124-1', false],
  [ITSELF, 'dossier', 'X10.1-260229-1', false],
  [ITSELF, 'dossier', 'X10.1-261131-1', false],
  [ITSELF, 'dossier', 'X10.10-261122-1', false],
  [ITSELF, 'dossier', 'G22.99-261122-1', false],
  [ITSELF, 'dossier', 'X10.1.003099-000017-1', false],
  [NUMBERED, 'officer', 'X10.1-0042', true],
  [NUMBERED, 'officer', 'X10.1.3-0042', true],
  [NUMBERED, 'officer', 'X10.1-042', false],
  [NUMBERED, 'officer', 'X10.1-00421', false],
  [NUMBERED, 'officer', 'X10.1-004A', false],
  [NUMBERED, 'officer', 'X10.1.7-NZ9', true],
  [NUMBERED, 'officer', 'X10.1.7-MZ9', false],
  [NUMBERED, 'officer', 'X10.1.7-N99', false],
  [NUMBERED, 'officer', 'X10.1.7.1-NZ9', false],
  [NUMBERED, 'dossier', 'X10.1.7-261122-1', false],
  [NUMBERED, 'dossier', 'G22.99-261122-000001', true],
  [NUMBERED, 'dossier', 'G22.99-261122-00001', false],
  [NUMBERED, 'dossier', 'G22.99.1-261122-000001', false],
  [NUMBERED, 'dossier', 'X09.1-261122-1', false],
];
t.test('officials and dossiers have numbers of the forms that the agency’s file takes, and none that is a person’s', async (t) => {
  for (const [agency, member, number, taken] of NUMBERS) {
    const check = (): void => checkNumbers({ [member]: number, persons: [AN] }, agency, '2026-11-22');
    if (taken) t.doesNotThrow(check, number);
    else t.throws(check, { code: 'invalid-request', options: { errors: [{ pointer: `/${member}` }] } }, number);
  }
  t.doesNotThrow(
    () => checkNumbers({ dossier: 'X09.1-261122-1', persons: [] }, NUMBERED, '2026-11-23'),
    'from the day on which it is inherited',
  );
});

/** Whoever ended at midnight, whoever took its place, and a desk that may ask for two purposes. */
const directory = editedConfig({
  'agencies/X01.1.yaml': (file) => {
    const grants = file.grants as unknown as GrantFile[];
    return { ...file, grants: [...grants, { ...(grants[0] as GrantFile), id: 'residence-check', purpose: CHECK, fields: ['/fullName'] }] };
  },
  'agencies/X07.1.yaml': () => ({
    ...there,
    id: 'X07.1',
    endedOn: '2026-11-22',
    grants: [{ ...ended.grants[0], legalBasis: ['luat-68-2020#art-20-22'] }],
  }),
  'agencies/X08.1.yaml': () => ({
    ...there,
    id: 'X08.1',
    endedOn: undefined,
    succeeds: [{ agency: 'X07.1', from: '2026-11-23', grants: 'all', dossiers: true }],
  }),
});
const on = await startGateway({ configDirectory: directory });
t.teardown(async () => {
  await on.close();
  rmSync(directory, { recursive: true });
});

const RESIDENCE = { procedure: '1.004222', dossier: 'X01.1-261122-0001', officer: 'X01.1-0042', subject: AN };
async function post(path: string, body: object | string, agency = 'X01.1', token?: string) {
  const type = typeof body === 'string' ? 'application/x-ndjson' : 'application/json';
  const headers = { authorization: `Bearer ${token ?? (await on.token(agency))}`, 'content-type': type };
  const reply = await fetch(`${on.address}${path}`, {
    method: 'POST',
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await reply.text();
  return { status: reply.status, body: JSON.parse(text.split('\n')[0] ?? '') };
}

t.test('a purpose is said where there are several, and stands in every entry', async (t) => {
  const claims = { claims: { '/fullName': 'NGUYỄN VĂN AN' } };
  const wrong = { field: '/dateOfBirth', source: 'population', claim: '1999-05-18', evidence: 'Giấy khai sinh' };
  const cases: [path: string, body: object, code: string | undefined][] = [
    ['/v1/prefills', RESIDENCE, 'purpose-needed'],
    ['/v1/prefills', { ...RESIDENCE, purpose: 'other' }, 'purpose-not-granted'],
    ['/v1/prefills', { ...RESIDENCE, purpose: CHECK }, undefined],
    ['/v1/prefills', { ...RESIDENCE, purpose: SETTLE }, undefined],
    ['/v1/prefills', { ...RESIDENCE, procedure: '1.004873' }, undefined],
    ['/v1/prefills', { ...RESIDENCE, procedure: '1.004873', purpose: CHECK }, 'purpose-not-granted'],
    ['/v1/verifications', { ...RESIDENCE, ...claims }, 'purpose-needed'],
    ['/v1/verifications', { ...RESIDENCE, ...claims, purpose: CHECK }, undefined],
    ['/v1/corrections', { ...RESIDENCE, ...wrong }, 'purpose-needed'],
    ['/v1/corrections', { ...RESIDENCE, ...wrong, purpose: CHECK }, 'field-not-granted'],
    ['/v1/corrections', { ...RESIDENCE, ...wrong, purpose: SETTLE }, undefined],
  ];
  for (const [path, body, code] of cases) {
    const from = (await on.entries()).length;
    const rule = `${path} ${JSON.stringify(body)}`;
    const { body: reply } = await post(path, body);
    t.equal(reply.code, code, rule);
    const entries = await on.entries(from);
    const { purpose = SETTLE } = body as { purpose?: string };
    if (code === undefined) for (const entry of entries) t.equal(entry.purpose, purpose, rule);
    else t.match(entries, [{ kind: 'refusal', outcome: code, dossier: RESIDENCE.dossier }], `${rule} is refused on record`);
    if (path === '/v1/prefills' && code === undefined) {
      const left = Object.values((reply.prefill as Prefill).fields).filter(({ status }) => status === 'filled').length;
      t.equal(left === 1, purpose === CHECK, `${rule}: the fields of that purpose`);
    }
  }
  const batch = await post('/v1/prefills/batch', `${JSON.stringify({ ...RESIDENCE, purpose: CHECK })}\n`);
  t.match(batch.body, { line: 1, receipt: { entry: { grant: 'residence-check', purpose: CHECK } } });

  const last = (await on.entries()).length - 1;
  const headers = { authorization: `Bearer ${await on.token('X09.1')}` };
  const explained = await (await fetch(`${on.address}/v1/audit/entries/${last}/explanation`, { headers })).json();
  t.match(explained, {
    rule: { grant: { id: 'residence-check', purpose: CHECK }, purpose: { code: CHECK, name: { vi: 'Hậu kiểm hồ sơ đã giải quyết' } } },
  });
});

t.test('what is completed later is completed for the purpose that it was asked for', async (t) => {
  const tell = (mode: 'fail' | 'ok'): void => {
    for (const source of ['population', 'civil-registry'] as const) on.sandbox.tell(source, { mode });
  };
  tell('fail');
  const { body } = await post('/v1/prefills', { ...RESIDENCE, purpose: CHECK, maxAgeSeconds: 0, completion: 'fetch' });
  tell('ok');
  const from = (await on.entries()).length;
  const fetched = async (): Promise<Response> =>
    fetch(`${on.address}/v1/prefills/${body.prefill.id}`, { headers: { authorization: `Bearer ${await on.token()}` } });
  let reply = await fetched();
  for (const end = Date.now() + 10_000; reply.status === 202 && Date.now() < end; reply = await fetched()) {
    on.time.now += 30_000;
    await after(100);
  }
  t.equal(reply.status, 200);
  const entries = (await on.entries(from)).filter(({ completes }) => completes === body.prefill.id);
  t.ok(entries.length >= 3);
  for (const { grant, purpose } of entries) t.strictSame({ grant, purpose }, { grant: 'residence-check', purpose: CHECK });

  // One that was begun when there was one purpose named none; which it was, is kept beside it.
  const { catalogue: known } = on.gateway;
  const caller = callerAgain(known.agencies, everybodyStands, 'X01.1', 'X01.1');
  const tools = { catalogue: known, standing: everybodyStands, clock: () => NOON };
  const again = (more: object) => () => allowAgain(caller, { request: RESIDENCE, ...more }, '{"fields":{},"components":[]}', tools);
  t.doesNotThrow(again({ purpose: SETTLE }));
  t.throws(again({}), { code: 'purpose-needed' });
});

t.test('a person’s number stands in the log in no disguise', async (t) => {
  const from = (await on.entries()).length;
  for (const more of [{ officer: `X01.1-${AN}` }, { dossier: `X01.1-261122-${AN}` }, { officer: AN }])
    t.match(await post('/v1/prefills', { ...RESIDENCE, ...more }), { status: 400, body: { code: 'invalid-request' } });
  t.equal((await on.entries()).length, from, 'what is no number of an official or a dossier at all is no request about anybody');
  const more = { procedure: '1.004873', officer: 'X01.1.00309900-0017', dossier: 'X01.1.003099.000017-261122-1' };
  t.match(await post('/v1/prefills', { ...RESIDENCE, ...more }), {
    status: 400,
    body: { errors: [{ pointer: '/officer' }, { pointer: '/dossier' }] },
  });
  const entries = await on.entries(from);
  t.match(entries, [
    { kind: 'refusal', outcome: 'invalid-request', subjects: { subject: String }, officer: undefined, dossier: undefined },
  ]);
});

t.test('at midnight an agency is over, and its successor goes on with what its file says', async (t) => {
  const call = (id: string, dossier = 'X07.1-261120-0001') => ({ procedure: '1.004222', dossier, officer: `${id}-0042`, subject: AN });
  t.match(await post('/v1/prefills', call('X07.1'), 'X07.1'), {
    status: 200,
    body: { receipt: { entry: { agency: 'X07.1', grant: 'one' } } },
  });
  t.match((await post('/v1/prefills', call('X08.1'), 'X08.1')).body, { code: 'grant-not-in-force' }, 'not yet');
  on.time.now = Date.parse('2026-11-22T16:59:59Z');
  const [old, young] = [await on.token('X07.1'), await on.token('X08.1')];
  t.match(await post('/v1/prefills', call('X07.1'), 'X07.1', old), { status: 200 });
  const kept = (await post('/v1/prefills', call('X08.1'), 'X08.1', young)).body;
  t.equal(kept.code, 'grant-not-in-force', 'the second before');
  on.time.now = Date.parse('2026-11-22T17:00:00Z');
  const from = (await on.entries()).length;
  t.match(await post('/v1/prefills', call('X07.1'), 'X07.1', old), { status: 401 }, 'a token of yesterday');
  await t.rejects(on.token('X07.1'), /401|400/, 'and there is no new one');
  t.match(await post('/v1/prefills', call('X08.1'), 'X08.1', young), {
    status: 200,
    body: { receipt: { entry: { agency: 'X08.1', officer: 'X08.1-0042', dossier: 'X07.1-261120-0001', grant: 'X07.1/one' } } },
  });
  t.match((await post('/v1/prefills', call('X07.1'), 'X08.1', young)).body, { errors: [{ pointer: '/officer' }] }, 'by its own people');
  t.match((await post('/v1/prefills', call('X08.1', 'X02.1-261120-0001'), 'X08.1', young)).body, { errors: [{ pointer: '/dossier' }] });
  t.equal((await on.entries(from)).filter(({ agency }) => agency === 'X07.1').length, 0);
  const { catalogue: known } = on.gateway;
  const tools = { catalogue: known, standing: everybodyStands, clock: () => on.time.now };
  const late = callerAgain(known.agencies, everybodyStands, 'X07.1', 'X07.1');
  const whole = '{"fields":{},"components":[]}';
  t.throws(() => allowAgain(late, { request: call('X07.1') }, whole, tools), { code: 'procedure-not-granted' }, 'what it waited for too');
  on.time.now = NOON;
});

t.test('a batch that is open at midnight ends with its agency', async (t) => {
  const midnight = Date.parse('2026-11-22T17:00:00Z');
  on.time.now = midnight - 1000;
  const line = `${JSON.stringify({ procedure: '1.004222', dossier: 'X07.1-261120-0001', officer: 'X07.1-0042', subject: AN })}\n`;
  const lines = new TransformStream<string, string>();
  const writer = lines.writable.getWriter();
  void writer.write(line);
  const headers = { authorization: `Bearer ${await on.token('X07.1')}`, 'content-type': 'application/x-ndjson' };
  const body = lines.readable.pipeThrough(new TextEncoderStream());
  const reply = await fetch(`${on.address}/v1/prefills/batch`, { method: 'POST', headers, body, duplex: 'half' });
  const reader = reply.body?.pipeThrough(new TextDecoderStream()).getReader();
  let said = '';
  for (let piece = await reader?.read(); piece && !piece.done; piece = await reader?.read()) {
    said += piece.value;
    if (!said.includes('"line":1,"prefill"') || on.time.now === midnight) continue;
    on.time.now = midnight;
    void writer.write(line).then(() => writer.close());
  }
  t.match(JSON.parse(said.trimEnd().split('\n').at(-1) ?? ''), { end: false, answered: 1, problem: { code: 'unauthenticated' } });
  on.time.now = NOON;
});

t.test('a simulated call says what the real one then gets, for every agency and procedure', async (t) => {
  const { agencies, procedures } = on.gateway.catalogue;
  const people = personas.map(({ number }) => number);
  let given = 0;
  for (const now of [NOON, Date.parse('2027-03-01T05:00:00Z')]) {
    on.time.now = now;
    const day = dayInVietnam(now);
    const calls: { id: string; rest: object; related: Record<string, string>; said: Said }[] = [];
    /** An alert about what was asked before comes when it comes. */
    const asked = async (): Promise<number> => (await on.entries()).filter(({ kind }) => kind !== 'alert').length;
    const [entries, lookUps] = [await asked(), on.lookUps()];
    for (const { id, grants } of [...agencies.values()].filter((one) => one.scopes.has('prefill') && !isOver(one, day))) {
      for (const [code, versions] of procedures) {
        const version = versions.find((one) => inForce(one, day)) ?? versions[0];
        const granted = grants.some(({ procedure }) => procedure === code);
        if (version === undefined || (version.form === undefined && !granted)) continue;
        const takes = [...version.roles.values()].filter(({ name, given: how }) => name !== 'subject' && how !== 'never');
        for (const roles of granted ? [takes, takes.filter(({ given: how }) => how === 'required'), []] : [takes]) {
          const related = Object.fromEntries(
            roles.map(({ name, kind }, i) => [name, kind === 'person' ? (people[i + 1] ?? '') : 'AA 00000001']),
          );
          const fields = roles.length === 0 && version.fields.length > 0 ? { fields: version.fields.slice(0, 2).map(({ at }) => at) } : {};
          const purpose = code === RESIDENCE.procedure ? { purpose: SETTLE } : {};
          const rest = { procedure: code, dossier: `${id}-261122-0001`, officer: `${id}-0042`, ...fields, ...purpose };
          const { body } = await post('/v1/authorisations/simulate', { ...rest, related: Object.keys(related), on: day }, id);
          calls.push({ id, rest, related, said: body.simulation });
        }
      }
    }
    t.strictSame([await asked(), on.lookUps()], [entries, lookUps], 'nobody is asked, and nothing goes on record');
    for (const { id, rest, related, said } of calls) {
      const { body: real } = await post('/v1/prefills', { ...rest, subject: AN, related }, id);
      const rule = `${day} ${JSON.stringify(rest)} ${Object.keys(related)}`;
      t.strictSame([said.allowed, said.refusal?.code], [real.code === undefined, real.code], rule);
      if (real.code !== undefined) continue;
      given++;
      agrees(t, rule, said, real);
    }
  }
  on.time.now = NOON;
  t.ok(given > 40, `${given} were given`);
});

interface Said {
  readonly allowed: boolean;
  readonly refusal?: { readonly code: string };
  readonly grant: {
    readonly id: string;
    readonly purpose: { readonly code: string };
    readonly legalBasis: readonly { readonly ref: string }[];
  };
  readonly fields: readonly {
    readonly at: string;
    readonly would: string;
    readonly reason: string;
    readonly from?: readonly { readonly source: string }[];
  }[];
  readonly components: readonly { readonly id: string; readonly would: string; readonly reason: string }[];
  readonly sources: readonly string[];
}

function agrees(t: Test, rule: string, said: Said, { prefill, receipt }: { prefill: Prefill; receipt: { entry: AuditEntry } }): void {
  const { grant, purpose, legalBasis, sources = [] } = receipt.entry;
  t.strictSame(
    { grant, purpose, legalBasis },
    { grant: said.grant.id, purpose: said.grant.purpose.code, legalBasis: said.grant.legalBasis.map(({ ref }) => ref) },
    rule,
  );
  const asked = new Set(sources.filter(({ result }) => result !== 'role-not-given').map(({ source }) => source));
  t.strictSame(
    [...asked].filter((source) => !said.sources.includes(source)),
    [],
    `${rule}: registries`,
  );
  const wrong = said.fields.flatMap(({ at, would, reason, from = [] }) => {
    const { status, reason: why, source } = prefill.fields[at] ?? {};
    if (would === 'leave-out') return status === undefined ? [] : at;
    if (would === 'not-authorised') return status === 'not-authorised' ? [] : at;
    if (would === 'ask') return status === 'ask' && why === reason ? [] : at;
    const without = status === undefined || status === 'not-authorised' || why === 'no-source' || why === 'declarant-only';
    return without || (source !== undefined && !from.some((one) => one.source === source)) ? at : [];
  });
  t.strictSame(wrong, [], `${rule}: fields`);
  const papers = said.components.flatMap(({ id, would, reason }) => {
    const { verdict, reason: why } = prefill.components.find((one) => one.id === id) ?? {};
    if (would === 'cut') return verdict === 'cut' ? [] : id;
    if (would === 'ask') return verdict === 'ask' && why === reason ? [] : id;
    return (why === 'not-authorised') === (would === 'not-authorised') ? [] : id;
  });
  t.strictSame(papers, [], `${rule}: papers`);
}
