/*
 * Seeded streams. Each use of chance (jitter of one agent, choice of addresses) has a stream of its
 * own, derived from the run's seed and a name, so that switching one use off does not move the others.
 */

const MIX = 0x9e3779b9;

/** FNV-1a of a name, to give each stream a state of its own. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** A stream of pseudo-random numbers (sfc32): equal seed and name give an equal stream on every platform. */
export class RandomStream {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, name: string) {
    this.#a = seed >>> 0;
    this.#b = Math.floor(seed / 2 ** 32) >>> 0;
    this.#c = hashName(name) ^ MIX;
    for (let i = 0; i < 15; i++) this.nextUint32();
  }

  /** The next integer in 0..2^32-1. */
  nextUint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** An integer in 0..`bound`-1; `bound` in 1..2^32. */
  below(bound: number): number {
    return Math.floor((this.nextUint32() / 2 ** 32) * bound);
  }

  /** `mean` spread uniformly over ±`share` of it, as an integer. */
  jitter(mean: number, share: number): number {
    if (share === 0) return Math.round(mean);
    return Math.round(mean * (1 - share + (2 * share * this.nextUint32()) / 2 ** 32));
  }
}
