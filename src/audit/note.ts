/** Signed notes (C2SP signed-note): a text, and below it a line for each signature. Pure. */
import { fromBase64, type VerifierKey } from './vkey.ts';

export interface SignedNote {
  /** The text with its last newline: what is signed. */
  readonly body: string;
  readonly signatures: readonly NoteSignature[];
}

export interface NoteSignature {
  readonly name: string;
  readonly id: Buffer;
  readonly signature: Buffer;
  /** As it stands in the note, without its newline. */
  readonly line: string;
}

/** Throws an Error where the text has not the form of a signed note. Who signed it is not checked. */
export function parseNote(text: string): SignedNote {
  // The last empty line divides: a text may hold empty lines, signatures do not.
  const end = text.lastIndexOf('\n\n');
  if (end < 0 || !text.endsWith('\n') || hasControls(text)) throw new Error('the checkpoint is not a signed note');
  return { body: text.slice(0, end + 1), signatures: parseSignatures(text.slice(end + 2)) };
}

/** The signatures of such lines, each once. One that no key could have made is left out. Throws where a line has not the form of a signature. */
export function parseSignatures(lines: string): NoteSignature[] {
  // Repeated lines are dropped: each would cost another verification.
  const found = [...new Set(lines.slice(0, -1).split('\n'))].map((line) => /^— ([^\s+\p{Cc}]+) ([A-Za-z0-9+/=]+)$/u.exec(line));
  if (found.includes(null) || !lines.endsWith('\n')) throw new Error('the checkpoint holds a line that is no signature');
  return found.flatMap((match) => {
    const [line = '', name = '', encoded = ''] = match ?? [];
    const bytes = fromBase64(encoded);
    return bytes === undefined || bytes.length < 5 ? [] : [{ name, id: bytes.subarray(0, 4), signature: bytes.subarray(4), line }];
  });
}

/** The line, with its newline, that says that `key` made the signature. */
export const signatureLine = (key: Pick<VerifierKey, 'name' | 'id'>, signature: Uint8Array): string =>
  `— ${key.name} ${Buffer.concat([key.id, signature]).toString('base64')}\n`;

/** The note of a text and signature lines, each of them once. */
export const formatNote = (body: string, lines: readonly string[]): string => `${body}\n${[...new Set(lines)].join('')}`;

/** Whether the line is by this key. Name and identifier together say whose it is; either alone may be another’s. */
export const isBy = ({ name, id }: NoteSignature, key: VerifierKey): boolean => name === key.name && id.equals(key.id);

const hasControls = (text: string): boolean => [...text].some((character) => character < ' ' && character !== '\n');
