/** The sandbox's birth notices: an ordinary JSON service, the one that the gateway knows from a file alone. */

import type { JsonObject } from '../adapter.ts';
import type { BirthNotice, World } from './model.ts';
import { textOf } from './places.ts';
import type { Dialect, Question, Reply } from './registry.ts';

const SEX = { male: 'NAM', female: 'NU', undetermined: 'KHONG_XAC_DINH' } as const;

export function birthNotices(world: World): Dialect {
  const answer = (key: string): Reply => {
    const found = world.notices.get(key);
    return found ? { status: 200, body: notice(world, found) } : problem(404, 'no-notice');
  };
  const keys = () => world.notices.keys();
  return {
    routes: {
      'POST /birth-notices/latest': { keyOf: inBody, answer, keys },
      'GET /birth-notices/latest': { keyOf: inHeader, answer, keys },
    },
    credential: { header: 'authorization', prefix: 'Bearer ' },
    unauthorised: problem(401, 'unknown-client'),
    badQuestion: problem(400, 'no-mother'),
    failure: problem(500, 'internal'),
  };
}

const inBody = ({ body }: Question) => (typeof body.mother === 'string' ? body.mother : undefined);

function inHeader({ headers }: Question): string | undefined {
  const given = headers['x-mother'];
  return typeof given === 'string' ? given : undefined;
}

const problem = (status: number, error: string): Reply => ({ status, body: { error } });

function notice(world: World, found: BirthNotice): JsonObject {
  const mother = world.person(found.mother);
  const { commune } = found.facility;
  return {
    signedAt: found.signedAt,
    notice: {
      code: found.code,
      born: found.bornOn.split('-').reverse().join('/'),
      sex: SEX[found.sex],
      intendedName: found.intendedName ?? null,
      children: String(found.children),
      mother: { name: mother.name, number: mother.id, born: mother.born.split('-').reverse().join('/'), ethnicity: mother.ethnicity },
      place: { text: textOf(found.facility), province: commune.province, commune: commune.code, list: commune.listDate },
    },
  };
}
