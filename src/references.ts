/** Where a reference to a secret leads: `env:NAME` or `file:/path`. */
import { readFileSync } from 'node:fs';

export const isReference = (text: string): boolean => /^(env|file):/.test(text);

/** Undefined where it leads to nothing. `secret` reads the environment. */
export function referredTo(reference: string, secret: (name: string) => string | undefined): string | undefined {
  const name = reference.slice(reference.indexOf(':') + 1);
  if (reference.startsWith('env:')) return secret(name) || undefined;
  try {
    return readFileSync(name, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
