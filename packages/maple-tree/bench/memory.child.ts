/* W8: what one map costs. A process of its own, with --expose-gc, because nothing else may be in memory. */
import { ENTRANTS } from "./contestants.ts";
import { inputsOf, insertRandom } from "./workloads.ts";

/** What the process answers. */
export interface MemoryAnswer {
  /** V8's heap and array buffers. */
  readonly heapBytes: number;
  /** What the system counts. */
  readonly residentBytes: number;
  readonly ms: number;
}

function settle(): NodeJS.MemoryUsage {
  for (let i = 0; i < 4; i++) globalThis.gc?.();
  return process.memoryUsage();
}

const { entrant, n } = JSON.parse(process.argv[2]) as { entrant: number; n: number };
const contestant = await ENTRANTS[entrant].load();
const inputs = inputsOf(n, 1);
const random = n <= (contestant.mostShuffled ?? Number.POSITIVE_INFINITY);
const before = settle();
const start = performance.now();
const map = contestant.make(false);
const batch = contestant.batch ?? ((_: unknown, fn: () => void): void => fn());
batch(map, () => {
  if (random) insertRandom(map, inputs);
  else for (let i = 0; i < n; i++) map.insert(inputs.layout.start[i], inputs.layout.end[i], i + 1);
});
const ms = performance.now() - start;
const after = settle();
const answer: MemoryAnswer = {
  heapBytes: after.heapUsed + after.external - before.heapUsed - before.external,
  residentBytes: after.rss - before.rss,
  ms,
};
if (map.lookup(inputs.layout.start[0]) !== 1) throw new Error("the map has lost its first range");
process.send?.(answer);
