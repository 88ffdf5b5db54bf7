/*
 * The workloads, as they run inside a contestant's process. Each returns its time and what it found: the same
 * for every library, or the run is void.
 */
import {
  type Layout,
  layoutOf,
  lookupAddresses,
  MIX_BASIS,
  mixRange,
  PAGE,
  Random,
  shuffled,
} from "./layout.ts";
import type { Contestant, RangeMap } from "./range-map.ts";

/** One measurement. */
export interface Sample {
  readonly workload: string;
  readonly nsPerOp: number;
  /** What was found, in order: a library that does fewer operations has just the first. */
  readonly check: readonly number[];
}

/** Every workload by name, in the order of the report. */
export const WORKLOADS = [
  "W1 random insert",
  "W1 append",
  "W1 bulk load",
  "W2 lookup",
  "W2 batched",
  "W3 iterate",
  "W3 scan",
  "W4 window of 100",
  "W5 overwrite",
  "W6 gap easy low",
  "W6 gap easy high",
  "W6 gap hard low",
  "W6 gap hard high",
  "W7 churn",
] as const;

/** Measured in a process of its own: see memory.child.ts. */
export const MEMORY = "W8 memory";

const LOOKUPS = 1_000_000;
/** All libraries look up at least these. */
const FEW_LOOKUPS = 100_000;
const BATCH = 1_000;
const WINDOWS = 10_000;
const WINDOW = 100;
/** So many ranges are inserted or visited at least that neither the clock nor a cold start matters. */
const INSERTS = 50_000;
/** A bulk load is one call, which is optimized only after some: with a fifth of these it took twice the time. */
const BULK_LOADS = 500_000;
/** A visit takes a few nanoseconds: with a tenth of these the time was that of code not yet optimized. */
const VISITS = 2_000_000;
const CHURN = 100_000;

interface Gaps {
  readonly seed: number;
  readonly count: number;
  readonly least: number;
  readonly spread: number;
}

const EASY: Gaps = { seed: 31337, count: 20_000, least: 1, spread: 16 };
const HARD: Gaps = { seed: 31338, count: 2_000, least: 64, spread: 192 };

/** What several rounds of a process share. */
export interface Inputs {
  readonly layout: Layout;
  readonly order: Int32Array;
  readonly addresses: Float64Array;
}

/** The inputs of `n` ranges. */
export function inputsOf(n: number, lookups: number = LOOKUPS): Inputs {
  const layout = layoutOf(n);
  return { layout, order: shuffled(n), addresses: lookupAddresses(layout, lookups) };
}

/** A map of the layout, inserted in random order. */
export function insertRandom(map: RangeMap, { layout: { n, start, end }, order }: Inputs): RangeMap {
  for (let k = 0; k < n; k++) {
    const i = order[k];
    map.insert(start[i], end[i], i + 1);
  }
  return map;
}

/** A map of the layout, inserted in the order of addresses. */
export function insertAscending(map: RangeMap, { n, start, end }: Layout): RangeMap {
  for (let i = 0; i < n; i++) map.insert(start[i], end[i], i + 1);
  return map;
}

/*
 * Small maps, without and with gaps, that stay alive and are used before each round. When the last object of a class is
 * collected V8 forgets the class's layout, and throws away all code that was optimized for it; with no map alive
 * between two builds every round began with cold code, and a random insert took twice the time. A program that uses maps
 * has one. Here they are small, lest the objects of a library's next map lie in the holes between those of the last.
 */
const kept: Map<boolean, RangeMap> = new Map();
const SMALL = 200;

/** The last ranges of a layout: fewer, with addresses that V8 holds as it holds those of the layout. */
function smallPart({ n, start, end, limitPage }: Layout): Layout {
  const from = Math.max(0, n - SMALL);
  return { n: n - from, start: start.subarray(from), end: end.subarray(from), limitPage };
}

/** Does with the small map what the workloads do, so that its objects are of the classes that theirs are. */
function useSmall(contestant: Contestant, layout: Layout, gaps: boolean): void {
  const small = smallPart(layout);
  const { start, end, n, limitPage } = small;
  const map = kept.get(gaps) ?? insertAscending(contestant.make(gaps), small);
  kept.set(gaps, map);
  const can = (workload: string): boolean => contestant.most?.[workload] !== 0;
  for (const address of start) map.lookup(address);
  map.lookupMany?.(start);
  map.sum();
  map.scan?.();
  map.window(start[n >> 1], WINDOW);
  if (can("W5")) map.overwrite(start[1], end[1], 2);
  if (!gaps || !can("W6")) return;
  map.gapLow(start[0], limitPage * PAGE, PAGE);
  map.gapHigh(start[0], limitPage * PAGE, PAGE);
  if (!can("W7")) return;
  map.erase(start[0]);
  map.insert(start[0], end[0], 1);
}

/** One round of all `wanted` workloads that the contestant takes part in. */
export function* round(
  contestant: Contestant,
  inputs: Inputs,
  wanted: (workload: string) => boolean,
): Generator<Sample> {
  const { layout } = inputs;
  const { n } = layout;
  const takes = (workload: string): boolean =>
    wanted(workload) && n <= (contestant.most?.[workload.slice(0, 2)] ?? Number.POSITIVE_INFINITY);
  const batch = contestant.batch ?? ((_: RangeMap, fn: () => void): void => fn());
  const build = (gaps: boolean, random: boolean): RangeMap => {
    const map = contestant.make(gaps);
    batch(map, () => (random ? insertRandom(map, inputs) : insertAscending(map, layout)));
    return map;
  };
  const inserts = (workload: string, random: boolean): Sample => {
    const times = Math.max(1, Math.round(INSERTS / n));
    const ms = timed(() => {
      for (let i = 0; i < times; i++) build(false, random);
    });
    return sample(workload, ms, times * n, [n]);
  };
  for (const gaps of [false, true]) useSmall(contestant, layout, gaps);
  globalThis.gc?.();
  const random = n <= (contestant.mostShuffled ?? Number.POSITIVE_INFINITY);
  if (takes("W1 random insert")) yield inserts("W1 random insert", true);
  if (takes("W1 append")) yield inserts("W1 append", false);
  globalThis.gc?.();
  const map = build(false, random);
  if (takes("W2 lookup")) yield lookups(map, inputs.addresses);
  if (takes("W2 batched") && map.lookupMany !== undefined) yield lookupsBatched(map, inputs.addresses);
  if (takes("W3 iterate")) yield iterate("W3 iterate", n, () => map.sum());
  if (takes("W3 scan")) {
    // Who has one way only goes it twice, and the faster time counts.
    yield map.scan === undefined
      ? iterate("W3 iterate", n, () => map.sum())
      : iterate("W3 scan", n, () => map.scan?.() ?? 0);
  }
  if (takes("W4 window of 100")) yield windows(map, layout);
  if (takes("W5 overwrite")) yield overwrites(map, layout);
  if (takes("W1 bulk load") && contestant.bulk !== undefined) yield bulkLoad(contestant.bulk, layout);
  if (!takes("W6 gap easy low") && !takes("W7 churn")) return;
  const gapped = build(true, random);
  if (takes("W6 gap easy low")) {
    for (const [name, gaps] of [["easy", EASY] as const, ["hard", HARD] as const]) {
      yield gapSearches(`W6 gap ${name} low`, gapped, layout, gaps, false);
      yield gapSearches(`W6 gap ${name} high`, gapped, layout, gaps, true);
    }
  }
  if (takes("W7 churn")) yield churn(gapped, layout);
}

function timed(fn: () => void): number {
  const start = performance.now();
  fn();
  return performance.now() - start;
}

function sample(workload: string, ms: number, count: number, check: readonly number[]): Sample {
  return { workload, nsPerOp: (ms * 1e6) / count, check };
}

function bulkLoad(bulk: NonNullable<Contestant["bulk"]>, layout: Layout): Sample {
  const times = Math.max(1, Math.round(BULK_LOADS / layout.n));
  let total = 0;
  let check: readonly number[] = [];
  for (let i = 0; i < times; i++) {
    const { ms, map } = bulk(layout);
    total += ms;
    if (i === 0) check = contents(map);
  }
  return sample("W1 bulk load", total, times * layout.n, check);
}

function lookups(map: RangeMap, addresses: Float64Array): Sample {
  const few = addresses.subarray(0, FEW_LOOKUPS);
  const rest = addresses.subarray(FEW_LOOKUPS);
  let first = 0;
  let total = 0;
  const ms = timed(() => {
    first = lookUpAll(map, few, 0);
    total = lookUpAll(map, rest, first);
  });
  return sample("W2 lookup", ms, addresses.length, rest.length === 0 ? [first] : [first, total]);
}

/** A thousand look-ups in a call; those who have no call for it take no part. */
function lookupsBatched(map: RangeMap, addresses: Float64Array): Sample {
  let sum = 0;
  const ms = timed(() => {
    for (let at = 0; at < addresses.length; at += BATCH) {
      sum = (sum + (map.lookupMany?.(addresses.subarray(at, at + BATCH)) ?? 0)) | 0;
    }
  });
  return sample("W2 batched", ms, addresses.length, [sum]);
}

function lookUpAll(map: RangeMap, addresses: Float64Array, from: number): number {
  let sum = from;
  for (let i = 0; i < addresses.length; i++) sum = (sum + map.lookup(addresses[i])) | 0;
  return sum;
}

function iterate(name: string, n: number, visitAll: () => number): Sample {
  const times = Math.max(1, Math.round(VISITS / n));
  let sum = 0;
  const ms = timed(() => {
    for (let i = 0; i < times; i++) sum = visitAll();
  });
  return sample(name, ms, times * n, [sum]);
}

function windows(map: RangeMap, { limitPage }: Layout): Sample {
  const random = new Random(99);
  const at = Float64Array.from({ length: WINDOWS }, () => random.page(limitPage) * PAGE);
  let sum = 0;
  const ms = timed(() => {
    for (let i = 0; i < WINDOWS; i++) sum += map.window(at[i], WINDOW);
  });
  return sample("W4 window of 100", ms, WINDOWS, [sum]);
}

function overwrites(map: RangeMap, { n, limitPage }: Layout): Sample {
  const random = new Random(555);
  const count = n <= 1_000 ? 10_000 : 100_000;
  const start = new Float64Array(count);
  const end = new Float64Array(count);
  for (let k = 0; k < count; k++) {
    start[k] = random.page(limitPage) * PAGE;
    end[k] = start[k] + (1 + random.below(128)) * PAGE;
  }
  const ms = timed(() => {
    for (let k = 0; k < count; k++) map.overwrite(start[k], end[k], n + 1 + k);
  });
  return sample("W5 overwrite", ms, count, contents(map));
}

function gapSearches(name: string, map: RangeMap, layout: Layout, gaps: Gaps, fromTop: boolean): Sample {
  const { seed, count, least, spread } = gaps;
  const random = new Random(seed);
  const limit = layout.limitPage * PAGE;
  const at = new Float64Array(count);
  const size = new Float64Array(count);
  for (let k = 0; k < count; k++) {
    at[k] = random.page(layout.limitPage) * PAGE;
    size[k] = (least + random.below(spread)) * PAGE;
  }
  let sum = 0;
  const ms = timed(() => {
    if (fromTop) for (let k = 0; k < count; k++) sum += map.gapHigh(16 * PAGE, at[k], size[k]);
    else for (let k = 0; k < count; k++) sum += map.gapLow(at[k], limit, size[k]);
  });
  return sample(name, ms, count, [sum]);
}

/** Ranges go and come elsewhere, as in an address space. */
function churn(map: RangeMap, { n, start, limitPage }: Layout): Sample {
  const random = new Random(90210);
  const limit = limitPage * PAGE;
  const live = Float64Array.from(start);
  const which = new Int32Array(CHURN);
  const size = new Float64Array(CHURN);
  const low = new Float64Array(CHURN);
  for (let k = 0; k < CHURN; k++) {
    which[k] = random.below(n);
    size[k] = (1 + random.below(64)) * PAGE;
    low[k] = random.page(limitPage) * PAGE;
  }
  const ms = timed(() => {
    for (let k = 0; k < CHURN; k++) {
      map.erase(live[which[k]]);
      let at = map.gapLow(low[k], limit, size[k]);
      if (at < 0) at = map.gapLow(16 * PAGE, 2 * limit, size[k]);
      map.insert(at, at + size[k], n + 1 + k);
      live[which[k]] = at;
    }
  });
  return sample("W7 churn", ms, CHURN, contents(map));
}

/** Number of ranges, and a hash of them. */
function contents(map: RangeMap): [number, number] {
  let count = 0;
  let hash = MIX_BASIS;
  map.visit((start, end, value) => {
    count++;
    hash = mixRange(hash, start, end, value);
  });
  return [count, hash];
}
