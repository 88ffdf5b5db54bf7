/*
 * A page fault from its request to its result; what designs have in common. A design finds and pins the VMA and
 * hands it to {@link handleMmFault}; what it cannot do without mmap_lock ends in {@link faultUnderMmapLock}, the
 * road that always leads somewhere.
 */

import { prepareAnonVma } from "./anon-vma.ts";
import { MmError } from "./errors.ts";
import { growStackDown } from "./expand-stack.ts";
import {
  type FaultAccess,
  type FaultCounters,
  type FaultOptions,
  type FaultOutcome,
  type FaultPath,
  type FaultReason,
  type FaultRequest,
  type FaultResult,
  newFaultCounters,
} from "./fault-types.ts";
import { pageFloor, VM, VM_ACCESS } from "./flags.ts";
import type { Mm } from "./mm.ts";
import { allocTables, describePte, isTableDead, pteWord, tableLock } from "./page-table.ts";
import { acquire, type Protocol, release, step, tryAcquire, work } from "./protocol.ts";
import { type PtePlan, planPte } from "./pte-plan.ts";
import type { Vma } from "./vma.ts";

/** @throws RangeError if the address is no byte of the user address space */
export function faultRequest(address: number, access: FaultAccess, options: FaultOptions): FaultRequest {
  if (!Number.isInteger(address) || address < 0 || address >= 2 ** 47) {
    throw new RangeError(`fault: address must be an integer in 0..2^47-1, got ${String(address)}`);
  }
  const counters = newFaultCounters();
  return { page: pageFloor(address), access, options, counters, reason: "", retries: 0, tried: false };
}

/** Ends a fault: adds what it has counted to the address space's counters of this agent. */
export function finishFault(
  mm: Mm,
  request: FaultRequest,
  path: FaultPath,
  outcome: FaultOutcome,
): FaultResult {
  const { counters, reason, retries } = request;
  for (const name of Object.keys(counters) as (keyof FaultCounters)[]) {
    mm.faultCounters[name] += counters[name];
  }
  return { outcome, path, retries, reason, counters };
}

/** Whether `vma` allows the access; reading works with any right, as on x86 (kernel: access_error). */
export function isAllowed(vmFlags: number, access: FaultAccess): boolean {
  if (access === "write") return (vmFlags & VM.WRITE) !== 0;
  if (access === "exec") return (vmFlags & VM.EXEC) !== 0;
  return (vmFlags & VM_ACCESS) !== 0;
}

/** What pins the VMA during the fault, and how to let go of it. */
export interface Pin {
  readonly lock: "vma" | "mmap";
  drop(): Protocol<void>;
}

/** Result of {@link handleMmFault}. `retry`: the lock is already released, and the VMA must not be touched. */
export type Handled = Exclude<FaultOutcome, "SIGSEGV"> | "retry";

/**
 * Makes the page present. The VMA is pinned by `pin` and covers the page. Allocates with the lock in hand but
 * outside the page-table lock, takes that, looks again, installs or discards (kernel: handle_mm_fault).
 */
export function* handleMmFault(mm: Mm, vma: Vma, request: FaultRequest, pin: Pin): Protocol<Handled> {
  yield* work("walk-page-table");
  const table = yield* tableFor(mm, request.page);
  if (table === 0) return "OOM";
  const word = pteWord(table, request.page);
  const orig = Atomics.load(mm.arena.i32, word);
  yield* step(`page is ${describePte(orig)}`);
  const plan = planPte(mm, vma, request, orig);
  if (plan === "spurious") return "ok";
  if (plan === "SIGBUS") return "SIGBUS";
  const { options } = request;
  if (plan.fromFile && pin.lock === "vma" && !hasMapPages(mm, vma)) {
    return yield* retry(request, pin, "no-map-pages");
  }
  if (orig === 0 && (options.ioNs ?? 0) > 0 && !request.tried) {
    return yield* retry(request, pin, "io");
  }
  if (plan.needsAnonVma && vma.anonVma === 0 && !(yield* attachAnonVma(mm, vma, pin))) {
    return yield* retry(request, pin, "anon-vma");
  }
  const pte = yield* makePage(mm, plan, options);
  return yield* installPte(mm, table, request.page, orig, pte);
}

function* tableFor(mm: Mm, page: number): Protocol<number> {
  try {
    return yield* allocTables(mm, page);
  } catch (error) {
    if (error instanceof MmError) return 0;
    throw error;
  }
}

/** Whether the mapping's driver can map cached pages without mmap_lock (kernel: vmf_can_call_fault). */
function hasMapPages(mm: Mm, vma: Vma): boolean {
  return mm.files.get(vma.file)?.mapPages !== false;
}

/** Gives the fault back: the lock goes first, then the wait, so that a writer need not wait for the disk. */
function* retry(request: FaultRequest, pin: Pin, reason: FaultReason): Protocol<"retry"> {
  const ioNs = request.options.ioNs ?? 0;
  yield* pin.drop();
  if (reason === "io") yield { op: "sleep", what: "page from disk", ns: ioNs };
  request.reason ||= reason;
  request.retries++;
  request.tried = true;
  return "retry";
}

/**
 * Gives `vma` its anon_vma. That looks at the neighbours, which a VMA lock does not protect: mmap_lock is needed,
 * and may only be tried for, since its writer may be waiting for our VMA (kernel: __vmf_anon_prepare).
 */
function* attachAnonVma(mm: Mm, vma: Vma, pin: Pin): Protocol<boolean> {
  if (pin.lock === "vma" && !(yield* tryAcquire(mm.mmapLock, "read"))) return false;
  yield* acquire(mm.pageTableLock, "write");
  prepareAnonVma(mm, vma);
  yield* release(mm.pageTableLock, "write");
  if (pin.lock === "vma") yield* release(mm.mmapLock, "read");
  return true;
}

/** Gets a page and fills it; the result is the PTE to install. */
export function* makePage(mm: Mm, plan: PtePlan, options: FaultOptions): Protocol<number> {
  const { sleepNs = 0 } = options;
  if (sleepNs > 0) yield { op: "sleep", what: "memory for the page", ns: sleepNs };
  if (plan.fill === undefined) return plan.pte;
  yield* work("alloc-page");
  yield* work(plan.fill);
  const frame = mm.newFrame();
  yield* step(`frame ${frame}`);
  return plan.pteOf(frame);
}

/** Takes the page-table lock and installs, unless somebody else was faster: then what we have is discarded. */
function* installPte(mm: Mm, table: number, page: number, orig: number, pte: number): Protocol<"ok"> {
  const lock = tableLock(mm.arena, table);
  yield* acquire(lock, "write");
  const word = pteWord(table, page);
  if (Atomics.load(mm.arena.i32, word) === orig && !isTableDead(mm.arena, table)) {
    yield* work("install-pte");
    Atomics.store(mm.arena.i32, word, pte);
  }
  yield* release(lock, "write");
  return "ok";
}

/**
 * The road that always leads somewhere: mmap_lock for reading, the VMA from the tree, a stack grown if that is
 * what it takes. Comes back at most once (kernel: lock_mm_and_find_vma and what follows it).
 */
export function* faultUnderMmapLock(
  mm: Mm,
  request: FaultRequest,
  reason: FaultReason,
): Protocol<FaultResult> {
  request.reason ||= reason;
  request.counters.mmapLock++;
  for (;;) {
    yield* acquire(mm.mmapLock, "read");
    yield* work("walk-tree");
    const vma = mm.tree.at(request.page) ?? (yield* growStackDown(mm, request.page));
    if (vma === undefined || !isAllowed(vma.vmFlags, request.access)) {
      yield* release(mm.mmapLock, "read");
      return finishFault(mm, request, "mmap-lock", "SIGSEGV");
    }
    const pin: Pin = { lock: "mmap", drop: () => release(mm.mmapLock, "read") };
    const handled = yield* handleMmFault(mm, vma, request, pin);
    if (handled === "retry") continue;
    yield* release(mm.mmapLock, "read");
    return finishFault(mm, request, "mmap-lock", handled);
  }
}
