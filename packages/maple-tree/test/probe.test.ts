/*
 * The answers of probe.txt, which a C program got from the kernel's tree and printed. Its lines are commands with
 * their results, and are run as they stand: sections by number, once for a plain tree and once with gaps.
 */
import { readFileSync } from "node:fs";
import { Arena } from "@faultline/arena";
import {
  KERNEL_GEOMETRY,
  MAX_INDEX,
  type MapleCursor,
  MapleError,
  SharedMapleTree,
} from "@faultline/maple-tree";
import { describe, expect, it } from "vitest";

const probe = readFileSync(new URL("data/probe.txt", import.meta.url), "utf8");

/** Sections of one half of the file, by their number. */
function sections(half: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of half.split("\n")) {
    const title = /^(\d+) /.exec(line);
    if (title !== null) {
      current = [line];
      found.set(title[1]!, current);
    } else if (line.trim() !== "") current.push(line.trim());
  }
  return found;
}

const [, plain, gaps] = probe.split(/===== flags \d\n/).map(sections);

const ERRNO: Readonly<Record<string, number>> = { EEXIST: -17, EINVAL: -22 };

const indexOf = (text: string): number =>
  text === "ULONG_MAX" || text === "max" || text === "18446744073709551615" ? MAX_INDEX : Number(text);
const entryOf = (text: string): number => (text === "NULL" ? 0 : Number(text.replace(/\D/g, "")));
const textOf = (index: number): string => (index === MAX_INDEX ? "max" : String(index));

class Probe {
  tree!: SharedMapleTree;
  cursor!: MapleCursor;

  readonly gaps: boolean;

  constructor(gaps: boolean) {
    this.gaps = gaps;
    this.empty();
  }

  empty(): void {
    const arena = Arena.create({ bytes: 1 << 16, bytesMax: 1 << 24 });
    this.tree = SharedMapleTree.create(arena, { geometry: KERNEL_GEOMETRY, gaps: this.gaps, rcu: false });
    this.cursor = this.tree.cursor();
  }

  /** `store_range(…) = 0` and its like: the result. */
  call(name: string, args: string[]): number {
    const { tree } = this;
    const [a, b, c] = args;
    try {
      if (name === "store_range") tree.storeRange(indexOf(a!), indexOf(b!), entryOf(c!));
      else tree.insertRange(indexOf(a!), indexOf(b!), entryOf(c!));
      return 0;
    } catch (error) {
      if (error instanceof MapleError) return ERRNO[error.code]!;
      throw error;
    }
  }

  /** `h=1 node: 0-9=. 10-19=1` */
  contents(): string {
    const { tree } = this;
    const { height } = tree;
    const ranges = [...tree.ranges()];
    if (tree.core.rootWord < 0) return `h=${height} root-ptr: 0-0=${ranges[0]!.entry}`;
    const kind = tree.core.rootWord === 0 ? "empty" : "node";
    const list = ranges.map((r) => `${textOf(r.first)}-${textOf(r.last)}=${r.entry === 0 ? "." : r.entry}`);
    return `h=${height} ${kind}: ${list.join(" ")}`;
  }

  /** Runs the commands of a line; entry and state after the last one, as the C program prints them. */
  run(commands: string): string {
    let entry = 0;
    for (const command of commands.split(";")) entry = this.step(command.trim());
    const { index, last, status, error } = this.cursor;
    const errno = status === "error" ? ` ${error}` : "";
    return `${entry === 0 ? "NULL" : entry} [${textOf(index)},${textOf(last)}] ${status}${errno}`;
  }

  private step(command: string): number {
    const { cursor } = this;
    const [, name, , limit] = /^([a-z_]+)( at)?(?:\(([^)]*)\))?/.exec(command)!;
    const at = /^[a-z_]+ (?:at )?(\d+)/.exec(command)?.[1];
    const max = limit === undefined || !/^\w+$/.test(limit) ? MAX_INDEX : indexOf(limit);
    switch (name) {
      case "set":
        cursor.set(Number(at));
        return 0;
      case "walk":
        if (at !== undefined) cursor.set(Number(at));
        return cursor.walk();
      case "pause":
        cursor.pause();
        return 0;
      case "next":
        return cursor.next(max);
      case "next_range":
        return cursor.nextRange(max);
      case "prev":
        return cursor.prev(0);
      case "prev_range":
        return cursor.prevRange(0);
      case "find":
        return cursor.find(max);
      case "find_rev":
        return cursor.findRev(0);
      case "erase":
        cursor.set(Number(at));
        return cursor.erase();
      default:
        return this.store(name!, command);
    }
  }

  private store(name: string, command: string): number {
    const [, first, last, entry] = /(\d+)-(\d+)=(\w+)/.exec(command)!;
    this.cursor.set(Number(first), Number(last));
    const old = this.cursor.store(entryOf(entry!));
    // mas_store_gfp() returns an errno, which the program does not print.
    return name === "mas_store" ? old : 0;
  }
}

/** Runs a line of sections 1 to 5 and 10; what it printed, if it is a result. */
function runLine(p: Probe, line: string): [got: string, recorded: string] | undefined {
  const call = /^(store_range|insert_range)\((.*)\) = (-?\d+)$/.exec(line.replaceAll(/V\((\d+)\)/g, "V$1"));
  if (call !== null) return [String(p.call(call[1]!, call[2]!.split(","))), call[3]!];
  const shown = /: (h=\d .*?)(?: \(none .*\))?$/.exec(line);
  if (shown !== null) {
    return [
      p.contents(),
      shown[1]!
        .replaceAll("18446744073709551615", "max")
        .replaceAll("18446744073709551614", String(MAX_INDEX - 1)),
    ];
  }
  const value = /^(load|erase)\((\w+)\)=(0x\w+|\(nil\))$/.exec(line);
  if (value === null) return undefined;
  const index = indexOf(value[2]!);
  const entry = value[1] === "load" ? p.tree.load(index) : p.tree.erase(index);
  // A value entry is twice the value, plus one.
  return [entry === 0 ? "(nil)" : `0x${(2 * entry + 1).toString(16)}`, value[3]!];
}

describe.each([
  ["a plain tree", false, plain!],
  ["a tree with gaps", true, gaps!],
] as const)("answers of the C tree: %s", (_, withGaps, half) => {
  it.each(["1", "2", "3", "4", "5"])("section %s, contents after stores", (number) => {
    const p = new Probe(withGaps);
    const results = half
      .get(number)!
      .slice(1)
      .flatMap((line) => {
        const result = runLine(p, line);
        return result === undefined ? [] : [[line, result] as const];
      });
    expect(results.length).toBeGreaterThan(4);
    for (const [line, [got, recorded]] of results) expect([line, got]).toEqual([line, recorded]);
    p.tree.assertValid();
  });

  it("section 6, the cursor's state after each step", () => {
    const p = new Probe(withGaps);
    let steps = 0;
    for (const line of half.get("6")!.slice(1)) {
      const step = /^(.*?)\s+-> (.*)$/.exec(line);
      if (step === null) {
        const result = runLine(p, line);
        if (result !== undefined) expect([line, result[0]]).toEqual([line, result[1]]);
        continue;
      }
      steps++;
      expect([line, p.run(step[1]!)]).toEqual([line, step[2]!.replace("  ", " ")]);
    }
    expect(steps).toBe(50);
    p.tree.assertValid();
  });

  it("section 8, states of a tree without nodes", () => {
    const p = new Probe(withGaps);
    for (const line of half.get("8")!.slice(1)) {
      const step = /^(.*?)\s+-> (.*)$/.exec(line);
      if (step === null) {
        if (line.startsWith("store_range")) p.tree.storeRange(0, 0, 1);
        p.cursor = p.tree.cursor();
        continue;
      }
      // In the empty tree, and where the line says so, the program set the index first.
      if (p.tree.isEmpty || line.includes(" from 5")) p.cursor.set(5);
      expect([line, p.run(step[1]!)]).toEqual([line, step[2]!.replace("  ", " ")]);
    }
  });

  it("section 10, insert over everything, which the kernel gets wrong in one case", () => {
    const p = new Probe(withGaps);
    p.tree.storeRange(10, 20, 1);
    for (const [first, last] of [
      [1, MAX_INDEX],
      [0, 1000],
      [0, MAX_INDEX],
    ] as const) {
      expect(p.call("insert_range", [String(first), textOf(last), "2"])).toBe(-17);
    }
    p.empty();
    p.tree.storeRange(0, 0, 1);
    expect(p.call("insert_range", ["0", "max", "2"])).toBe(-17);
    expect(p.call("insert_range", ["0", "5", "2"])).toBe(-17);
    expect(p.contents()).toBe("h=0 root-ptr: 0-0=1");
  });

  it("section 9, the number of ascending single stores at which the tree grows", () => {
    const p = new Probe(withGaps);
    const grown: string[] = [];
    for (let n = 1, height = 0; n <= 7000; n++) {
      p.tree.storeRange(2 * n - 2, 2 * n - 2, n);
      if (p.tree.height === height) continue;
      height = p.tree.height;
      grown.push(`h${height}@${n}`);
    }
    expect(half.get("9")![0]!.trim()).toBe(`9 heights, ascending singles: ${grown.join(" ")}`);
    expect(grown.length).toBeGreaterThan(2);
  });
});

describe("answers of the C tree: free areas (section 7)", () => {
  it("are found, or refused, with the same states", () => {
    const p = new Probe(true);
    // The tree which section 6 leaves behind.
    for (const line of gaps!.get("6")!.slice(1)) {
      const step = /^(.*?)\s+-> /.exec(line);
      if (step === null) runLine(p, line);
      else p.run(step[1]!);
    }
    let searches = 0;
    for (const line of gaps!.get("7")!.slice(1)) {
      const search = /^(mas_empty_area(?:_rev)?)\((\w+),(\w+),(\w+)\) = (-?\d+)\s+-> NULL\s+(.*)$/.exec(line);
      if (search === null) {
        if (line === "empty tree") p.empty();
        if (line.startsWith("store_range")) p.tree.storeRange(0, 0, 1);
        continue;
      }
      searches++;
      const cursor = p.tree.cursor();
      const [min, max, size] = [indexOf(search[2]!), indexOf(search[3]!), indexOf(search[4]!)];
      const rev = search[1]!.endsWith("_rev");
      const ret = rev ? cursor.emptyAreaRev(min, max, size) : cursor.emptyArea(min, max, size);
      const errno = cursor.status === "error" ? ` ${cursor.error}` : "";
      const state = `[${textOf(cursor.index)},${textOf(cursor.last)}] ${cursor.status}${errno}`;
      expect([line, String(ret), state]).toEqual([line, search[5], search[6]]);
    }
    expect(searches).toBe(21);
  });
});
