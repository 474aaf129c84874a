/** `oncegate check`: a configuration, with all its faults at once. */
import { parseArgs } from 'node:util';
import { openCatalogue } from '../app.ts';
import type { Command } from './command.ts';

export const check: Command = async (argv, { environment, out }) => {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { production: { type: 'boolean', default: false } },
  });
  const catalogue = openCatalogue(positionals[0] ?? environment.configDirectory, !values.production);
  const { procedures, agencies, sources, digest } = catalogue;
  const grants = [...agencies.values()].reduce((sum, agency) => sum + agency.grants.length, 0);
  const withForm = [...procedures.values()].filter((versions) => versions.some(({ form }) => form !== undefined)).length;
  const known = `${withForm} procedures and ${procedures.size - withForm} without a form`;
  out(`ok: ${known}, ${sources.size} sources, ${agencies.size} agencies with ${grants} grants; digest ${digest}`);
  return 0;
};
