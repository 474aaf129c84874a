/** The people the benchmark asks about: families alike, so that every request takes the same seven look-ups, all answered with a record. */
import { addCertificate, addMarriage, addPerson } from '../src/sandbox/making.ts';
import { World } from '../src/sandbox/model.ts';
import { COMMUNES } from '../src/sandbox/places.ts';

/** More than can be in flight at once, so that no two requests ask a registry the same at the same time. */
export const FAMILIES = 512;

/** Who registers residence and the head of the household that is joined, in the n-th family. */
export const persons = (n: number): { subject: string; householder: string } => ({
  subject: number('0', '89', n),
  householder: number('0', '60', n),
});

/** Synthetic: no place of registration has the prefix. */
const number = (sex: '0' | '1', year: string, n: number): string => `003${sex}${year}${String(n % FAMILIES).padStart(6, '0')}`;

/** A married man with one certificate of a house, who moves to his father’s household: found in every registry. */
export function makeFamilies(): World {
  const world = new World();
  for (let n = 0; n < FAMILIES; n++) {
    const { subject, householder } = persons(n);
    const old = { commune: COMMUNES.kimLien, detail: `Số ${n + 1}, Tổ dân phố số 4` };
    const home = { commune: COMMUNES.thuDauMot, detail: `Số ${n + 1}, Tổ dân phố số 7` };
    const parents = {
      father: { name: 'NGUYỄN VĂN KHẢI', born: '1932' },
      mother: { name: 'LÊ THỊ NGỌ', born: '1935' },
      booksComplete: true,
    };
    const contact = { phone: `0000${String(n).padStart(6, '0')}`, email: `person.${n}@example.com` };
    const father = addPerson(world, { id: householder, name: 'NGUYỄN VĂN BÌNH', born: '1960-02-10', sex: 'male', home: old, ...parents });
    const mother = addPerson(world, {
      id: number('1', '63', n),
      name: 'LÊ THỊ CÚC',
      born: '1963-11-05',
      sex: 'female',
      home: old,
      ...parents,
    });
    const both = { father: { id: father.id }, mother: { id: mother.id } };
    const son = addPerson(world, { id: subject, name: 'NGUYỄN VĂN AN', born: '1989-05-17', sex: 'male', home, ...both, ...contact });
    const wife = addPerson(world, {
      id: number('1', '90', n),
      name: 'TRẦN THỊ HƯƠNG',
      born: '1990-08-21',
      sex: 'female',
      home,
      ...parents,
    });
    addMarriage(world, father, mother, '1986-10-18');
    addMarriage(world, son, wife, '2016-04-09');
    world.addHousehold(father.id, { [mother.id]: 'wife' });
    world.addHousehold(son.id, { [wife.id]: 'wife' });
    addCertificate(world, { serial: `ZZ ${String(n).padStart(8, '0')}`, address: home, holders: [{ id: son.id }], floorArea: 86.5 });
  }
  return world;
}
