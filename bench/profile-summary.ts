/** A CPU profile as three lists: self time by package, self time by function, and inclusive time of Oncegate's own functions. */
import type { Profiler } from 'node:inspector';

const IDLE = new Set(['(idle)', '(root)']);
const MOST = 40;

export function summarise({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile, requests: number): string {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id] as const)));
  const self = new Map<number, number>();
  samples.forEach((id, i) => {
    self.set(id, (self.get(id) ?? 0) + (timeDeltas[i] ?? 0));
  });

  const lists = { packages: new Map<string, number>(), functions: new Map<string, number>(), own: new Map<string, number>() };
  const add = (list: Map<string, number>, name: string, time: number): void => void list.set(name, (list.get(name) ?? 0) + time);
  for (const [id, time] of self) {
    const node = byId.get(id);
    if (node === undefined || IDLE.has(node.callFrame.functionName)) continue;
    add(lists.packages, packageOf(node.callFrame), time);
    add(lists.functions, nameOf(node.callFrame), time);
    const counted = new Set<string>();
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const frame = byId.get(at)?.callFrame;
      const name = frame && isOwn(frame) ? nameOf(frame) : undefined;
      // A function that calls itself is counted once.
      if (name !== undefined && !counted.has(name)) add(lists.own, name, time);
      if (name !== undefined) counted.add(name);
    }
  }
  return Object.entries(lists)
    .map(([title, list]) => `${title}\n${topOf(list, requests)}\n`)
    .join('\n');
}

function topOf(list: ReadonlyMap<string, number>, requests: number): string {
  return [...list]
    .sort(([, a], [, b]) => b - a)
    .slice(0, MOST)
    .map(([name, time]) => `${(time / requests).toFixed(1).padStart(8)}  ${name}`)
    .join('\n');
}

const isOwn = ({ url }: { url: string }): boolean => url !== '' && !url.startsWith('node:') && !url.includes('/node_modules/');

function packageOf({ url, functionName }: { url: string; functionName: string }): string {
  const inside = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1];
  if (inside !== undefined) return inside;
  if (url.startsWith('node:')) return 'node';
  return url === '' ? (functionName.startsWith('(') ? functionName : 'native') : (/\/(src|adapters|bench)\//.exec(url)?.[1] ?? url);
}

function nameOf({ url, functionName, lineNumber }: { url: string; functionName: string; lineNumber: number }): string {
  const file = url.replace(/^.*\/(?=node_modules\/|src\/|adapters\/|bench\/)/, '');
  return `${functionName || '(anonymous)'} ${url === '' ? '' : `${file}:${lineNumber + 1}`}`;
}
