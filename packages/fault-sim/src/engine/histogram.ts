const SUB_BITS = 5;
const SUB = 1 << SUB_BITS;

/** Quantiles of one kind of operation; times in picoseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Counts durations in buckets of 1/32 of an octave: quantiles are exact to about 3 %, mean and max exactly. */
export class Histogram {
  #buckets: Float64Array = new Float64Array(54 * SUB);
  #count = 0;
  #sum = 0;
  #max = 0;

  /** Adds one duration, an integer in 0..2^53-1 picoseconds. Allocates nothing. */
  add(picoseconds: number): void {
    const bucket = bucketOf(picoseconds);
    this.#buckets[bucket] = this.#buckets[bucket]! + 1;
    this.#count++;
    this.#sum += picoseconds;
    if (picoseconds > this.#max) this.#max = picoseconds;
  }

  get count(): number {
    return this.#count;
  }

  /** Upper edge of the bucket in which the share `q` (0..1) of all durations is reached; 0 if empty. */
  quantile(q: number): number {
    let left = Math.max(1, Math.ceil(q * this.#count));
    for (let bucket = 0; bucket < this.#buckets.length; bucket++) {
      left -= this.#buckets[bucket]!;
      if (left <= 0) return Math.min(this.#max, upperEdge(bucket));
    }
    return this.#max;
  }

  summary(): LatencySummary {
    return {
      count: this.#count,
      mean: this.#count === 0 ? 0 : Math.round(this.#sum / this.#count),
      p50: this.quantile(0.5),
      p90: this.quantile(0.9),
      p99: this.quantile(0.99),
      p999: this.quantile(0.999),
      max: this.#max,
    };
  }
}

function bucketOf(value: number): number {
  if (value < SUB) return value;
  const octave =
    value < 2 ** 31 ? 31 - Math.clz32(value) : 31 + (31 - Math.clz32(Math.floor(value / 2 ** 31)));
  return (octave - SUB_BITS + 1) * SUB + Math.floor(value / 2 ** (octave - SUB_BITS)) - SUB;
}

function upperEdge(bucket: number): number {
  if (bucket < SUB) return bucket;
  const octave = Math.floor(bucket / SUB) + SUB_BITS - 1;
  return ((bucket % SUB) + SUB + 1) * 2 ** (octave - SUB_BITS) - 1;
}
