/** The sandbox's land database: a search of rights in pages of two, and one certificate by its serial. */

import type { JsonObject, JsonValue } from '../adapter.ts';
import type { Certificate, Holder, World } from './model.ts';
import { textOf } from './places.ts';
import type { Dialect, Question, Reply } from './registry.ts';

/** Whatever the caller asks for: so small that two fields and a house already need two pages. */
const PAGE_SIZE = 2;

export function land(world: World): Dialect {
  return {
    routes: {
      'POST /land/v1/rights/search': {
        keyOf: ({ body }) => member(body.holder, 'number'),
        answer: (key, question) => page(world, key, question),
        keys: () => [...world.people.keys()].filter((id) => world.holdingsOf(id).length > 0),
      },
      'POST /land/v1/certificates/lookup': {
        keyOf: ({ body }) => member(body, 'serial'),
        answer: (key) => {
          const found = world.certificates.get(key);
          return found ? { status: 200, body: right(world, found) } : problem(404, 'CERTIFICATE_UNKNOWN');
        },
        keys: () => world.certificates.keys(),
      },
    },
    credential: { header: 'authorization', prefix: 'Bearer ' },
    unauthorised: problem(403, 'FORBIDDEN'),
    badQuestion: problem(400, 'BAD_QUESTION'),
    failure: problem(500, 'INTERNAL'),
  };
}

const problem = (status: number, code: string): Reply => ({ status, body: { code } });

function member(value: JsonValue | undefined, name: string): string | undefined {
  const found = typeof value === 'object' && value !== null && !Array.isArray(value) ? value[name] : undefined;
  return typeof found === 'string' ? found : undefined;
}

function page(world: World, holder: string, { body }: Question): Reply {
  const wanted = typeof body.page === 'number' ? body.page : 1;
  const all = world.holdingsOf(holder);
  const items = all.slice((wanted - 1) * PAGE_SIZE, wanted * PAGE_SIZE).map((one) => right(world, one));
  return { status: 200, body: { page: wanted, pageSize: PAGE_SIZE, total: all.length, holder: { number: holder }, items } };
}

function right(world: World, one: Certificate): JsonObject {
  return {
    certificate: {
      serial: one.serial,
      registerNumber: one.registerNumber,
      issued: `${one.issuedOn}T00:00:00+07:00`,
      issuer: one.issuer,
    },
    parcel: {
      sheet: one.mapSheet,
      number: one.parcel,
      areaM2: one.uses.reduce((sum, { area }) => sum + area, 0).toFixed(1),
      location: {
        text: textOf(one.address),
        ...(one.address.detail ? { detail: one.address.detail } : {}),
        unit: { province: one.address.commune.province, commune: one.address.commune.code, asOf: one.address.commune.listDate },
      },
    },
    rights: one.uses.map(({ code, area, term }) => ({ purpose: code, areaM2: area.toFixed(1), until: term })),
    holders: one.holders.map((holder) => identified(world, holder)),
    assets: one.floorArea === undefined ? [] : [{ type: 'DWELLING', floorM2: one.floorArea.toFixed(1) }],
    encumbrances: one.restrictions?.map((text) => ({ text })) ?? [],
    vouchedAt: one.asOf,
  };
}

function identified(world: World, holder: Holder): JsonObject {
  if ('name' in holder) return { name: holder.name, id: { kind: 'CMND', number: holder.oldId9 } };
  const person = world.person(holder.id);
  return { name: person.name, id: { kind: 'PERSONAL', number: person.id } };
}
