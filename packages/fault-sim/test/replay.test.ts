import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Piece, Recording, ReplaySpace } from "../src/index.ts";
import {
  designByName,
  FlatSpace,
  flatSpaces,
  formatDifference,
  machineByName,
  mmSpaces,
  parseStrace,
  readRecording,
  replay,
  replayWorkload,
  runOnce,
  touchShare,
} from "../src/index.ts";

const PROGRAMS = fileURLToPath(new URL("./data/programs/", import.meta.url));
const MAKERS = [
  ["mm", mmSpaces],
  ["flat", flatSpaces],
] as const;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fault-sim-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe.each(MAKERS)("a replay on %s", (_, makeSpace) => {
  it.each([
    ["true", 1],
    ["bash-loop", 28],
    ["python-threads", 1],
  ])("of %s ends in the recorded maps of every process", (name, processes) => {
    const result = replay(readRecording(join(PROGRAMS, `${name}.strace.gz`)), makeSpace);
    expect(result.differences.map(formatDifference)).toEqual([]);
    expect(result.compared).toBe(processes);
  });

  it("finds the first address that differs", () => {
    const recording = readRecording(join(PROGRAMS, "true.strace.gz"));
    const records = recording.records.filter(
      (record) => !(record.kind === "call" && record.name === "munmap"),
    );
    const result = replay({ ...recording, records }, makeSpace);
    expect(result.differences.map(formatDifference)).toEqual([
      "pid 12623, 0x7ffff7fb7000-0x7ffff7fc0000: recorded nothing; replayed r--p ld.so.cache +0x0",
    ]);
  });

  it("copies the parent's space at fork and shares it with threads", () => {
    const text = [
      "1 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x10000000",
      "1 clone(child_stack=NULL, flags=CLONE_VM|CLONE_THREAD) = 2",
      "2 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x20000000",
      "1 fork( <unfinished ...>",
      "3 munmap(0x10000000, 4096) = 0",
      "1 <... fork resumed>) = 3",
      "1 exit_group(0) = ?",
      "3 exit_group(0) = ?",
      "",
    ].join("\n");
    const page = (start: number): Piece => ({ start, end: start + 4096, perms: "r--p", offset: 0, file: "" });
    const parsed = parseStrace(text);
    const none = { stackStart: undefined, stackEnd: undefined, touched: undefined };
    const final = [
      { pid: 1, pieces: [page(0x1000_0000), page(0x2000_0000)], ...none },
      { pid: 3, pieces: [page(0x2000_0000)], ...none },
    ];
    const start = '1 execve("x", [], 0x1) = 0\n';
    const exec = parseStrace(start).records;
    const recording: Recording = {
      name: "test",
      bad: [],
      records: [...exec, ...parsed.records],
      maps: { execs: [{ pid: 1, pieces: [], ...none }], final },
    };
    const result = replay(recording, makeSpace);
    expect(result).toMatchObject({ processes: 2, threads: 1, compared: 2, differences: [] });
  });
});

describe("the two address spaces", () => {
  it("agree after any sequence of calls", () => {
    const pages = fc.integer({ min: 1, max: 8 });
    const at = fc.integer({ min: 0, max: 24 });
    const step = fc.oneof(
      fc.record({
        op: fc.constant("map" as const),
        at,
        pages,
        write: fc.boolean(),
        file: fc.constantFrom("", "a", "b"),
      }),
      fc.record({ op: fc.constant("unmap" as const), at, pages }),
      fc.record({ op: fc.constant("protect" as const), at, pages, write: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const spaces: ReplaySpace[] = [mmSpaces([], 0x1000_0000), flatSpaces([], 0x1000_0000)];
        for (const one of steps) {
          const start = 0x2000_0000 + one.at * 4096;
          const length = one.pages * 4096;
          for (const space of spaces) {
            if (one.op === "map") {
              const file = { file: one.file, offset: one.file === "" ? 0 : one.at * 4096 };
              space.map({ start, length, read: true, write: one.write, exec: false, shared: false, ...file });
            } else if (one.op === "unmap") space.unmap(start, length);
            else if (isMapped(spaces[1]!, start, length))
              space.protect(start, length, { read: true, write: one.write, exec: false });
          }
          expect(pageByPage(spaces[0]!)).toEqual(pageByPage(spaces[1]!));
        }
      }),
      { numRuns: 60 },
    );
  });

  it("move and resize mappings alike", () => {
    for (const [, makeSpace] of MAKERS) {
      const space = makeSpace([], undefined);
      space.map({
        start: 0x2000_0000,
        length: 0x4000,
        read: true,
        write: true,
        exec: false,
        shared: false,
        file: "a",
        offset: 0x1000,
      });
      space.move(0x2000_1000, 0x2000, 0x3000, 0x3000_0000, false);
      expect(pageByPage(space)).toEqual([
        "20000000 rw-p a 1000",
        "20003000 rw-p a 4000",
        "30000000 rw-p a 2000",
        "30001000 rw-p a 3000",
        "30002000 rw-p a 4000",
      ]);
    }
  });

  it("refuse a break nobody knows the start of", () => {
    expect(() => new FlatSpace([], undefined).brk(4096)).toThrow(
      "brk before the start of the break is known",
    );
  });
});

describe("reading a recording", () => {
  const text = gunzipSync(readFileSync(join(PROGRAMS, "true.strace.gz"))).toString();

  it("takes plain text and gzip, with the maps beside it or named", () => {
    const plain = join(folder, "x.strace");
    writeFileSync(plain, text);
    expect(readRecording(plain).maps).toBeUndefined();
    const withMaps = readRecording(plain, { maps: join(PROGRAMS, "true.maps.json.gz") });
    expect(replay(withMaps, flatSpaces)).toMatchObject({ compared: 1, differences: [] });
    writeFileSync(join(folder, "x.maps.json"), gunzipSync(readFileSync(join(PROGRAMS, "true.maps.json.gz"))));
    expect(readRecording(plain).maps?.final).toHaveLength(1);
  });

  it("says that a gzip file is truncated, wherever it was cut", () => {
    const bytes = gzipSync(text);
    const path = join(folder, "cut.strace.gz");
    for (const length of [20, Math.floor(bytes.length / 2), bytes.length - 1]) {
      writeFileSync(path, bytes.subarray(0, length));
      expect(() => readRecording(path)).toThrow("cut.strace.gz: the gzip file is truncated");
    }
  });

  it("says which line the text was cut in, and drops it when lenient", () => {
    const path = join(folder, "cut.strace");
    writeFileSync(path, text.slice(0, 700));
    expect(() => readRecording(path)).toThrow(/cut\.strace: line \d+: the file ends inside this line/);
    expect(readRecording(path, { lenient: true }).bad).toHaveLength(1);
  });

  it("refuses files that are not there and maps of another format", () => {
    expect(() => readRecording(join(folder, "no.strace"))).toThrow("cannot be read (ENOENT)");
    const maps = join(folder, "bad.json");
    writeFileSync(maps, '{"format": "other/1"}');
    expect(() => readRecording(join(PROGRAMS, "true.strace.gz"), { maps })).toThrow(
      'format must be "mm-strace/1", got "other/1"',
    );
  });
});

describe("the cost of a recorded activity", () => {
  it("takes the share of touched pages from smaps, or assumes a quarter", () => {
    const recording = readRecording(join(PROGRAMS, "true.strace.gz"));
    expect(touchShare(recording).source).toBe("smaps");
    expect(touchShare({ ...recording, maps: undefined })).toEqual({ share: 0.25, source: "assumed" });
  });

  it("is lower under a lock per VMA on many cores", () => {
    const recording = readRecording(join(PROGRAMS, "python-threads.strace.gz"));
    const { activity } = replay(recording, flatSpaces);
    const workload = replayWorkload(activity, touchShare(recording).share);
    const options = { machine: machineByName("icelake-128"), workload, threads: 16, microseconds: 3000 };
    const oneLock = runOnce({ ...options, design: designByName("mmap-lock") });
    const perVma = runOnce({ ...options, design: designByName("per-vma-lock") });
    expect(perVma.faultsPerSecond).toBeGreaterThan(1.3 * oneLock.faultsPerSecond);
    expect(oneLock.locks[0]?.name).toBe("mmap_lock");
  });

  it("refuses a recording without mapping calls and a share outside 0..1", () => {
    expect(() => replayWorkload([], 0.5)).toThrow("the recording has no mapping calls");
    expect(() => replayWorkload([{ kind: "map", pages: 1, start: 0, prot: 3 }], 2)).toThrow(
      "share must be in 0..1, got 2",
    );
  });
});

function pageByPage(space: ReplaySpace): string[] {
  const pages: string[] = [];
  for (const piece of space.pieces()) {
    for (let at = piece.start; at < piece.end; at += 4096) {
      const offset = piece.file === "" ? 0 : piece.offset + at - piece.start;
      pages.push(`${at.toString(16)} ${piece.perms} ${piece.file} ${offset.toString(16)}`);
    }
  }
  return pages;
}

function isMapped(space: ReplaySpace, start: number, length: number): boolean {
  let bytes = 0;
  for (const piece of space.pieces())
    bytes += Math.max(0, Math.min(piece.end, start + length) - Math.max(piece.start, start));
  return bytes === length;
}
