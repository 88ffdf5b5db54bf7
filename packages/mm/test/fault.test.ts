import { describe, expect, test } from "vitest";
import {
  AddressSpace,
  acquire,
  countPages,
  type DesignName,
  designs,
  type FaultOptions,
  type FaultReason,
  type FaultResult,
  frameOf,
  MAP,
  PROT,
  type Protocol,
  PTE,
  readPte,
  release,
  StepsExecutor,
  VM,
} from "../src/index.ts";

const PAGE = 4096;
const BASE = 0x7000_0000;
const DESIGNS = Object.keys(designs) as DesignName[];
const ANON = MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED;
const RW = PROT.READ | PROT.WRITE;

function space(design: DesignName = "per-vma-lock"): AddressSpace {
  return AddressSpace.create({ bytes: 2 ** 17, design });
}

function mapAt(mm: AddressSpace, addr: number, pages: number, prot: number = RW, file = 0): void {
  const flags = file === 0 ? ANON : MAP.PRIVATE | MAP.FIXED;
  mm.mmap({ addr, length: pages * PAGE, prot, flags, file });
}

describe.each(DESIGNS)("a fault under %s", (design) => {
  test("read then write: first the zero page, then a page of its own", () => {
    const mm = space(design);
    mapAt(mm, BASE, 4);
    expect(mm.fault(BASE + 5)).toMatchObject({ outcome: "ok" });
    expect(readPte(mm, BASE) & (PTE.ZERO | PTE.WRITE)).toBe(PTE.ZERO);
    expect(mm.fault(BASE, "write")).toMatchObject({ outcome: "ok" });
    const pte = readPte(mm, BASE);
    expect(pte & (PTE.ZERO | PTE.WRITE | PTE.ANON)).toBe(PTE.WRITE | PTE.ANON);
    mm.fault(BASE, "write");
    expect(readPte(mm, BASE)).toBe(pte);
    mm.validate();
  });

  test("nothing mapped, or not that way, is SIGSEGV; beyond the end of a file is SIGBUS", () => {
    const mm = space(design);
    const file = mm.files.open({ name: "/lib", pages: 1 });
    mapAt(mm, BASE, 2, PROT.READ);
    mapAt(mm, BASE + 8 * PAGE, 2, PROT.READ, file.id);
    mapAt(mm, BASE + 16 * PAGE, 1, PROT.NONE);
    expect(mm.fault(BASE - 1).outcome).toBe("SIGSEGV");
    expect(mm.fault(BASE, "write").outcome).toBe("SIGSEGV");
    expect(mm.fault(BASE, "exec").outcome).toBe("SIGSEGV");
    expect(mm.fault(BASE + 16 * PAGE).outcome).toBe("SIGSEGV");
    expect(mm.fault(BASE + 8 * PAGE).outcome).toBe("ok");
    expect(mm.fault(BASE + 9 * PAGE).outcome).toBe("SIGBUS");
    mm.validate();
  });

  test("a page that takes long comes in the end", () => {
    const mm = space(design);
    mapAt(mm, BASE, 2);
    expect(mm.fault(BASE, "read", { sleepNs: 5 }).outcome).toBe("ok");
    expect(mm.fault(BASE + PAGE, "read", { ioNs: 5 }).outcome).toBe("ok");
    expect(countPages(mm)).toMatchObject({ zero: 2 });
  });

  test("a stack grows down to the fault, but not into its guard gap nor by more than 8 MiB", () => {
    const mm = space(design);
    const stack = BASE + 0x100_0000;
    mm.insertRaw({ start: stack, end: stack + 4 * PAGE, vmFlags: VM.READ | VM.WRITE | VM.GROWSDOWN | 0x70 });
    expect(mm.fault(stack - 3 * PAGE, "write")).toMatchObject({ outcome: "ok", path: "mmap-lock" });
    expect(mm.vmas()[0]).toMatchObject({ start: stack - 3 * PAGE, end: stack + 4 * PAGE });
    expect(mm.fault(stack - 2100 * PAGE, "write").outcome).toBe("SIGSEGV");
    mapAt(mm, stack - 300 * PAGE, 1);
    expect(mm.fault(stack - 50 * PAGE, "write").outcome).toBe("SIGSEGV");
    expect(mm.fault(stack - 40 * PAGE, "write").outcome).toBe("ok");
    mm.validate();
  });

  test("after fork both sides get copies of what they write", () => {
    const mm = space(design);
    mapAt(mm, BASE, 2);
    mm.fault(BASE, "write");
    mm.fault(BASE + PAGE, "write");
    const frame = frameOf(readPte(mm, BASE));
    const child = mm.fork();
    expect(frameOf(readPte(child, BASE))).toBe(frame);
    expect(readPte(mm, BASE) & PTE.WRITE).toBe(0);
    child.fault(BASE, "write");
    expect(readPte(mm, BASE) >>> 8).toBe(frame);
    expect(readPte(child, BASE) & PTE.WRITE).toBe(PTE.WRITE);
    mm.validate();
    child.validate();
  });

  test("mprotect takes the right to write away and gives it back without a copy", () => {
    const mm = space(design);
    mapAt(mm, BASE, 4);
    mm.fault(BASE, "write");
    const frame = frameOf(readPte(mm, BASE));
    mm.mprotect(BASE, 2 * PAGE, PROT.READ);
    expect(mm.fault(BASE, "write").outcome).toBe("SIGSEGV");
    mm.mprotect(BASE, 2 * PAGE, RW);
    expect(mm.fault(BASE, "write").outcome).toBe("ok");
    expect(frameOf(readPte(mm, BASE))).toBe(frame);
    mm.validate();
  });

  test("mremap takes the pages along, munmap and MADV_DONTNEED drop them", () => {
    const mm = space(design);
    mapAt(mm, BASE, 4);
    for (let page = 0; page < 4; page++) mm.fault(BASE + page * PAGE, "write");
    const frames = [0, 1, 2, 3].map((page) => frameOf(readPte(mm, BASE + page * PAGE)));
    const to = BASE + 0x4000_0000;
    mm.mremap(BASE, 4 * PAGE, 4 * PAGE, 3, to);
    expect([0, 1, 2, 3].map((page) => frameOf(readPte(mm, to + page * PAGE)))).toEqual(frames);
    mm.madvise(to, PAGE, "DONTNEED");
    expect(countPages(mm)).toMatchObject({ anon: 3 });
    mm.munmap(to, 4 * PAGE);
    expect(countPages(mm)).toEqual({ anon: 0, file: 0, zero: 0, tables: 0 });
    mm.validate();
  });
});

/** Chapter 11: each fault is stepped against its weather. */
interface Weather {
  readonly address: number;
  readonly options?: FaultOptions;
  /** Holds mmap_lock, and the VMA's lock if `stamped`, until the fault waits. */
  readonly writer?: (mm: AddressSpace) => Protocol<void>;
}

function* busy(mm: AddressSpace): Protocol<void> {
  yield* acquire(mm.mmapLock, "write");
  yield { op: "step", name: "busy" };
  yield* release(mm.mmapLock, "write");
}

function* stampFirst(mm: AddressSpace): Protocol<void> {
  yield* mm.design.writeLock(mm);
  yield* mm.design.vmaStartWrite(mm, mm.tree.at(BASE)!);
  yield { op: "step", name: "busy" };
  yield* mm.design.writeUnlock(mm);
}

function faultIn(mm: AddressSpace, { address, options, writer }: Weather): FaultResult {
  const run = new StepsExecutor();
  if (writer !== undefined) {
    run.spawn("W", writer(mm));
    run.runUntil("W", "busy");
  }
  run.spawn("F", mm.design.fault(mm, address, "write", options));
  run.runThread("F");
  run.runToEnd();
  return run.result("F") as FaultResult;
}

test("eight faults: three stay on the fast road, two come back, two cannot begin, one never tries", () => {
  const mm = space();
  const cached = mm.files.open({ name: "/cached" });
  const driver = mm.files.open({ name: "/dev/gadget", mapPages: false });
  const at = (index: number): number => BASE + index * 64 * PAGE;
  mapAt(mm, at(0), 4);
  mapAt(mm, at(1), 4);
  mapAt(mm, at(2), 4);
  for (const [index, file] of [
    [3, cached.id],
    [4, driver.id],
  ] as const) {
    mm.mmap({ addr: at(index), length: PAGE, prot: RW, flags: MAP.SHARED | MAP.FIXED, file });
  }
  const stack = at(600);
  mm.insertRaw({ start: stack, end: stack + PAGE, vmFlags: VM.READ | VM.WRITE | VM.GROWSDOWN | 0x70 });
  mm.fault(at(0), "write");
  Object.assign(mm.faultCounters, { success: 0, abort: 0, retry: 0, miss: 0, mmapLock: 0 });
  const faults: (Weather & { path: string; reason: FaultReason })[] = [
    { address: at(0) + PAGE, path: "vma-lock", reason: "" },
    { address: at(1), path: "vma-lock", reason: "" },
    { address: at(2), writer: busy, path: "mmap-lock", reason: "anon-vma" },
    { address: at(3), path: "vma-lock", reason: "" },
    { address: at(4), path: "mmap-lock", reason: "no-map-pages" },
    { address: at(0) + 2 * PAGE, writer: stampFirst, path: "mmap-lock", reason: "write-locked" },
    { address: at(0) + 3 * PAGE, options: { kernelMode: true }, path: "mmap-lock", reason: "kernel-mode" },
    { address: stack - PAGE, path: "mmap-lock", reason: "no-vma" },
  ];
  for (const weather of faults) {
    const { path, reason } = weather;
    expect(faultIn(mm, weather)).toMatchObject({ outcome: "ok", path, reason });
  }
  expect(mm.faultCounters).toEqual({ success: 3, retry: 2, abort: 2, miss: 0, mmapLock: 5 });
  mm.validate();
});

test("a page on disk under a VMA lock: the lock goes before the wait, and munmap does not wait for the disk", () => {
  const mm = space();
  mapAt(mm, BASE, 4);
  const run = new StepsExecutor();
  run.spawn("F", mm.design.fault(mm, BASE, "read", { ioNs: 1000 }));
  run.runUntil("F", "sleep: page from disk");
  expect(run.locksHeld("F")).toEqual([]);
  run.runToEnd();
  expect(run.result("F")).toMatchObject({ outcome: "ok", path: "mmap-lock", reason: "io", retries: 1 });
});

test("an address that is no user address is named", () => {
  expect(() => space().fault(2 ** 47)).toThrow(
    "address must be an integer in 0..2^47-1, got 140737488355328",
  );
  expect(() => space().fault(1.5)).toThrow(RangeError);
});

test("without memory for a page table a fault ends with OOM, and everything stays as it was", () => {
  const mm = space();
  mapAt(mm, BASE, 1);
  mm.arena.failNth(2);
  expect(mm.fault(BASE).outcome).toBe("OOM");
  mm.validate();
  expect(mm.fault(BASE).outcome).toBe("ok");
});
