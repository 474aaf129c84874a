/** A configuration that grows: the sandbox's own, and procedures of so many fields from so many registries, which all speak plain JSON. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';

export const SOURCES = [1, 3, 10];
export const FIELDS = [10, 100, 500];
const MOST_SOURCES = Math.max(...SOURCES);

export const procedureOf = (sources: number, fields: number): string =>
  `3.9${String(sources).padStart(2, '0')}${String(fields).padStart(3, '0')}`;
export const sourceOf = (i: number): string => `growth-${i}`;
export const sourceNames = Array.from({ length: MOST_SOURCES }, (_, i) => sourceOf(i));

/** The fields are shared out evenly, so that each registry answers with as many members. */
const membersOf = (sources: number, fields: number): number => Math.ceil(fields / sources);
const shapes = SOURCES.flatMap((sources) => FIELDS.map((fields) => ({ sources, fields, members: membersOf(sources, fields) })));
const sizes = [...new Set(shapes.map(({ members }) => members))];

const both = (text: string): object => ({ vi: text, en: text });
const datasetOf = (members: number): string => `growth-${members}`;
const listed = <T>(count: number, make: (i: number) => readonly [string, T]): Record<string, T> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => make(i)));

/** Writes it, and returns the directory. YAML takes JSON as it is. */
export function writeGrowthConfig(directory: string): string {
  cpSync(join(import.meta.dirname, '../config'), directory, { recursive: true });
  mkdirSync(join(directory, 'datasets'), { recursive: true });
  const write = (file: string, value: object): void => writeFileSync(join(directory, file), JSON.stringify(value));
  for (const members of sizes) write(`datasets/${datasetOf(members)}.json`, dataset(members));
  for (const name of sourceNames) write(`sources/${name}.yaml`, source(name));
  for (const { sources, fields, members } of shapes)
    write(`procedures/${procedureOf(sources, fields)}.yaml`, procedure(sources, fields, members));
  const agency = join(directory, 'agencies/X01.1.yaml');
  const granted = parse(readFileSync(agency, 'utf8')) as { grants: object[] };
  for (const { sources, fields } of shapes) granted.grants.push(grant(procedureOf(sources, fields)));
  writeFileSync(agency, stringify(granted));
  return directory;
}

const dataset = (members: number): object => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: `oncegate:datasets/${datasetOf(members)}`,
  title: 'Growth',
  description: 'Made for a measurement.',
  'x-key': 'person',
  'x-legal': { basis: 'none: made for a measurement', decree58AnnexV: 'not listed' },
  type: 'object',
  additionalProperties: false,
  properties: listed(members, (i) => [`m${i}`, { $ref: 'oncegate:datasets/types#/$defs/text' }]),
});

const source = (name: string): object => ({
  id: name,
  name: both(name),
  owner: both('nobody'),
  database: 'birth_notice',
  legalBasis: 'none: made for a measurement',
  adapter: 'json-http',
  address: `sandbox:${name}`,
  credential: `sandbox:${name}`,
  timeoutMs: 1500,
  datasets: Object.fromEntries(
    sizes.map((members) => [
      datasetOf(members),
      {
        maxAgeSeconds: 600,
        absentMaxAgeSeconds: 60,
        request: {
          key: 'person',
          method: 'POST',
          path: `/records/${members}`,
          headers: { authorization: 'Bearer {credential}' },
          body: { person: '{key}' },
        },
        answer: {
          notFound: [{ status: 404, at: '/error', equals: 'none' }],
          record: '/record',
          about: '/person',
          recordedAt: { from: '/asOf', date: 'iso' },
        },
        map: listed(members, (i) => [`/m${i}`, `/m${i}`]),
      },
    ]),
  ),
});

const procedure = (sources: number, fields: number, members: number): object => ({
  code: procedureOf(sources, fields),
  validFrom: '2026-01-01',
  name: both(`${fields} fields from ${sources} registries`),
  agency: both('nobody'),
  form: { name: both('Form'), confidence: 'remembered' },
  legalBasis: ['luat-49-2019#art-15'],
  sources: ['made for a measurement'],
  roles: { subject: { kind: 'person', name: both('Person') } },
  fields: Array.from({ length: fields }, (_, i) => ({
    at: `/f${i}`,
    name: both(`Field ${i}`),
    type: 'text',
    required: false,
    from: [{ role: 'subject', dataset: datasetOf(members), source: sourceOf(i % sources), value: `/m${Math.floor(i / sources)}` }],
  })),
  components: [{ id: 'declaration', name: both('Declaration'), confidence: 'remembered', kept: 'declaration' }],
});

const grant = (code: string): object => ({
  id: `growth-${code.replace('.', '-')}`,
  procedure: code,
  purpose: 'settle-dossier',
  fields: 'all',
  components: 'all',
  legalBasis: ['luat-49-2019#art-15'],
  validFrom: '2026-01-01',
  validTo: '2099-12-31',
});
