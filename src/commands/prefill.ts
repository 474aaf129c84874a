/** `oncegate prefill`: a filled form and a judged dossier, for people to read. */
import { parseArgs } from 'node:util';
import { dayInVietnam } from '../domain.ts';
import type { Environment } from '../environment.ts';
import { type Language, printReply } from '../print.ts';
import { type Command, client, required, UsageError } from './command.ts';

export const prefill: Command = async (argv, line) => {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      agency: { type: 'string' },
      supplier: { type: 'string' },
      related: { type: 'string', multiple: true, default: [] },
      dossier: { type: 'string' },
      key: { type: 'string' },
      'max-age': { type: 'string' },
      lang: { type: 'string', default: 'en' },
      json: { type: 'boolean', default: false },
    },
  });
  const [procedure, subject] = [required(positionals[0], 'the procedure'), required(positionals[1], 'the subject')];
  if (!['vi', 'en', 'fr'].includes(values.lang)) throw new UsageError('--lang is vi, en or fr');
  const maxAge = values['max-age'];
  if (maxAge !== undefined && !/^[0-9]{1,8}$/.test(maxAge)) throw new UsageError('--max-age takes seconds; 0 asks every registry anew');
  const agency = values.agency ?? (await agencyFor(procedure, line.environment));
  const related = Object.fromEntries(
    values.related.map((pair) => {
      const [role, ...key] = pair.split('=');
      if (!role || key.length === 0) throw new UsageError('--related takes role=key');
      return [role, key.join('=')];
    }),
  );
  const dossier = values.dossier ?? `${agency}-${dayInVietnam(Date.now()).slice(2).replaceAll('-', '')}-0001`;
  const { supplier } = values;
  const gateway = client(line, supplier ?? agency, values.key);
  const token = await gateway.token('prefill', supplier === undefined ? undefined : agency);
  const reply = await gateway.prefill(token, {
    procedure,
    dossier,
    officer: `${agency}-0001`,
    subject,
    ...(values.related.length > 0 ? { related } : {}),
    ...(maxAge === undefined ? {} : { maxAgeSeconds: Number(maxAge) }),
  });
  line.out(
    values.json
      ? escapeUnseen(JSON.stringify(reply, null, 2))
      : printReply(reply, await gateway.procedure(token, procedure), values.lang as Language, line.colour),
  );
  return 0;
};

/** The same JSON with the characters escaped that a terminal would obey; the line ends are those of the indentation. */
function escapeUnseen(json: string): string {
  const spell = (unseen: string): string =>
    unseen
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join('');
  return json.replaceAll(/(?!\n)[\p{Cc}\p{Cf}\u2028\u2029]/gu, spell);
}

/** The sandbox agency that may ask for a procedure. */
async function agencyFor(procedure: string, environment: Environment): Promise<string> {
  const { openCatalogue } = await import('../app.ts');
  const agencies = [...openCatalogue(environment.configDirectory, true).agencies.values()].filter(
    ({ sandbox, scopes }) => sandbox && scopes.has('prefill'),
  );
  const found = agencies.find((agency) => agency.grants.some((grant) => grant.procedure === procedure)) ?? agencies[0];
  if (found === undefined) throw new UsageError('name the agency with --agency');
  return found.id;
}
