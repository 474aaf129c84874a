/** A program that signs for the gateway, well or as badly as it is told: `how`, the file of its key, and a file that says it was bad once already. */
import { createPrivateKey, sign } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [, , told = '', file = '', flag = ''] = process.argv;
const key = createPrivateKey(readFileSync(file, 'utf8'));
const signed = (line: string): string => {
  const bytes = Buffer.from(line, 'base64');
  const by = told === 'raw' ? { key, dsaEncoding: 'ieee-p1363' as const } : key;
  return sign(key.asymmetricKeyType === 'ec' ? 'sha256' : null, bytes, by).toString('base64');
};
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const held: string[] = [];
const HOW: Record<string, (line: string) => void> = {
  hangs: () => {},
  dies: () => process.exit(3),
  garbles: () => say('what?'),
  'says nothing': () => say(''),
  'signs something else': (line) => say(signed(`AAAA${line}`)),
  'out of turn': (line) => {
    held.push(line);
    if (held.length === 2) held.reverse().forEach((one) => void say(signed(one)));
  },
  'one by one too late': (line) => {
    say(held.length === 0 ? signed('') : signed(held.pop() ?? ''));
    held.push(line);
  },
  floods: () => void process.stdout.write('A'.repeat(1_000_000)),
  'floods with lines': () => void process.stdout.write('A\n'.repeat(500_000)),
  'answers twice': (line) => say(`${signed(line)}\n${signed(line)}`),
  refuses: () => say('error the device is busy with the key of 003099000017'),
  /** As long as the flag is not there. */
  gated: (line) => say(existsSync(flag) ? signed(line) : 'error'),
};
const bad = Object.hasOwn(HOW, told) && (told === 'gated' || !existsSync(flag));
if (bad && told !== 'gated') writeFileSync(flag, '');
process.stderr.write('secret words\n');
createInterface(process.stdin).on('line', (bad ? HOW[told] : undefined) ?? ((line: string) => say(signed(line))));
