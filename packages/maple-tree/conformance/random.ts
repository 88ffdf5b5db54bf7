/*
 * Replays a trace of random operations, whose first line is a header with `"format":"maple-random-1"`. The
 * format is described in test/data/README.md. Indices above 2^53-1 do not occur except as "max".
 */
import { Arena } from "@faultline/arena";
import {
  KERNEL_GEOMETRY,
  MAX_INDEX,
  type MapleCursor,
  MapleError,
  SharedMapleTree,
} from "@faultline/maple-tree";
import {
  type Differences,
  differs,
  indexOf as index,
  type Json,
  jsonOf as json,
  type Line,
  parse,
  type ReplayOptions,
} from "./trace.ts";

export const RANDOM_FORMAT = "maple-random-1";

/** What a replay of this format counts. */
export interface RandomCounts {
  operations: number;
  dumps: number;
  sameLayout: number;
  validations: number;
}

/** Replays the lines behind the header. */
export function replayRandom(
  lines: readonly string[],
  differences: Differences,
  options: ReplayOptions,
): RandomCounts {
  const { mode, rcu } = parse(lines[0]!) as { mode?: Json; rcu?: Json };
  const run = new Run(
    mode === "alloc",
    options.rcu ?? rcu === true,
    options.validateEvery ?? 100,
    differences,
  );
  for (let i = 1; i < lines.length; i++) {
    if (lines[i] !== "") run.line(i + 1, lines[i]!);
  }
  return run.counts;
}

class Run {
  readonly #tree: SharedMapleTree;
  readonly #validateEvery: number;
  readonly #differences: Differences;
  readonly counts: RandomCounts = { operations: 0, dumps: 0, sameLayout: 0, validations: 0 };

  constructor(gaps: boolean, rcu: boolean, validateEvery: number, differences: Differences) {
    const arena = Arena.create({ bytes: 1 << 20, bytesMax: 1 << 28 });
    this.#tree = SharedMapleTree.create(arena, { geometry: KERNEL_GEOMETRY, gaps, rcu });
    this.#validateEvery = validateEvery;
    this.#differences = differences;
  }

  line(number: number, text: string): void {
    const line = parse(text);
    const fail = (message: string): void => this.#differences.add(number, text, message);
    if (!Array.isArray(line)) return fail("not a JSON array");
    this.counts.operations++;
    try {
      const message = this.#operation(line);
      if (message !== undefined) fail(message);
      if (line[0] === "d" || this.counts.operations % this.#validateEvery === 0) this.#validate(fail);
    } catch (error) {
      fail(`threw ${String(error)}`);
    }
  }

  #validate(fail: (message: string) => void): void {
    this.counts.validations++;
    for (const v of this.#tree.validate()) fail(`${v.invariant} violated: ${v.message}`);
  }

  /** Runs one line; the difference if there is one. */
  #operation(line: Line): string | undefined {
    const tree = this.#tree;
    const [op, a, b, c, d, e] = line;
    switch (op) {
      case "s":
        tree.storeRange(index(a), index(b), Number(c));
        return;
      case "n":
        tree.storeRange(index(a), index(b), 0);
        return;
      case "i":
        return differs([insert(tree, index(a), index(b), Number(c))], [d]);
      case "e":
        return differs([entry(tree.erase(index(a)))], [b]);
      case "l":
        return differs([entry(tree.load(index(a)))], [b]);
      case "f":
        return differs(
          stepResult(tree.cursor(index(a)), (m) => m.find(index(b))),
          line.slice(3),
        );
      case "r":
        return differs(
          stepResult(tree.cursor(index(a)), (m) => m.findRev(index(b))),
          line.slice(3),
        );
      case "F":
        return differs(mtFind(tree, index(a), index(b)), [c, d]);
      case "N":
        return differs(
          walkAnd(tree, line, (m, limit) => m.next(limit), false),
          [d],
        );
      case "P":
        return differs(
          walkAnd(tree, line, (m, limit) => m.prev(limit), false),
          [d],
        );
      case "NR":
        return differs(
          walkAnd(tree, line, (m, limit) => m.nextRange(limit), true),
          [d],
        );
      case "PR":
        return differs(
          walkAnd(tree, line, (m, limit) => m.prevRange(limit), true),
          [d],
        );
      case "a":
      case "A": {
        const cursor = tree.cursor();
        const size = index(c);
        const ret =
          op === "a"
            ? cursor.emptyArea(index(a), index(b), size)
            : cursor.emptyAreaRev(index(a), index(b), size);
        return differs(
          ret === 0 ? [ret, json(cursor.index), json(cursor.last)] : [ret],
          ret === 0 ? [d, e, line[6]!] : [d],
        );
      }
      case "d":
        this.counts.dumps++;
        if (sameLayout(tree, a)) this.counts.sameLayout++;
        return dumpDiffers(tree, a, b);
      default:
        return `unknown operation ${JSON.stringify(op)}`;
    }
  }
}

function entry(value: number): Json {
  return value === 0 ? null : value;
}

function insert(tree: SharedMapleTree, first: number, last: number, value: number): number {
  try {
    tree.insertRange(first, last, value);
    return 0;
  } catch (error) {
    if (error instanceof MapleError && error.code === "EEXIST") return -17;
    throw error;
  }
}

function stepResult(cursor: MapleCursor, step: (cursor: MapleCursor) => number): Json[] {
  const found = step(cursor);
  return found === 0 ? [null] : [found, json(cursor.index), json(cursor.last)];
}

/** mt_find(): the entry at or behind an index, and the index to go on with. */
function mtFind(tree: SharedMapleTree, at: number, max: number): Json[] {
  const found = tree.find(at, max);
  if (found === undefined) return [null, json(at)];
  return [found.entry, json(found.last === MAX_INDEX ? 0 : found.last + 1)];
}

function walkAnd(
  tree: SharedMapleTree,
  [, at, limit, count]: Line,
  step: (cursor: MapleCursor, limit: number) => number,
  ranges: boolean,
): Json[] {
  const cursor = tree.cursor(index(at));
  const first = cursor.walk();
  const found: Json[] = [[json(cursor.index), json(cursor.last), entry(first)]];
  for (let n = 0; n < Number(count); n++) {
    const value = step(cursor, index(limit));
    const ended = cursor.status === "overflow" || cursor.status === "underflow" || cursor.status === "none";
    if (value === 0 && (!ranges || ended)) break;
    found.push([json(cursor.index), json(cursor.last), entry(value)]);
  }
  return [found];
}

function sameLayout(tree: SharedMapleTree, layout: Json | undefined): boolean {
  const { height, leaf, range, arange } = layout as { [key: string]: number };
  return tree.height === height && tree.nodeCount === leaf! + range! + arange!;
}

/** Contents exactly; largest gap exactly unless it is the tail, whose width depends on the index domain. */
function dumpDiffers(
  tree: SharedMapleTree,
  layout: Json | undefined,
  ranges: Json | undefined,
): string | undefined {
  const ours = [...tree.entries()].map((r) => [json(r.first), json(r.last), r.entry]);
  const contents = differs(ours, ranges as Json[]);
  if (contents !== undefined) return `contents: ${contents}`;
  const { rootGap } = layout as { rootGap: Json };
  if (rootGap === null) return undefined;
  if (typeof rootGap === "number") return differs([tree.largestGap()], [rootGap]);
  const empty = [...tree.ranges()].filter((r) => r.entry === 0);
  const widest = Math.max(...empty.map((r) => r.last - r.first + 1));
  if (empty.at(-1)?.last !== MAX_INDEX) return "the tail is not a gap";
  return differs([tree.largestGap()], [widest]);
}
