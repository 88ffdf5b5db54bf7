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
    const final = { 1: [page(0x1000_0000), page(0x2000_0000)], 3: [page(0x2000_0000)] };
    const result = replay(recordingOf(text, final), makeSpace);
    expect(result).toMatchObject({ processes: 2, threads: 1, compared: 2, differences: [] });
  });

  it("believes the kernel that a range it gives out was free, though munmap has not returned in print", () => {
    const text = [
      "1 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x10000000",
      "1 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x20000000",
      "1 clone(child_stack=NULL, flags=CLONE_VM|CLONE_THREAD) = 2",
      "1 munmap(0x10000000, 8192 <unfinished ...>",
      "2 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x10000000",
      "1 <... munmap resumed>) = 0",
      "1 mremap(0x20000000, 8192, 8192, MREMAP_MAYMOVE|MREMAP_FIXED, 0x30000000 <unfinished ...>",
      "2 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x20001000",
      "1 <... mremap resumed>) = 0x30000000",
      "1 exit_group(0) = ?",
      "",
    ].join("\n");
    const final = [page(0x1000_0000), page(0x2000_1000), page(0x3000_0000), page(0x3000_1000)];
    expect(replay(recordingOf(text, { 1: final }), makeSpace)).toMatchObject({
      compared: 1,
      differences: [],
      calls: { munmap: 1, mremap: 1, mmap: 4 },
    });
  });

  it("changes what lies before the hole at which mprotect failed", () => {
    const text = [
      "1 mmap(0x10000000, 4096, PROT_NONE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = 0x10000000",
      "1 mmap(0x10002000, 4096, PROT_NONE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = 0x10002000",
      "1 mprotect(0x10000000, 12288, PROT_READ) = -1 ENOMEM (Cannot allocate memory)",
      "1 exit_group(0) = ?",
      "",
    ].join("\n");
    const final = [page(0x1000_0000), { ...page(0x1000_2000), perms: "---p" }];
    const result = replay(recordingOf(text, { 1: final }), makeSpace);
    expect(result).toMatchObject({ failed: 1, compared: 1, differences: [] });
  });

  it("keeps from a child what MADV_DONTFORK keeps from it", () => {
    const text = [
      "1 mmap(0x10000000, 12288, PROT_READ, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = 0x10000000",
      "1 madvise(0x10000000, 8192, MADV_DONTFORK) = 0",
      "1 madvise(0x10001000, 4096, MADV_DOFORK) = 0",
      "1 fork() = 2",
      "2 exit_group(0) = ?",
      "1 exit_group(0) = ?",
      "",
    ].join("\n");
    const child = [page(0x1000_1000), page(0x1000_2000)];
    const final = { 1: [page(0x1000_0000), ...child], 2: child };
    expect(replay(recordingOf(text, final), makeSpace)).toMatchObject({ compared: 2, differences: [] });
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

  it("passes over the kernel's half of the address space, where [vsyscall] shows", () => {
    const maps = JSON.parse(gunzipSync(readFileSync(join(PROGRAMS, "true.maps.json.gz"))).toString());
    const row = ["ffffffffff600000", "ffffffffff601000", "--xp", "0", "0", "[vsyscall]"];
    for (const list of [maps.execs, maps.final]) list[0].maps.push(row);
    const path = join(folder, "with-vsyscall.maps.json");
    writeFileSync(path, JSON.stringify(maps));
    const recording = readRecording(join(PROGRAMS, "true.strace.gz"), { maps: path });
    expect(replay(recording, mmSpaces)).toMatchObject({ compared: 1, differences: [] });
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

function page(start: number): Piece {
  return { start, end: start + 4096, perms: "r--p", offset: 0, file: "" };
}

/** A recording of process 1, which starts empty, and what its processes have mapped at their ends. */
function recordingOf(text: string, final: Readonly<Record<number, readonly Piece[]>>): Recording {
  const none = { stackStart: undefined, stackEnd: undefined, touched: undefined };
  const { records, bad } = parseStrace(`1 execve("x", [], 0x1) = 0\n${text}`);
  const ends = Object.entries(final).map(([pid, pieces]) => ({ pid: Number(pid), pieces, ...none }));
  return { name: "test", bad, records, maps: { execs: [{ pid: 1, pieces: [], ...none }], final: ends } };
}

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
