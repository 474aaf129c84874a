/** The whole made-up population: the documented personas first, then families until there are enough. */

import { addFamily } from './families.ts';
import { World } from './model.ts';
import { addPersonas } from './persona-people.ts';
import { random } from './random.ts';

const ENOUGH = 1100;

/** The same people on every start. */
export function makeWorld(): World {
  const world = new World();
  addPersonas(world);
  const draw = random('oncegate sandbox');
  while (world.people.size < ENOUGH) addFamily(world, draw);
  addNotices(world);
  return world;
}

/** A few more mothers of this autumn, some of whom have not chosen a name. */
function addNotices(world: World): void {
  const mothers = [...world.people.values()].filter(
    ({ id, sex, born }) => sex === 'female' && born > '1988' && born < '2003' && !world.notices.has(id),
  );
  for (const [place, mother] of mothers.slice(0, 12).entries()) {
    const draw = random(`notice ${mother.id}`);
    const day = `2026-10-${String(draw.int(10, 28))}`;
    world.notices.set(mother.id, {
      code: `99002.GCS.${String(place + 1).padStart(5, '0')}.26`,
      mother: mother.id,
      bornOn: day,
      sex: place === 5 ? 'undetermined' : draw.pick(['male', 'female'] as const),
      ...(draw.chance(0.5) ? { intendedName: `${mother.name.split(' ')[0]} ${draw.pick(['MINH AN', 'GIA BẢO', 'THẢO NHI'])}` } : {}),
      facility: { commune: mother.home.commune, detail: 'Trạm y tế Thử nghiệm' },
      children: draw.chance(0.1) ? 2 : 1,
      signedAt: `${day}T02:15:00Z`,
    });
  }
}
