/** `oncegate procedure new`: the file of a procedure, started from the annexes that name it. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCatalogue } from '../app.ts';
import { type Command, UsageError } from './command.ts';
import { procedureFile } from './procedure-file.ts';

export const procedure: Command = async ([verb, code = ''], { environment, out }) => {
  if (verb !== 'new' || !/^[1-3]\.[0-9]{6}$/.test(code))
    throw new UsageError('procedure new takes the code of a procedure such as 1.004222');
  const { procedures, rows, successors } = openCatalogue(environment.configDirectory, true);
  const file = join(environment.configDirectory, 'procedures', `${code}.yaml`);
  const [known] = procedures.get(code) ?? [];
  if (existsSync(file) || known?.form !== undefined)
    throw new Error(`${code} has a file in ${join(environment.configDirectory, 'procedures')} already`);
  const successor = successors.get(code);
  if (successor !== undefined) throw new Error(`${code} was replaced by ${successor}`);
  if (known === undefined)
    throw new Error(`no annex in legal/ names ${code}: is it written right? Else copy the file of the procedure most like it`);
  writeFileSync(file, procedureFile(known, rows.get(code) ?? []), { flag: 'wx' });
  out(
    `${file}\n    the procedure's file, with the papers that the annexes name: its first lines say what to write next\n    check it with: npx oncegate check`,
  );
  return 0;
};
