/** The sandbox's country as the tables and views of a database, the same in PostgreSQL and MariaDB, with the views that lie, dawdle and overflow. */
import type { JsonObject } from '../../src/adapter.ts';
import type { World } from '../../src/sandbox/model.ts';
import { textOf } from '../../src/sandbox/places.ts';

/** In what the SQL of the two differs. */
export interface Sql {
  readonly utc: string;
  readonly instant: string;
  readonly object: string;
  readonly list: string;
  sleep(seconds: number): string;
  /** An expression that cannot be had at all. */
  readonly failing: string;
}

export const SQL: Readonly<Record<'postgres' | 'mysql', Sql>> = {
  postgres: {
    utc: `SET timezone TO 'UTC'`,
    instant: 'timestamptz',
    object: 'json_build_object',
    list: 'json_agg',
    sleep: (seconds) => `pg_sleep(${seconds})::text`,
    failing: `(1 / length(''))::text`,
  },
  mysql: {
    utc: `SET time_zone = '+00:00'`,
    instant: 'timestamp',
    object: 'json_object',
    list: 'json_arrayagg',
    sleep: (seconds) => `sleep(${seconds})`,
    failing: `(SELECT serial FROM certificates)`,
  },
};

interface Register {
  readonly view: string;
  readonly key: string;
  /** A column of text that the map takes. */
  readonly text: string;
  readonly columns: readonly string[];
  readonly description: JsonObject;
}

const columnsOf = (list: string): string[] => list.split(' ');

export const REGISTERS: Readonly<Record<string, Register>> = {
  person: {
    view: 'citizen',
    key: 'number',
    text: 'full_name',
    columns: columnsOf('number full_name born gender withdrawn as_of'),
    description: {
      request: { key: 'person', view: 'citizen', where: 'number' },
      answer: { about: '/number', recordedAt: { from: '/as_of', date: 'iso' }, cancelled: { at: '/withdrawn', equals: 'x' } },
      map: {
        '/personalId': '/number',
        '/fullName': '/full_name',
        '/dateOfBirth': { from: '/born', date: 'iso' },
        '/gender': { from: '/gender', codes: 'gender' },
      },
      codes: { gender: { '1': 'male', '2': 'female' } },
    },
  },
  'birth-notice': {
    view: 'birth_notice',
    key: 'mother_number',
    text: 'code',
    columns: columnsOf('mother_number mother_name code born sex intended_name children place signed_at'),
    description: {
      request: { key: 'person', view: 'birth_notice', where: 'mother_number' },
      answer: { about: '/mother_number', recordedAt: { from: '/signed_at', date: 'iso' } },
      map: {
        '/code': '/code',
        '/bornOn': { from: '/born', date: 'iso' },
        '/gender': { from: '/sex', codes: 'sex' },
        '/intendedName': '/intended_name',
        '/childrenCount': '/children',
        '/mother/fullName': '/mother_name',
        '/mother/personalId': '/mother_number',
        '/place/text': '/place/text',
        '/place/communeCode': '/place/commune',
        '/place/codeListDate': '/place/list',
      },
      codes: { sex: { NAM: 'male', NU: 'female', KHONG_XAC_DINH: 'undetermined' } },
    },
  },
  'land-holding': {
    view: 'land_holding',
    key: 'holder',
    text: 'map_sheet',
    columns: columnsOf('holder serial map_sheet parcel as_of'),
    description: {
      request: { key: 'person', view: 'land_holding', where: 'holder', order: ['serial'] },
      answer: { about: '/holder', recordedAt: { from: '/as_of', date: 'iso' } },
      map: {
        '/personalId': '/holder',
        '/certificates': { from: '', each: { '/serial': '/serial', '/mapSheet': '/map_sheet', '/parcelNumber': '/parcel' } },
      },
    },
  },
  'land-certificate': {
    view: 'land_certificate',
    key: 'serial',
    text: 'issuer',
    columns: columnsOf('serial issuer issued_on map_sheet parcel area floor_area uses holders as_of'),
    description: {
      request: { key: 'certificate', view: 'land_certificate', where: 'serial' },
      answer: { about: '/serial', recordedAt: { from: '/as_of', date: 'iso' } },
      map: {
        '/serial': '/serial',
        '/issuer': '/issuer',
        '/issuedOn': { from: '/issued_on', date: 'iso' },
        '/parcel/mapSheet': '/map_sheet',
        '/parcel/number': '/parcel',
        '/parcel/area': '/area',
        '/parcel/uses': { from: '/uses', each: { '/code': '/code', '/area': '/area', '/term': '/term' } },
        '/floorArea': '/floor_area',
        '/holders': { from: '/holders', each: { '/fullName': '/name', '/personalId': '/number' } },
      },
    },
  },
};

/** The tables and views, for whoever may make them. */
export function makeRegisters(world: World, sql: Sql): string[] {
  return [
    sql.utc,
    ...tables(sql),
    ...contents(world),
    ...views(sql),
    ...Object.values(REGISTERS).flatMap((register) => oddViews(register, sql)),
  ];
}

/** All that the reader may see, which is not all that there is. */
export const VIEWS = Object.values(REGISTERS).flatMap(({ view }) => [
  view,
  ...['lying', 'slow', 'failing', 'flooding'].map((odd) => `${odd}_${view}`),
]);

/** What a look-up waits for where it is locked. */
export const TABLES = ['citizens', 'notices', 'certificates', 'holders', 'land_uses'];

const tables = ({ instant }: Sql): string[] => [
  `CREATE TABLE citizens (number char(12) PRIMARY KEY, full_name varchar(200), born varchar(10), gender smallint, withdrawn varchar(1), as_of date)`,
  `CREATE TABLE notices (mother_number varchar(12) PRIMARY KEY, mother_name varchar(200), code varchar(30), born date, sex varchar(20),
     intended_name varchar(200), children int, place_text varchar(500), commune varchar(5), list_date date, signed_at ${instant} NULL)`,
  `CREATE TABLE certificates (serial varchar(20) PRIMARY KEY, issuer varchar(200), issued_on date, map_sheet varchar(10), parcel varchar(10),
     area numeric(12, 2), floor_area numeric(12, 2), as_of date)`,
  `CREATE TABLE holders (serial varchar(20), place int, number varchar(12), name varchar(200))`,
  `CREATE TABLE land_uses (serial varchar(20), place int, code varchar(10), area numeric(12, 2), term varchar(100))`,
];

type Value = string | number | null | undefined;
const literal = (value: Value): string =>
  typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : value === undefined ? 'NULL' : String(value);
const insert = (table: string, rows: readonly Value[][]): string =>
  `INSERT INTO ${table} VALUES ${rows.map((row) => `(${row.map(literal).join(', ')})`).join(', ')}`;

function contents(world: World): string[] {
  const SEX = { male: 'NAM', female: 'NU', undetermined: 'KHONG_XAC_DINH' } as const;
  const certificates = [...world.certificates.values()];
  const nameOf = (id: string): string => world.person(id).name;
  return [
    insert('citizens', [
      ...[...world.people.values()].map(({ id, name, born, sex, populationAsOf }) => [
        id,
        name,
        born,
        sex === 'male' ? 1 : 2,
        null,
        populationAsOf,
      ]),
      ...[...world.cancelled.keys()].map((id) => [id, null, null, null, 'x', null]),
    ]),
    insert(
      'notices',
      [...world.notices.values()].map(({ mother, code, bornOn, sex, intendedName, children, facility, signedAt }) => [
        ...[mother, nameOf(mother), code, bornOn, SEX[sex], intendedName, children, textOf(facility)],
        ...[facility.commune.code, facility.commune.listDate, signedAt.replace('T', ' ').replace('Z', '')],
      ]),
    ),
    insert(
      'certificates',
      certificates.map(({ serial, issuer, issuedOn, mapSheet, parcel, uses, floorArea, asOf }) => [
        ...[serial, issuer, issuedOn, mapSheet, parcel, uses.reduce((sum, { area }) => sum + area, 0), floorArea, asOf],
      ]),
    ),
    insert(
      'holders',
      certificates.flatMap(({ serial, holders }) =>
        holders.map((holder, place) => [
          serial,
          place,
          'id' in holder ? holder.id : null,
          'id' in holder ? nameOf(holder.id) : holder.name,
        ]),
      ),
    ),
    insert(
      'land_uses',
      certificates.flatMap(({ serial, uses }) => uses.map(({ code, area, term }, place) => [serial, place, code, area, term])),
    ),
  ];
}

const views = ({ object, list }: Sql): string[] => [
  `CREATE VIEW citizen AS SELECT * FROM citizens`,
  `CREATE VIEW birth_notice AS SELECT mother_number, mother_name, code, born, sex, intended_name, children,
     ${object}('text', place_text, 'commune', commune, 'list', list_date) AS place, signed_at FROM notices`,
  `CREATE VIEW land_holding AS SELECT number AS holder, serial, map_sheet, parcel, as_of FROM holders JOIN certificates USING (serial)
     WHERE number IS NOT NULL`,
  `CREATE VIEW land_certificate AS SELECT c.serial, issuer, issued_on, map_sheet, parcel, c.area, floor_area, as_of,
     (SELECT ${list}(${object}('code', code, 'area', u.area, 'term', term)) FROM land_uses u WHERE u.serial = c.serial) AS uses,
     (SELECT ${list}(${object}('name', name, 'number', number)) FROM holders h WHERE h.serial = c.serial) AS holders
     FROM certificates c`,
];

/** Each view again as no registry should be. `asked` is what the key is looked for in. */
function oddViews({ view, key, text, columns }: Register, { sleep, failing }: Sql): string[] {
  const odd = (name: string, instead: Readonly<Record<string, string>>, from = view): string =>
    `CREATE VIEW ${name}_${view} AS SELECT ${key} AS asked, ${columns.map((column) => `${instead[column] ?? `v.${column}`} AS ${column}`).join(', ')} FROM ${from} v`;
  return [
    odd('lying', { [key]: `'003099999999'` }),
    odd('slow', {}, `(SELECT ${sleep(0.05)} AS slept) s, ${view}`),
    odd('failing', { [text]: failing }),
    odd('private', {}),
    odd('flooding', { [text]: `repeat('x', 2000000)` }),
  ];
}
