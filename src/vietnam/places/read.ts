/** The files of places to tables, with every fault in them: a row that cannot be right is told with its line and left out. Pure. */
import {
  COMMUNE_TYPES,
  type CommuneType,
  type District,
  type NewCommune,
  type NewProvince,
  type OldCommune,
  type OldProvince,
  PROVINCE_TYPES,
  type ProvinceType,
  TAKES,
  type Tables,
  type Takes,
} from './tables.ts';

/** `places.yaml`, as its schema accepted it. */
export interface PlacesFile {
  readonly lists: readonly { readonly from: string; readonly to?: string; readonly act: string }[];
  readonly acts: { readonly provinces: string; readonly communes: string };
  readonly changes: readonly {
    readonly code: string;
    readonly on: string;
    readonly to: CommuneType | ProvinceType;
    readonly act: string;
  }[];
  readonly aliases: Readonly<Record<string, string>>;
  readonly names: Readonly<Record<string, string>>;
  readonly areas: readonly { readonly name: string; readonly district: string; readonly became: string }[];
  readonly earlier: readonly {
    readonly code: string;
    readonly province: string;
    readonly type: CommuneType;
    readonly name: string;
    readonly became: string;
  }[];
}

/** The tables, and the columns that each must have. */
export const TABLES = {
  'since-2025-07-01/provinces.csv': 'code,kind,name,english,resolution',
  'since-2025-07-01/communes.csv': 'code,province,type,name',
  'until-2025-06-30/provinces.csv': 'code,kind,name,english,became',
  'until-2025-06-30/districts.csv': 'code,province,name,became',
  'until-2025-06-30/communes.csv': 'code,district,type,name,became,residents',
} as const;
export type TableName = keyof typeof TABLES;

/** Told of what is wrong: the table and its line, or a pointer into `places.yaml`. */
export type TellFault = (
  at: { readonly table: TableName; readonly line: number } | { readonly pointer: string },
  rule: 'schema' | 'duplicate' | 'unknown-reference',
  message: string,
) => void;

type Codes = ReadonlyMap<string, unknown>;

export function readTables(texts: Readonly<Record<TableName, string>>, file: PlacesFile, tell: TellFault): Tables {
  const newProvinces = new Map<string, NewProvince>();
  const oldProvinces = new Map<string, OldProvince>();
  const districts = new Map<string, District>();
  const newCommunes = new Map<string, NewCommune>();
  const oldCommunes = new Map<string, OldCommune>();
  const each = (table: TableName, pattern: RegExp, known: Codes, use: UseRow): void =>
    eachRow(table, texts[table], pattern, known, tell, use);

  each('since-2025-07-01/provinces.csv', row(CODE2, KIND, NAME, ENGLISH, '1[0-9]{3}'), newProvinces, (cells) => {
    const [code, type, name, english, resolution] = cells as [string, ProvinceType, string, string, string];
    newProvinces.set(code, { code, type, name, english, resolution, changes: [], from: [] });
  });
  each('since-2025-07-01/communes.csv', row(CODE5, CODE2, TYPE, NAME), newCommunes, (cells, find) => {
    const [code, province, type, name] = cells as [string, string, CommuneType, string];
    const otherNames = Object.hasOwn(file.names, code) ? [file.names[code] as string] : [];
    if (find(newProvinces, province)) newCommunes.set(code, { code, province, type, name, otherNames, changes: [], from: [] });
  });
  each('until-2025-06-30/provinces.csv', row(CODE2, KIND, NAME, ENGLISH, CODE2), oldProvinces, (cells, find) => {
    const [code, type, name, english, became] = cells as [string, ProvinceType, string, string, string];
    if (!find(newProvinces, became)) return;
    oldProvinces.set(code, { code, type, name, english, became });
    newProvinces.get(became)?.from.push(code);
  });
  each('until-2025-06-30/districts.csv', row(CODE3, CODE2, NAME, '(?:[0-9]{5})?'), districts, (cells, find) => {
    const [code, province, name, became] = cells as [string, string, string, string];
    if (!find(oldProvinces, province) || (became !== '' && !find(newCommunes, became))) return;
    districts.set(code, { code, province, name, became: became === '' ? undefined : became, communes: [] });
  });
  each('until-2025-06-30/communes.csv', row(CODE5, CODE3, TYPE, NAME, BECAME, '(?:[0-9]{5}[?]?)?'), oldCommunes, (cells, find) => {
    const [code, district, type, name, targets, whither] = cells as [string, string, CommuneType, string, string, string];
    const became = targets.split(' ').map((target) => ({ code: target.slice(0, 5), takes: (target.slice(6) || 'whole') as Takes }));
    const residents = whither === '' ? undefined : { code: whither.slice(0, 5), said: whither.length === 5 };
    if (!find(districts, district) || !became.every((target) => find(newCommunes, target.code))) return;
    if (residents !== undefined && !find(new Map(became.map((target) => [target.code, target])), residents.code)) return;
    const { province, communes } = districts.get(district) as District;
    oldCommunes.set(code, { code, district, province, type, name, became, residents, verified: true });
    communes.push(code);
    for (const target of became) newCommunes.get(target.code)?.from.push({ code, takes: target.takes });
  });

  const tables = {
    begins: file.lists[0]?.from ?? '',
    acts: file.acts,
    newProvinces,
    oldProvinces,
    districts,
    newCommunes,
    oldCommunes,
    aliases: new Map(Object.entries(file.aliases)),
    areas: file.areas,
  };
  addFile(tables, file, oldCommunes, tell);
  return tables;
}

/** Uses the cells of a row; `find` tells a reference that leads nowhere. */
type UseRow = (cells: readonly string[], find: (codes: Codes, code: string) => boolean) => void;

/** Each row of a table whose cells fit their patterns, under a code that stands once. */
function eachRow(table: TableName, text: string, pattern: RegExp, known: Codes, tell: TellFault, use: UseRow): void {
  let header: string | undefined;
  for (const [i, line] of text.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const at = { table, line: i + 1 };
    if (header === undefined) {
      header = line;
      if (line !== TABLES[table]) tell(at, 'schema', `its columns must be ${TABLES[table]}`);
      continue;
    }
    const cells = pattern.exec(line)?.slice(1);
    if (cells === undefined) tell(at, 'schema', `does not fit ${TABLES[table]}`);
    else if (known.has(cells[0] as string)) tell(at, 'duplicate', 'the code stands twice');
    else {
      use(cells, (codes, code) => {
        if (!codes.has(code)) tell(at, 'unknown-reference', `there is no ${code}`);
        return codes.has(code);
      });
    }
  }
}

/** What the tables cannot say: later changes, and communes that the list no longer holds; references are checked. */
function addFile(
  { newProvinces, oldProvinces, districts, newCommunes }: Tables,
  file: PlacesFile,
  oldCommunes: Map<string, OldCommune>,
  tell: TellFault,
): void {
  file.changes.forEach(({ code, on, to, act }, i) => {
    const unit = code.length === 2 ? newProvinces.get(code) : newCommunes.get(code);
    const fits = (code.length === 2 ? PROVINCE_TYPES : COMMUNE_TYPES).some((type) => type === to);
    if (unit === undefined) tell({ pointer: `/changes/${i}/code` }, 'unknown-reference', `there is no ${code}`);
    else if (!fits) tell({ pointer: `/changes/${i}/to` }, 'schema', 'is no kind that such a unit can be of');
    else (unit.changes as { on: string; to: string; act: string }[]).push({ on, to, act });
  });
  for (const unit of [...newProvinces.values(), ...newCommunes.values()]) unit.changes.sort((a, b) => (a.on < b.on ? -1 : 1));
  const lead = (pointer: string, code: string, codes: ReadonlyMap<string, unknown>): boolean => {
    if (!codes.has(code)) tell({ pointer }, 'unknown-reference', `there is no ${code}`);
    return codes.has(code);
  };
  for (const [alias, code] of Object.entries(file.aliases)) {
    lead(`/aliases/${alias}`, code, newCommunes);
    if (newCommunes.has(alias)) tell({ pointer: `/aliases/${alias}` }, 'duplicate', 'the code is another unit’s own');
  }
  for (const code of Object.keys(file.names)) lead(`/names/${code}`, code, newCommunes);
  file.areas.forEach(({ district, became }, i) => {
    lead(`/areas/${i}/district`, district, districts);
    lead(`/areas/${i}/became`, became, newCommunes);
  });
  file.earlier.forEach(({ code, province, type, name, became }, i) => {
    if (oldCommunes.has(code)) tell({ pointer: `/earlier/${i}/code` }, 'duplicate', 'the code stands in the list');
    else if (lead(`/earlier/${i}/province`, province, oldProvinces) && lead(`/earlier/${i}/became`, became, newCommunes)) {
      const whole = [{ code: became, takes: 'whole' as const }];
      oldCommunes.set(code, { code, district: undefined, province, type, name, became: whole, residents: undefined, verified: false });
    }
  });
}

const CODE2 = '[0-9]{2}';
const CODE3 = '[0-9]{3}';
const CODE5 = '[0-9]{5}';
const KIND = PROVINCE_TYPES.join('|');
const TYPE = COMMUNE_TYPES.join('|');
const NAME = "[\\p{Lu}0-9]['’\\p{L}0-9 -]*";
const ENGLISH = '[A-Z][A-Za-z -]*';
const TARGET = `[0-9]{5}(?::(?:${TAKES.slice(1).join('|')}))?`;
const BECAME = `${TARGET}(?: ${TARGET})*`;

/** A row, each cell of which fits its pattern. */
const row = (...cells: readonly string[]): RegExp => new RegExp(`^${cells.map((cell) => `(${cell})`).join(',')}$`, 'u');
