/** How the hand-written endpoint posts JSON to a registry: with the global fetch, or with undici.request. */
import { request } from 'undici';

/** The answer's JSON, or undefined for a record that is not there. Throws for everything else. */
export type Post = (url: string, headers: Record<string, string>, body: object) => Promise<unknown>;

const TIMEOUT_MS = 1500;

export const viaFetch: Post = async (url, headers, body) => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.json();
};

export const viaUndici: Post = async (url, headers, body) => {
  const response = await request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
  });
  if (response.statusCode === 200) return response.body.json();
  await response.body.dump();
  if (response.statusCode === 404) return undefined;
  throw new Error(`status ${response.statusCode}`);
};
