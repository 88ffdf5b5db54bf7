import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CallRecord, formatCall, parseStrace } from "../src/index.ts";
import {
  descriptorArgument,
  flagsArgument,
  namedArgument,
  numberArgument,
} from "../src/replay/strace-parser.ts";

function calls(text: string): CallRecord[] {
  return parseStrace(text).records.filter((record) => record.kind === "call");
}

const argument = fc.oneof(
  fc.integer({ min: -1, max: 2 ** 47 }).map(String),
  fc.integer({ min: 0, max: 2 ** 47 }).map((value) => `0x${value.toString(16)}`),
  fc.constantFrom("NULL", "PROT_READ|PROT_WRITE", "MAP_PRIVATE|MAP_FIXED|0x40", "0"),
  fc.stringMatching(/^[a-z.,()<= -]{0,12}$/).map((text) => JSON.stringify(text)),
  fc.stringMatching(/^[a-z0-9._+-]{1,12}$/).map((path) => `3<${path}>`),
  fc.array(fc.stringMatching(/^[a-z]{1,5}$/), { maxLength: 3 }).map((list) => `[${list.join(", ")}]`),
  fc.stringMatching(/^[a-z]{1,5}$/).map((name) => `{${name}=0x1, b=[2, 3]}`),
);

const call: fc.Arbitrary<CallRecord> = fc
  .record({
    pid: fc.integer({ min: 0, max: 99_999 }),
    name: fc.constantFrom("mmap", "munmap", "mprotect", "mremap", "brk", "madvise", "execve", "clone3"),
    args: fc.array(argument, { maxLength: 6 }),
    outcome: fc.oneof(
      fc.integer({ min: 0, max: 2 ** 47 }).map((result) => ({ result, error: undefined })),
      fc.constantFrom("ENOMEM", "EINVAL", "EACCES").map((error) => ({ result: -1, error })),
      fc.constant({ result: undefined, error: undefined }),
    ),
  })
  .map(({ pid, name, args, outcome }) => ({ kind: "call", line: 1, pid, name, args, ...outcome }));

describe("the strace parser", () => {
  it("reads back every call that can be written", () => {
    fc.assert(
      fc.property(call, (record) => {
        expect(parseStrace(`${formatCall(record)}\n`).records).toEqual([record]);
      }),
      { numRuns: 500 },
    );
  });

  it("reads back a call that was interrupted anywhere between two arguments", () => {
    fc.assert(
      fc.property(call, fc.nat(), (record, where) => {
        fc.pre(record.args.length > 0 && record.pid > 0);
        const cut = 1 + (where % record.args.length);
        const text = formatCall(record);
        const first = `${record.pid} ${record.name}(${record.args.slice(0, cut).join(", ")} <unfinished ...>`;
        const rest = record.args.slice(cut).join(", ");
        const result = text.slice(text.lastIndexOf(") = "));
        const end = result.startsWith(") = ") ? result : `)${result}`;
        const resumed = `${record.pid} <... ${record.name} resumed>${rest === "" ? "" : `, ${rest}`}${end}`;
        expect(calls(`${first}\n999999 +++ exited with 0 +++\n${resumed}\n`)).toEqual([
          { ...record, line: 3 },
        ]);
      }),
    );
  });

  it("takes an interrupted call at its return", () => {
    const text = [
      "7 mmap(NULL, 311296, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0 <unfinished ...>",
      "8 munmap(0x7f0000000000, 4096)     = 0",
      "7 <... mmap resumed>)               = 0x7ffff57a7000",
      "",
    ].join("\n");
    expect(calls(text).map((one) => [one.pid, one.name, one.args.length, one.line])).toEqual([
      [8, "munmap", 2, 2],
      [7, "mmap", 6, 3],
    ]);
  });

  it("understands pids in brackets, times, durations, comments, errors and exits", () => {
    const text = [
      '[pid   12] 1700000000.123456 execve("/bin/true", ["true"], 0x7ffe /* 3 vars */) = 0 <0.000321>',
      "[pid   12] 12:01:02.000001 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3</lib/a, b (x).so>, 0x1000) = -1 ENOMEM (Cannot allocate memory)",
      "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=12809} ---",
      "12 exit_group(0)                     = ?",
      "12 +++ killed by SIGKILL (core dumped) +++",
      "",
    ].join("\n");
    expect(parseStrace(text).records).toEqual([
      {
        kind: "call",
        line: 1,
        pid: 12,
        name: "execve",
        args: ['"/bin/true"', '["true"]', "0x7ffe"],
        result: 0,
        error: undefined,
      },
      {
        kind: "call",
        line: 2,
        pid: 12,
        name: "mmap",
        args: ["NULL", "4096", "PROT_READ", "MAP_PRIVATE", "3</lib/a, b (x).so>", "0x1000"],
        result: -1,
        error: "ENOMEM",
      },
      { kind: "signal", line: 3, pid: 0, signal: "SIGCHLD" },
      {
        kind: "call",
        line: 4,
        pid: 12,
        name: "exit_group",
        args: ["0"],
        result: undefined,
        error: undefined,
      },
      { kind: "exit", line: 5, pid: 12, code: undefined, signal: "SIGKILL" },
    ]);
  });

  it("reads results of calls that strace has delayed or tampered with", () => {
    const text = [
      "1 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3<x>, 0) = 0x10000000 (DELAYED)",
      '1 execve("x", [], 0x1) = -1 ENOENT (No such file or directory) (DELAYED) <0.000012>',
      "1 brk(NULL) = -1 ENOMEM (Cannot allocate memory) (INJECTED)",
      "",
    ].join("\n");
    expect(calls(text).map(({ result, error }) => error ?? result)).toEqual([
      0x1000_0000,
      "ENOENT",
      "ENOMEM",
    ]);
  });

  it("names the line it cannot understand, and skips it only when lenient", () => {
    const text = "1 brk(NULL) = 0x1000\nstrace: Process 5 attached\n1 brk(NULL) = 0x1000\n";
    expect(() => parseStrace(text)).toThrow("line 2: not a call, signal or exit: strace: Process 5 attached");
    const lenient = parseStrace(text, { lenient: true });
    expect(lenient.bad.map((bad) => bad.line)).toEqual([2]);
    expect(lenient.records).toHaveLength(2);
  });

  it.each([
    [
      "a last line without its newline",
      "1 brk(NULL) = 0x1000\n1 brk(NUL",
      "line 2: the file ends inside this line",
    ],
    [
      "a call that never returns",
      "1 brk(NULL <unfinished ...>\n",
      "line 1: the file ends (line 1) before brk of pid 1 returns",
    ],
    ["a string without an end", '1 execve("/bin/tr\n', "line 1: a string does not end"],
    [
      "a return without a beginning",
      "1 <... mmap resumed>) = 0\n",
      "line 1: mmap resumed, but it was not begun",
    ],
    ["a call without a result", "1 brk(NULL)\n", "line 1: no result that can be understood"],
  ])("refuses %s", (_, text, message) => {
    expect(() => parseStrace(text)).toThrow(message);
    expect(parseStrace(text, { lenient: true }).bad).toHaveLength(1);
  });

  it("does not miss the end of a task that was killed inside a call", () => {
    expect(
      parseStrace("5 madvise(0x1000, 4096, MADV_DONTNEED <unfinished ...>\n5 +++ exited with 0 +++\n").bad,
    ).toEqual([]);
  });
});

describe("arguments", () => {
  it("are numbers in several spellings", () => {
    expect(["NULL", "-1", "0x10", "4096", "21<<26", "8192*2"].map((text) => tryNumber(text))).toEqual([
      0,
      -1,
      16,
      4096,
      21 * 2 ** 26,
      undefined,
    ]);
  });

  it("are sets of flags, descriptors with names, and fields of structures", () => {
    expect([...flagsArgument("A|B|0x8")]).toEqual(["A", "B", "0x8"]);
    expect(flagsArgument("0").size).toBe(0);
    expect(descriptorArgument("3<libc.so.6>")).toEqual({ fd: 3, path: "libc.so.6" });
    expect(descriptorArgument("-1")).toEqual({ fd: -1, path: undefined });
    const clone3 = calls(
      "1 clone3({flags=CLONE_VM|CLONE_THREAD, stack=0x1} => {parent_tid=[9]}, 88) = 9\n",
    )[0]!;
    expect(namedArgument(clone3.args, "flags")).toBe("CLONE_VM|CLONE_THREAD");
    const clone = calls("1 clone(child_stack=NULL, flags=SIGCHLD, child_tidptr=0x7f) = 9\n")[0]!;
    expect(namedArgument(clone.args, "flags")).toBe("SIGCHLD");
  });
});

function tryNumber(text: string): number | undefined {
  try {
    return numberArgument(text);
  } catch {
    return undefined;
  }
}
