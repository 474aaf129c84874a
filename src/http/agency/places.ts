/** Places in time for other systems: what a code of a day means and is today, and which communes are called so. About nobody. */
import type { FastifyInstance } from 'fastify';
import type { Catalogue } from '../../catalogue/load.ts';
import { type Clock, dayInVietnam, type Scope } from '../../domain.ts';
import { Problem } from '../../problems.ts';
import type { Places } from '../../vietnam/places/places.ts';
import { findPlaces } from '../../vietnam/places/search.ts';
import type { Unit } from '../../vietnam/places/unit.ts';
import { operation, type RouteAuthentication } from '../operation.ts';

export interface PlaceTools {
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly authentication: (scope?: Scope) => RouteAuthentication;
}

const day = (description: string, example: string): object => ({ type: 'string', format: 'date', description, examples: [example] });
const ON = day('The day whose unit is wanted; today where it is left out.', '2026-11-22');

export function placeRoutes(server: FastifyInstance, { catalogue, clock, authentication }: PlaceTools): void {
  const { places } = catalogue;

  server.get<{ Params: { code: string }; Querystring: { listed?: string; on?: string } }>('/v1/places/:code', {
    ...authentication(),
    // Without its day a code is refused with what it could mean, so that nobody takes one for the other.
    attachValidation: true,
    schema: operation({
      summary: 'A code of a day: the unit it meant, and what that is today',
      description:
        'The same code names another commune before and after 1 July 2025, so a code is taken with a day of its list alone. Where a unit was split and the code cannot decide, the answer is `ambiguous` with all candidates, never a guess.',
      tag: 'Agencies',
      scope: 'any',
      params: {
        code: {
          type: 'string',
          pattern: '^([0-9]{2}|[0-9]{3}|[0-9]{5})$',
          description: 'Of a province (two digits), district (three, until 30 June 2025) or commune (five).',
          examples: ['25747'],
        },
      },
      querystring: {
        type: 'object',
        additionalProperties: false,
        required: ['listed'],
        properties: { listed: day('A day on which the code was in force.', '2020-01-01'), on: ON },
      },
      reply: 'Place',
      refusals: [400, 401, 404],
    }),
    handler: async (request) => {
      const { validationError: wrong, params, query } = request;
      if (wrong?.validationContext === 'params') throw wrong;
      const { listed, on = dayInVietnam(clock()) } = query;
      if (listed === undefined) throw dateNeeded(places, params.code);
      if (wrong !== undefined) throw wrong;
      known(places, clock, { listed, on });
      const traced = places.trace(params.code, listed, on);
      if (traced === undefined)
        throw new Problem('unknown-place', { detail: meanings(places, params.code).join('; ') || 'no list has it' });
      return { ...traced, madeOf: places.madeOf(traced.recorded) };
    },
  });

  server.get<{ Querystring: { name: string; province: string; on?: string } }>('/v1/places', {
    ...authentication(),
    schema: operation({
      summary: 'Communes of a province by name',
      description:
        'Names are found however their marks are typed, for a person to choose from. Ten pairs of communes within one province differ in marks alone: a single find is no proof.',
      tag: 'Agencies',
      scope: 'any',
      querystring: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'province'],
        properties: {
          name: { type: 'string', minLength: 1, maxLength: 100, description: 'With or without its kind.', examples: ['Xã Ba Tơ'] },
          province: { type: 'string', pattern: '^[0-9]{2}$', description: 'Code of the province on that day.', examples: ['51'] },
          on: ON,
        },
      },
      reply: 'Places',
      refusals: [400, 401, 404],
    }),
    handler: async (request) => {
      const { name, province: code, on = dayInVietnam(clock()) } = request.query;
      known(places, clock, { on });
      const province = places.unit(code, on);
      if (province === undefined) throw new Problem('unknown-place', { detail: 'the list of that day has no such province' });
      return { on, province, places: findPlaces(places, name, code, on) };
    },
  });
}

/** Nobody knows tomorrow's list, and there were no codes before the first. */
function known(places: Places, clock: Clock, days: Readonly<Record<string, string>>): void {
  const today = dayInVietnam(clock());
  const errors = Object.entries(days)
    .filter(([, one]) => one < places.begins || one > today)
    .map(([name]) => ({ pointer: `/${name}`, detail: `must be a day from ${places.begins} to today` }));
  if (errors.length > 0) throw new Problem('invalid-request', { errors });
}

function dateNeeded(places: Places, code: string): Problem {
  return new Problem('place-date-needed', { errors: meanings(places, code).map((detail) => ({ pointer: '/listed', detail })) });
}

/** What a code means in each list that has it. */
function meanings(places: Places, code: string): string[] {
  const named = ({ name, district, province }: Unit): string =>
    [name, district?.name, province?.name].flatMap((one) => one?.vi ?? []).join(', ');
  return [
    ['until 2025-06-30', '2025-06-30'],
    ['since 2025-07-01', '2025-07-01'],
  ].flatMap(([when, listed = '']) => {
    const unit = places.unit(code, listed);
    return unit === undefined ? [] : `${when}: ${named(unit)}`;
  });
}
