/** `oncegate shut-out`, `let-in`, `shut-outs`: who must be kept out is kept out by every gateway, from the command line of an operator. */
import { parseArgs } from 'node:util';
import { clean } from '../client.ts';
import { type Command, type CommandLine, client, required, UsageError } from './command.ts';

/** As `schemas/api/shut-out.json` has it. */
interface Shown {
  readonly id: string;
  readonly kind: string;
  readonly whose?: string;
  readonly value?: string;
  readonly perMinute?: number;
  readonly reason: string;
  readonly by: { readonly agency: string; readonly officer?: string };
  readonly from: string;
  readonly until?: string;
  readonly holds: boolean;
  readonly lifted?: Pick<Shown, 'by' | 'reason'> & { readonly at: string };
}

const OPERATOR = { operator: { type: 'string', default: 'X00.1' }, key: { type: 'string' } } as const;
const SIGNED = { ...OPERATOR, reason: { type: 'string' }, officer: { type: 'string' } } as const;

/** What stands after a kind, in this order. */
const NAMED: Readonly<Record<string, readonly ('whose' | 'value')[]>> = {
  agency: ['whose'],
  key: ['whose', 'value'],
  token: ['value'],
  officer: ['value'],
  supplier: ['whose'],
};

export const shutOut: Command = async (argv, line) => {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { ...SIGNED, until: { type: 'string' }, 'per-minute': { type: 'string' } },
  });
  const [kind = '', ...named] = positionals;
  const members = Object.hasOwn(NAMED, kind) ? NAMED[kind] : undefined;
  if (members === undefined || members.length !== named.length)
    throw new UsageError('shut-out takes agency <id>, key <agency or supplier> <kid>, token <jti>, officer <officer> or supplier <id>');
  const until = values.until === undefined ? undefined : new Date(values.until);
  if (until !== undefined && !(until.getTime() > Date.now()))
    throw new UsageError('--until takes a time to come, such as 2027-01-01T00:00:00+07:00');
  const perMinute = values['per-minute'];
  if (perMinute !== undefined && !/^[1-9][0-9]{0,2}$/.test(perMinute)) throw new UsageError('--per-minute takes a number from 1 to 600');
  const { shutOut: made } = (await operate(line, values, '', {
    kind,
    ...Object.fromEntries(members.map((member, i) => [member, named[i]])),
    ...(until === undefined ? {} : { until: until.toISOString() }),
    ...(perMinute === undefined ? {} : { perMinute: Number(perMinute) }),
    ...signedBy(values),
  })) as { shutOut: Shown };
  line.out(told(made));
  return 0;
};

export const letIn: Command = async (argv, line) => {
  const { values, positionals } = parseArgs({ args: argv, allowPositionals: true, options: SIGNED });
  const id = required(positionals[0], 'the identifier of the shut-out');
  const { shutOut: lifted } = (await operate(line, values, `/${encodeURIComponent(id)}/lift`, signedBy(values))) as { shutOut: Shown };
  line.out(told(lifted));
  return 0;
};

export const shutOuts: Command = async (argv, line) => {
  const { values } = parseArgs({ args: argv, options: { ...OPERATOR, all: { type: 'boolean', default: false } } });
  const { shutOuts: listed } = (await operate(line, values, values.all ? '?all=true' : '')) as { shutOuts: Shown[] };
  line.out(listed.length === 0 ? 'nobody is shut out' : listed.map(told).join('\n'));
  return 0;
};

const signedBy = ({ reason, officer }: { reason?: string | undefined; officer?: string | undefined }): object => ({
  reason: required(reason, '--reason'),
  officer: required(officer, '--officer, the official of the operator who decides,'),
});

function operate(
  line: CommandLine,
  { operator, key }: { readonly operator: string; readonly key?: string | undefined },
  path: string,
  body?: object,
): Promise<unknown> {
  return client(line, operator, key).operate(`/v1/shut-outs${path}`, body);
}

function told({ id, kind, whose, value, perMinute, reason, by, from, until, holds, lifted }: Shown): string {
  const who = [kind, kind === 'officer' ? undefined : whose, value].filter((word) => word !== undefined).join(' ');
  const how = perMinute === undefined ? 'shut out' : `slowed to ${perMinute} a minute`;
  const when = `from ${from}${until === undefined ? '' : ` until ${until}`}`;
  const since = lifted && `; let in at ${lifted.at}, by ${lifted.by.officer ?? lifted.by.agency}: ${lifted.reason}`;
  const over = holds || since !== undefined ? '' : ' (over)';
  return clean(`${id}  ${who} ${how} ${when}${over}, by ${by.officer ?? by.agency}: ${reason}${since ?? ''}`);
}
