/** Looks for marked people in bytes, however they may have been written down. */
import { hash } from 'node:crypto';

/** What shows that a mark is there → the bytes that would show it. */
export type Spellings = ReadonlyMap<string, readonly Buffer[]>;

const stripped = (text: string): string => text.normalize('NFD').replaceAll(/\p{M}/gu, '').replaceAll('Đ', 'D').replaceAll('đ', 'd');

/** Base64 says the same three ways, by where it begins; the first and last characters depend on what stands around it. */
function base64Of(bytes: Buffer): Buffer[] {
  return ['', 'x', 'xx'].flatMap((before) => {
    const whole = Buffer.concat([Buffer.from(before), bytes]).toString('base64');
    const inner = whole.replaceAll('=', '').slice(before.length === 0 ? 0 : before.length + 1, -1);
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')].map((text) => Buffer.from(text));
  });
}

/** Every way in which a number, a name or a text could stand somewhere, digests that need no key among them. */
export function spellingsOf(marks: Iterable<string>): Spellings {
  return new Map(
    [...marks].map((mark) => {
      const texts = new Set(
        [mark, mark.toLowerCase(), mark.toUpperCase(), stripped(mark), stripped(mark).toLowerCase()].flatMap((text) => [
          text,
          text.normalize('NFD'),
          encodeURIComponent(text),
          new URLSearchParams({ a: text }).toString().slice(2),
          JSON.stringify(text).slice(1, -1),
          text.replaceAll(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`),
          text.replaceAll(' ', ''),
        ]),
      );
      const plain = Buffer.from(mark);
      const digests = ['sha256', 'sha1', 'md5'].flatMap((name) => {
        const digest = hash(name, mark, 'buffer');
        return [digest, ...['hex', 'base64', 'base64url'].map((form) => Buffer.from(digest.toString(form as 'hex').replaceAll('=', '')))];
      });
      const bytes = [
        ...[...texts].map((text) => Buffer.from(text)),
        Buffer.from(mark, 'utf16le'),
        Buffer.from(plain.toString('hex')),
        ...base64Of(plain),
        ...digests,
        // As a number, a database's or a file's own way.
        ...(/^[0-9]{12}$/.test(mark) ? [bigEndian(mark), bigEndian(mark).reverse(), Buffer.from(String(Number(mark)))] : []),
      ];
      const byText = new Map(bytes.map((one) => [one.toString('hex'), one]));
      return [mark, [...byText.values()]];
    }),
  );
}

function bigEndian(digits: string): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(digits));
  return Buffer.from(bytes);
}

/** Which marks stand in the bytes, each with some of what stands around it. */
export function marksIn(bytes: Buffer, spellings: Spellings): string[] {
  return [...spellings].flatMap(([mark, ways]) =>
    ways.flatMap((way) => {
      const at = bytes.indexOf(way);
      return at < 0 ? [] : [`${mark}: …${bytes.subarray(Math.max(0, at - 60), at + way.length + 40).toString('latin1')}…`];
    }),
  );
}
