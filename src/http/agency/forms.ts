/** The form of a procedure for developers who draw it: as a JSON Schema, of today or of the day of an earlier dossier. */
import type { FastifyInstance } from 'fastify';
import type { Catalogue } from '../../catalogue/load.ts';
import { type Clock, dayInVietnam, type Scope } from '../../domain.ts';
import { Problem } from '../../problems.ts';
import { versionOn, versionsOf } from '../../stages/version.ts';
import { LANGUAGES, type Language, languageOf } from '../language.ts';
import { operation, type RouteAuthentication } from '../operation.ts';
import { formSchema } from './form-schema.ts';

export interface FormTools {
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly authentication: (scope?: Scope) => RouteAuthentication;
}

/** No schema in `schemas/api/` with an example: what makes the OpenAPI document takes the keywords of a schema that is an example for its own. */
const FORM = {
  type: 'object',
  description:
    'A JSON Schema of draft 2020-12 of the values of the form, nested as its pointers are. A field has `title` and, where there is something to know, `description`, `oneOf` with `const` and `title` where it is chosen, `x-signature` where it is a signature or consent. `x-title` and `x-description` hold all languages; `x-procedure` the code, name, days, and the procedures that it replaces or joins.',
};

interface FormRequest {
  readonly Params: { readonly code: string };
  readonly Querystring: { readonly on?: string; readonly lang?: Language };
}

export function formRoute(server: FastifyInstance, { catalogue, clock, authentication }: FormTools): void {
  server.get<FormRequest>('/v1/procedures/:code/form', {
    ...authentication(),
    schema: operation({
      summary: 'The form of a procedure as a JSON Schema',
      description:
        'For form libraries: labels in the language asked for, with all languages in `x-title`; what registers fill and may not be changed is `readOnly` (where the prefill could not fill it, let it be written). A `form` of a prefill fits it, but for what it demands and the declarant still has to write.',
      tag: 'Agencies',
      scope: 'any',
      params: { code: { type: 'string', description: 'National code of the procedure.', examples: ['1.004222'] } },
      querystring: {
        type: 'object',
        additionalProperties: false,
        properties: {
          on: { type: 'string', format: 'date', description: 'The form of that day, YYYY-MM-DD in Viet Nam; today’s unless said.' },
          lang: { enum: LANGUAGES, description: 'Language of the labels; by `Accept-Language` unless said, and Vietnamese failing that.' },
        },
      },
      reply: { type: 'application/schema+json', schema: FORM, description: 'Done.' },
      refusals: [400, 401, 404],
    }),
    handler: async ({ params, query, headers }, reply) => {
      const procedure = versionOn(versionsOf(catalogue, params.code), query.on ?? dayInVietnam(clock()));
      const language = query.lang ?? languageOf(headers['accept-language']);
      const form = formSchema(procedure, catalogue.schemas.types, language);
      if (form === undefined) throw new Problem('no-form');
      reply.headers({ 'content-type': 'application/schema+json', 'content-language': language, vary: 'accept-language' });
      return form;
    },
  });
}
