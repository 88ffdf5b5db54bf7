import {
  AddressSpace,
  acquire,
  type FaultOptions,
  type FaultResult,
  MAP,
  PROT,
  type Protocol,
  release,
  StepsExecutor,
  step,
  VM,
} from "@faultline/mm";
import type { Chapter } from "../walk/chapter.ts";

const PAGE = 4096;
const BASE = 0x7000_0000;
const RW = PROT.READ | PROT.WRITE;

export const chapter: Chapter = {
  number: 11,
  title: "The whole fault, and the way back",
  claims: [
    {
      id: "C9",
      who: "Yoo; later in the thread",
      says: "The VMA's lock in read mode; and where that does not do, back to mmap_lock.",
    },
  ],
  run: (page) => {
    page.say("Eight faults on one address space. The fast road has exits, and each leads to the old road:");
    const mm = furnished();
    const rows = FAULTS.map((fault) => ({ what: fault.what, ...faultIn(mm, fault) }));
    page.table(
      ["fault", "served by", "why not the fast road", "counts"],
      rows.map(({ what, path, reason, counters }) => [what, path, reason || "-", counted(counters)]),
    );
    const { success, retry, abort, miss } = mm.faultCounters;
    const direct = rows.filter(({ reason }) => reason === "kernel-mode").length;
    page.line(
      `  SUCCESS ${success}, RETRY ${retry}, ABORT ${abort}, MISS ${miss}, straight to mmap_lock ${direct}`,
    );
    page.check(
      rows.every(({ outcome }) => outcome === "ok"),
      "all eight are served in the end",
    );
    page.check(
      success === 3 && retry === 2 && abort === 2 && miss === 0 && direct === 1,
      "three on the fast road, two handed back (RETRY), two that could not lock the VMA (ABORT), one that never tried",
    );
    mm.validate();
  },
};

interface Fault {
  readonly what: string;
  readonly address: number;
  readonly options?: FaultOptions;
  /** Somebody who is busy when the fault comes. */
  readonly writer?: (mm: AddressSpace) => Protocol<void>;
}

const at = (index: number): number => BASE + index * 64 * PAGE;
const STACK = at(600);
const FAULTS: readonly Fault[] = [
  { what: "anonymous page", address: at(0) + PAGE },
  { what: "first touch, mmap_lock free", address: at(1) },
  { what: "first touch, mmap_lock busy", address: at(2), writer: busyWithMmapLock },
  { what: "page of a cached file", address: at(3) },
  { what: "driver without map_pages", address: at(4) },
  { what: "VMA is write-locked", address: at(0) + 2 * PAGE, writer: busyWithTheVma },
  { what: "from kernel code", address: at(0) + 3 * PAGE, options: { kernelMode: true } },
  { what: "below a growable stack", address: STACK - PAGE },
];

function furnished(): AddressSpace {
  const mm = AddressSpace.create({ bytes: 2 ** 17, design: "per-vma-lock" });
  const anonymous = MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED;
  for (const index of [0, 1, 2]) mm.mmap({ addr: at(index), length: 4 * PAGE, prot: RW, flags: anonymous });
  const files = [mm.files.open({ name: "cached" }), mm.files.open({ name: "gadget", mapPages: false })];
  for (const [index, file] of files.entries()) {
    mm.mmap({ addr: at(3 + index), length: PAGE, prot: RW, flags: MAP.SHARED | MAP.FIXED, file: file.id });
  }
  const may = VM.MAYREAD | VM.MAYWRITE | VM.MAYEXEC;
  mm.insertRaw({ start: STACK, end: STACK + PAGE, vmFlags: VM.READ | VM.WRITE | VM.GROWSDOWN | may });
  mm.fault(at(0), "write");
  Object.assign(mm.faultCounters, { success: 0, abort: 0, retry: 0, miss: 0, mmapLock: 0 });
  return mm;
}

function* busyWithMmapLock(mm: AddressSpace): Protocol<void> {
  yield* acquire(mm.mmapLock, "write");
  yield* step("busy");
  yield* release(mm.mmapLock, "write");
}

function* busyWithTheVma(mm: AddressSpace): Protocol<void> {
  const vma = mm.tree.at(BASE);
  if (vma === undefined) throw new Error("nothing is mapped at BASE");
  yield* mm.design.writeLock(mm);
  yield* mm.design.vmaStartWrite(mm, vma);
  yield* step("busy");
  yield* mm.design.writeUnlock(mm);
}

/** The writer is in the middle of its work when the fault begins. */
function faultIn(mm: AddressSpace, { address, options, writer }: Fault): FaultResult {
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

function counted(counters: FaultResult["counters"]): string {
  const { success, retry, abort } = counters;
  const parts = [success > 0 ? "SUCCESS" : "", retry > 0 ? "RETRY" : "", abort > 0 ? "ABORT" : ""];
  return parts.filter((part) => part !== "").join(" ") || "-";
}
