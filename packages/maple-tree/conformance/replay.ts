/*
 * Replays a recorded trace of the Linux 6.12 maple tree and compares every result.
 *
 * The format (JSONL, one operation per line, the first line a header with `"format":"maple-random-1"`) is
 * described in test/data/README.md. Indices above 2^53-1 do not occur except as "max".
 */
import { Arena } from "@faultline/arena";
import { MAX_INDEX, type MapleCursor, MapleError, SharedMapleTree } from "@faultline/maple-tree";

/** A result which differs from the recorded one. */
export interface Difference {
  /** Line in the file, from 1. */
  readonly line: number;
  /** The recorded line, shortened. */
  readonly recorded: string;
  readonly message: string;
}

/** What a replay found. */
export interface ReplayResult {
  /** `unsupported`: the file is not a trace of this format; `reason` names what it is. */
  readonly status: "passed" | "failed" | "unsupported";
  readonly reason?: string;
  readonly operations: number;
  readonly dumps: number;
  /** Dumps at which height and number of nodes were the kernel's too. Advisory: a caller cannot observe them. */
  readonly sameLayout: number;
  readonly validations: number;
  /** The first ones, at most ten. */
  readonly differences: readonly Difference[];
  readonly differenceCount: number;
}

/** How a trace is replayed. */
export interface ReplayOptions {
  /** Validate the tree after every so many operations, and at each dump; default 100. */
  readonly validateEvery?: number;
  /** Overrides whether the tree is in RCU mode; default as the trace says. */
  readonly rcu?: boolean;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Line = Json[];

const FORMAT = "maple-random-1";
const DIFFERENCES_SHOWN = 10;

/** Replays the text of one trace. */
export function replay(text: string, options: ReplayOptions = {}): ReplayResult {
  const lines = text.split("\n");
  const header = parse(lines[0] ?? "");
  const reason = unsupported(header);
  if (reason !== undefined) {
    return {
      status: "unsupported",
      reason,
      operations: 0,
      dumps: 0,
      sameLayout: 0,
      validations: 0,
      differences: [],
      differenceCount: 0,
    };
  }
  const { mode, rcu } = header as { mode?: Json; rcu?: Json };
  const run = new Run(mode === "alloc", options.rcu ?? rcu === true, options.validateEvery ?? 100);
  for (let i = 1; i < lines.length; i++) {
    if (lines[i] !== "") run.line(i + 1, lines[i]!);
  }
  return run.result();
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** Why the file with this first line cannot be replayed; `undefined` if it can. */
function unsupported(header: Json | undefined): string | undefined {
  if (header === undefined) return "the first line is not JSON";
  if (Array.isArray(header) && header[0] === "case") {
    return `a kernel-suite or mas-random case (${JSON.stringify(header[1])}), which this replayer does not run yet`;
  }
  if (header === null || typeof header !== "object" || Array.isArray(header))
    return "the first line is no header";
  const format = header["format"];
  return format === FORMAT ? undefined : `format ${JSON.stringify(format ?? null)} instead of "${FORMAT}"`;
}

class Run {
  readonly #tree: SharedMapleTree;
  readonly #validateEvery: number;
  readonly #differences: Difference[] = [];
  #differenceCount = 0;
  #operations = 0;
  #dumps = 0;
  #sameLayout = 0;
  #validations = 0;

  constructor(gaps: boolean, rcu: boolean, validateEvery: number) {
    const arena = Arena.create({ bytes: 1 << 20, bytesMax: 1 << 28 });
    this.#tree = SharedMapleTree.create(arena, { gaps, rcu });
    this.#validateEvery = validateEvery;
  }

  result(): ReplayResult {
    return {
      status: this.#differenceCount === 0 ? "passed" : "failed",
      operations: this.#operations,
      dumps: this.#dumps,
      sameLayout: this.#sameLayout,
      validations: this.#validations,
      differences: this.#differences,
      differenceCount: this.#differenceCount,
    };
  }

  line(number: number, text: string): void {
    const line = parse(text);
    const fail = (message: string): void => {
      this.#differenceCount++;
      if (this.#differences.length >= DIFFERENCES_SHOWN) return;
      this.#differences.push({
        line: number,
        recorded: text.length > 120 ? `${text.slice(0, 117)}...` : text,
        message,
      });
    };
    if (!Array.isArray(line)) return fail("not a JSON array");
    this.#operations++;
    try {
      const message = this.#operation(line);
      if (message !== undefined) fail(message);
      if (line[0] === "d" || this.#operations % this.#validateEvery === 0) this.#validate(fail);
    } catch (error) {
      fail(`threw ${String(error)}`);
    }
  }

  #validate(fail: (message: string) => void): void {
    this.#validations++;
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
        this.#dumps++;
        if (sameLayout(tree, a)) this.#sameLayout++;
        return dumpDiffers(tree, a, b);
      default:
        return `unknown operation ${JSON.stringify(op)}`;
    }
  }
}

function index(value: Json | undefined): number {
  if (value === "max") return MAX_INDEX;
  if (typeof value === "number") return value;
  throw new Error(`index ${JSON.stringify(value)} is outside the domain 0..2^53-1`);
}

function json(value: number): Json {
  return value === MAX_INDEX ? "max" : value;
}

function entry(value: number): Json {
  return value === 0 ? null : value;
}

function differs(got: Json[], recorded: (Json | undefined)[]): string | undefined {
  // Where the domain ends at 2^53-1, a range that begins there and runs to the kernel's top is that one index.
  const top = new RegExp(`(?<![\\d.])${MAX_INDEX}(?!\\d)`, "g");
  const [ours, theirs] = [JSON.stringify(got), JSON.stringify(recorded).replace(top, '"max"')];
  return ours === theirs ? undefined : `got ${ours}, recorded ${theirs}`;
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
