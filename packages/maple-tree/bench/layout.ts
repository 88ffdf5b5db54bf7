/*
 * The ranges, orders and queries of the workloads, from a generator that the C program has too: the same numbers
 * in both languages. Ranges are [start, end) in bytes, whole pages of 4096.
 */

export const PAGE = 4096;

/** Marsaglia's xorshift with 32 bits of state. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** 32 bits. */
  next(): number {
    let s = this.#state;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.#state = s;
    return s >>> 0;
  }

  /** An integer below `n`, which is at most 2^21 here: the product is exact. */
  below(n: number): number {
    return Math.floor((this.next() * n) / 2 ** 32);
  }

  /** A page below `limit`, from 53 bits. */
  page(limit: number): number {
    const high = this.next();
    const low = this.next() >>> 11;
    return (high * 2_097_152 + low) % limit;
  }
}

/** Ranges that ascend; range `i` holds the value `i + 1`. */
export interface Layout {
  readonly n: number;
  /** First byte of each, and the first behind it. */
  readonly start: Float64Array;
  readonly end: Float64Array;
  /** First page behind everything, with sixteen free ones before it. */
  readonly limitPage: number;
}

/** What is mapped to begin with: mostly small gaps, and a large one after every 1008 ranges. */
export function layoutOf(n: number): Layout {
  const random = new Random(12345);
  const start = new Float64Array(n);
  const end = new Float64Array(n);
  let page = 16;
  for (let i = 0; i < n; i++) {
    page += i % 1009 === 1008 ? 256 + random.below(256) : random.below(32);
    const size = 1 + random.below(64);
    start[i] = page * PAGE;
    page += size;
    end[i] = page * PAGE;
  }
  return { n, start, end, limitPage: page + 16 };
}

/** The numbers below `n` in random order (Fisher and Yates). */
export function shuffled(n: number): Int32Array {
  const random = new Random(777);
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i >= 1; i--) {
    const j = random.below(i + 1);
    const other = order[j];
    order[j] = order[i];
    order[i] = other;
  }
  return order;
}

/** Addresses to look up, eight of ten in a range. */
export function lookupAddresses({ n, start, end }: Layout, count: number): Float64Array {
  const random = new Random(4242);
  return Float64Array.from({ length: count }, () => {
    if (random.below(10) < 8) {
      const i = random.below(n);
      const page = random.below((end[i] - start[i]) / PAGE);
      return start[i] + page * PAGE + random.below(PAGE);
    }
    let i: number;
    do i = random.below(n - 1);
    while (end[i] === start[i + 1]);
    const page = random.below((start[i + 1] - end[i]) / PAGE);
    return end[i] + page * PAGE + random.below(PAGE);
  });
}

/** One step of a hash of contents, after Fowler, Noll and Vo, over numbers of pages. */
export function mixRange(hash: number, start: number, end: number, value: number): number {
  let h = Math.imul(hash ^ (start / PAGE), 16_777_619);
  h = Math.imul(h ^ (end / PAGE), 16_777_619);
  return Math.imul(h ^ value, 16_777_619);
}

export const MIX_BASIS: number = 2_166_136_261 | 0;
