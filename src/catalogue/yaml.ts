/** Reads a file that people write as YAML, and finds where in it a value stands. */
import { parseDocument } from 'yaml';
import type { Content } from './content.ts';
import { problem } from './faults.ts';

const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|["'\s{,]["']?d["']?\s*:\s*["']?[A-Za-z0-9_-]{40,}/;

export function readYaml(text: string): Content {
  // Parsed anew where somebody asks: only a fault does, and a document is many times its text.
  let asked: ReturnType<typeof parse> | undefined;
  const lineOf = (pointer: string): number | undefined => {
    asked ??= parse(text);
    const offset = offsetOf(asked, pointer);
    return offset === undefined ? undefined : lineAt(text, offset);
  };
  // Said alone and without the text: a fault is printed and logged, and any other of this file could repeat the key.
  const key = text.search(PRIVATE_KEY);
  if (key >= 0) {
    const said = problem(lineAt(text, key), '', 'private-key', 'the file seems to hold a private key; only public keys belong here');
    return { value: null, problems: [said], lineOf };
  }
  const document = parse(text);
  // Not the parser's message, which quotes the file: what a link leads to may be no configuration at all.
  const problems = document.errors.map(({ code, pos }) =>
    problem(lineAt(text, pos[0]), '', 'yaml', `is not YAML here (${code.toLowerCase().replaceAll('_', ' ')})`),
  );
  if (problems.length > 0) return { value: null, problems, lineOf };
  try {
    return { value: document.toJS({ maxAliasCount: 100 }) as unknown, problems, lineOf };
  } catch {
    return { value: null, problems: [problem(lineOf(''), '', 'yaml', 'refers to its own parts too often')], lineOf };
  }
}

const parse = (text: string) => parseDocument(text, { uniqueKeys: true, strict: true, prettyErrors: false });

const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;

function offsetOf(document: ReturnType<typeof parse>, pointer: string): number | undefined {
  const path =
    pointer === ''
      ? []
      : pointer
          .slice(1)
          .split('/')
          .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length).map(indexOrName), true);
    const range = (node as { range?: [number, number, number] } | null)?.range;
    if (range) return range[0];
  }
  return undefined;
}

const indexOrName = (part: string): string | number => (/^[0-9]+$/.test(part) ? Number(part) : part);
