/** Randomness that can be had again: a test prints its seed, and `SEED=` runs it again. */

/** The seed of a run: a new one each time, or the one in `SEED` to see a failure again. */
export const seedOf = (): number => Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Numbers in [0, below) from a seed (mulberry32): equal seeds, equal numbers. */
export function chance(seed: number): (below: number) => number {
  const next = bits(seed);
  return (below) => next() % below;
}

/** Numbers in [0, 1) from a seed. */
export function numbers(seed: number): () => number {
  const next = bits(seed);
  return () => next() / 2 ** 32;
}

function bits(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}
