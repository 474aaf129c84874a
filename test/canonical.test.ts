/** Canonical JSON: the examples of RFC 8785, and agreement with the library that the verifier uses. */
import canonicalize from 'canonicalize';
import t from 'tap';
import { canonicalJson } from '../src/audit/canonical.ts';
import { chance, seedOf } from './support/chance.ts';

const EXAMPLES: readonly [name: string, value: unknown, text: string][] = [
  [
    'RFC 8785 §3.2.2: numbers, strings, literals',
    {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    },
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  ],
  [
    'RFC 8785 §3.2.3: members by UTF-16 code units',
    {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    },
    '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
  ],
  ['RFC 8785 appendix B: minus zero is zero', -0, '0'],
  ['RFC 8785 appendix B: the smallest number', 5e-324, '5e-324'],
  ['RFC 8785 appendix B: the largest number', 1.7976931348623157e308, '1.7976931348623157e+308'],
  ['RFC 8785 appendix B: where exponents begin', [1e21, 1e20, 9007199254740992], '[1e+21,100000000000000000000,9007199254740992]'],
  ['nothing inside', [{}, [], ''], '[{},[],""]'],
  ['members that are undefined are not there', { b: undefined, a: 1 }, '{"a":1}'],
];

t.test('examples', async (t) => {
  for (const [name, value, text] of EXAMPLES) t.equal(canonicalJson(value), text, name);
});

t.test('what has no canonical JSON is refused', async (t) => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, '\ud800', { '\udc00': 1 }, undefined, () => 1, 1n, [undefined]])
    t.throws(() => canonicalJson(value), TypeError);
});

t.test('any value is written as the verifier’s library writes it', async (t) => {
  const seed = seedOf();
  t.comment(`SEED=${seed}`);
  const random = chance(seed);
  const text = (): string =>
    Array.from({ length: random(8) }, () =>
      String.fromCodePoint([random(128), 0xc0 + random(400), 0x1ea0 + random(90), 0x1f600 + random(60)][random(4)] as number),
    ).join('');
  const value = (depth: number): unknown => {
    switch (random(depth > 4 ? 4 : 6)) {
      case 0:
        return text();
      case 1:
        return (random(2 ** 31) - 2 ** 30) * 10 ** (random(60) - 30);
      case 2:
        return random(2) === 0;
      case 3:
        return null;
      case 4:
        return Array.from({ length: random(5) }, () => value(depth + 1));
      default:
        return Object.fromEntries(Array.from({ length: random(6) }, () => [text(), value(depth + 1)]));
    }
  };
  for (let i = 0; i < 3000; i++) {
    const any = value(0);
    const ours = canonicalJson(any);
    if (ours !== canonicalize(any)) t.equal(ours, canonicalize(any));
  }
});
