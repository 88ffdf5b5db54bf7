/*
 * One simulated process: its locks and lines, and the parts of faults and mapping changes that are the
 * same under every design. Lock order: mmap_lock, VMA lock, mm's page_table_lock or a page table's lock,
 * zone lock. Only mmap_lock and VMA locks may be held while sleeping.
 */
import type { Agent, Steps } from "../engine/agent.ts";
import type { Engine } from "../engine/engine.ts";
import { Histogram } from "../engine/histogram.ts";
import { LockStats } from "../locks/lock-stats.ts";
import { Rcu } from "../locks/rcu.ts";
import { Rwsem, type RwsemGeneration } from "../locks/rwsem.ts";
import { Spinlock } from "../locks/spinlock.ts";
import type { CacheLine } from "../machine/line.ts";
import type { SimDesign } from "./design.ts";

/**
 * Private work in nanoseconds. The parts of a fault, with zeroing, locks and a share of refilling the page
 * list, give the published one-thread rate of pft on broadwell-56 (0.51 million a second). How they divide
 * is assumed; the mapping costs follow a measurement of 3.4 us for mmap and munmap of an untouched range.
 */
export const COSTS = {
  faultEntry: 600,
  walkTree: 80,
  walkPageTable: 100,
  allocPage: 150,
  charge: 425,
  installPte: 150,
  allocPageTable: 500,
  anonVma: 150,
  refill: 1500,
  syscallEntry: 300,
  allocVma: 350,
  storeTree: 500,
  changeVma: 300,
  zapPage: 45,
} as const;

const PAGES_PER_TABLE = 512;
const ZONE_BATCH = 63;
const MAPLE_NODE_BYTES = 256;

/** What became of faults, as the kernel's own vma_lock counters. An abort gave up the VMA lock; a retry is the second attempt under mmap_lock; a miss found no mapping. */
export interface Counters {
  success: number;
  abort: number;
  retry: number;
  miss: number;
}

/** Choices of a simulated process. */
export interface WorldOptions {
  readonly rwsem?: RwsemGeneration;
  /** Must the first fault of a VMA take mmap_lock? Default "when-needed": a try, without waiting. */
  readonly firstFaultFallback?: "always" | "when-needed";
}

/** A last-level page table: 512 pages under one lock. */
interface PageTable {
  readonly lock: Spinlock;
  pages: number;
}

/** A mapping of the simulated process. */
export class SimVma {
  readonly slot: number;
  readonly pages: number;
  /** The fields a look-up reads. */
  readonly line: CacheLine;
  readonly lock: Rwsem;
  readonly tables: Map<number, PageTable> = new Map();
  lockSeq = -1;
  attached = true;
  hasAnonVma = false;

  constructor(world: World, slot: number, pages: number) {
    this.slot = slot;
    this.pages = pages;
    this.line = world.engine.line(`vma ${slot}`);
    this.lock = new Rwsem(world.engine, `vma lock ${slot}`, world.lockStats("vma_lock"), world.options.rwsem);
  }
}

/** The process, its locks, its counters. */
export class World {
  readonly engine: Engine;
  readonly design: SimDesign;
  readonly options: WorldOptions;
  readonly mmapLock: Rwsem;
  /** Line of the process's sequence number of VMA locks. */
  readonly seqLine: CacheLine;
  lockSeq = 0;
  readonly rcu: Rcu;
  readonly counters: Counters = { success: 0, abort: 0, retry: 0, miss: 0 };
  readonly #locks: Map<string, LockStats> = new Map();
  readonly #operations: Map<string, Histogram> = new Map();
  readonly #root: CacheLine;
  readonly #leaves: CacheLine[] = [];
  readonly #pageTableLock: Spinlock;
  readonly #zones: Spinlock[];

  constructor(engine: Engine, design: SimDesign, options: WorldOptions = {}) {
    this.engine = engine;
    this.design = design;
    this.options = options;
    this.mmapLock = new Rwsem(engine, "mmap_lock", this.lockStats("mmap_lock"), options.rwsem);
    this.seqLine = engine.line("mm_lock_seq");
    this.rcu = new Rcu(engine);
    this.#root = engine.line("tree root");
    this.#pageTableLock = new Spinlock(engine, "page_table_lock", this.lockStats("page_table_lock"));
    const zone = this.lockStats("zone_lock");
    this.#zones = Array.from(
      { length: engine.machine.sockets },
      (_, i) => new Spinlock(engine, `zone ${i}`, zone, engine.line(`zone ${i}`, i)),
    );
  }

  /** The statistics of a class of locks. */
  lockStats(name: string): LockStats {
    let stats = this.#locks.get(name);
    if (!stats) {
      stats = new LockStats(name);
      this.#locks.set(name, stats);
    }
    return stats;
  }

  get locks(): Iterable<LockStats> {
    return this.#locks.values();
  }

  get operations(): Iterable<readonly [string, Histogram]> {
    return this.#operations;
  }

  /** Private work from the table of costs. */
  *work(agent: Agent, what: keyof typeof COSTS, times = 1): Steps {
    yield agent.work(COSTS[what] * 1000 * times);
  }

  /** Touches page `page` (0-based) of `vma` for the first time. */
  *fault(agent: Agent, vma: SimVma, page: number): Steps {
    const start = this.engine.now;
    yield* this.work(agent, "faultEntry");
    yield* this.design.fault(this, agent, vma, page);
    this.#record("fault", start);
  }

  /** Maps `pages` pages at a place of its own; neighbours in `slot` share tree nodes. */
  *map(agent: Agent, slot: number, pages: number): Steps<SimVma> {
    const start = this.engine.now;
    yield* this.work(agent, "syscallEntry");
    yield* this.design.writeLock(this, agent);
    yield* this.work(agent, "allocVma");
    const vma = new SimVma(this, slot, pages);
    yield agent.write(vma.line);
    yield* this.#storeTree(agent, slot);
    yield* this.design.writeUnlock(this, agent);
    this.#record("mmap", start);
    return vma;
  }

  /** Unmaps the whole of `vma`: off the tree under the write lock, pages freed under the read lock. */
  *unmap(agent: Agent, vma: SimVma): Steps {
    const start = this.engine.now;
    yield* this.work(agent, "syscallEntry");
    yield* this.design.writeLock(this, agent);
    yield* this.design.vmaStartWrite(this, agent, vma);
    vma.attached = false;
    yield* this.#storeTree(agent, vma.slot);
    yield* this.design.writeDowngrade(this, agent);
    yield* this.#zap(agent, vma, true);
    yield* this.design.readUnlock(this, agent);
    this.rcu.defer(agent, MAPLE_NODE_BYTES);
    this.#record("munmap", start);
  }

  /** Changes the permissions of (a part of) `vma`: one VMA boundary moves, translations are flushed. */
  *protect(agent: Agent, vma: SimVma): Steps {
    const start = this.engine.now;
    yield* this.work(agent, "syscallEntry");
    yield* this.design.writeLock(this, agent);
    yield* this.design.vmaStartWrite(this, agent, vma);
    yield* this.work(agent, "changeVma");
    yield agent.write(vma.line);
    yield* this.#storeTree(agent, vma.slot);
    if (vma.tables.size > 0) yield agent.shootdown(this.engine.agents);
    yield* this.design.writeUnlock(this, agent);
    this.#record("mprotect", start);
  }

  /** Frees the pages of `vma` but keeps the mapping (MADV_DONTNEED): mmap_lock for read. */
  *discard(agent: Agent, vma: SimVma): Steps {
    const start = this.engine.now;
    yield* this.work(agent, "syscallEntry");
    yield* this.mmapLock.downRead(agent);
    yield* this.lookup(agent, vma);
    yield* this.#zap(agent, vma, false);
    yield* this.mmapLock.upRead(agent);
    this.#record("madvise", start);
  }

  /** Walks the tree to `vma` and reads its fields. */
  *lookup(agent: Agent, vma: SimVma): Steps {
    yield agent.read(this.#root);
    yield agent.read(this.#leaf(vma.slot));
    yield* this.work(agent, "walkTree");
    yield agent.read(vma.line);
  }

  /** The common part of a fault: page-table walk, a zeroed page, its entry. Needs `vma` to stay. */
  *handleFault(agent: Agent, vma: SimVma, page: number): Steps {
    yield* this.work(agent, "walkPageTable");
    const table = yield* this.#table(agent, vma, Math.floor(page / PAGES_PER_TABLE));
    yield* this.#allocPage(agent);
    yield agent.zero(agent.cpu.socket);
    yield* this.work(agent, "charge");
    yield* table.lock.lock(agent);
    yield* this.work(agent, "installPte");
    table.pages++;
    yield* table.lock.unlock(agent);
  }

  #record(operation: string, start: number): void {
    let histogram = this.#operations.get(operation);
    if (!histogram) {
      histogram = new Histogram();
      this.#operations.set(operation, histogram);
    }
    histogram.add(this.engine.now - start);
  }

  /** The maple tree copies the leaf, publishes it in the parent and frees the old one after a grace period. */
  *#storeTree(agent: Agent, slot: number): Steps {
    yield* this.work(agent, "storeTree");
    yield agent.write(this.#leaf(slot));
    yield agent.write(this.#root);
    this.rcu.defer(agent, MAPLE_NODE_BYTES);
  }

  #leaf(slot: number): CacheLine {
    const index = Math.floor(slot / 8);
    this.#leaves[index] ??= this.engine.line(`tree leaf ${index}`);
    return this.#leaves[index];
  }

  *#table(agent: Agent, vma: SimVma, index: number): Steps<PageTable> {
    const found = vma.tables.get(index);
    if (found) return found;
    yield* this.work(agent, "allocPageTable");
    yield* this.#pageTableLock.lock(agent);
    let table = vma.tables.get(index);
    if (!table) {
      const lock = new Spinlock(this.engine, `ptl ${vma.slot}/${index}`, this.lockStats("pte_lock"));
      table = { lock, pages: 0 };
      vma.tables.set(index, table);
    }
    yield* this.#pageTableLock.unlock(agent);
    return table;
  }

  *#allocPage(agent: Agent): Steps {
    if (agent.freePages === 0) {
      yield* this.#visitZone(agent);
      agent.freePages = ZONE_BATCH;
    }
    agent.freePages--;
    yield* this.work(agent, "allocPage");
  }

  *#visitZone(agent: Agent): Steps {
    const zone = this.#zones[agent.cpu.socket]!;
    yield* zone.lock(agent);
    yield* this.work(agent, "refill");
    yield* zone.unlock(agent);
  }

  /** Frees the pages table by table, after one flush of everybody's translations. */
  *#zap(agent: Agent, vma: SimVma, freeTables: boolean): Steps {
    if (vma.tables.size === 0) return;
    yield agent.shootdown(this.engine.agents);
    for (const table of vma.tables.values()) {
      yield* table.lock.lock(agent);
      yield* this.work(agent, "zapPage", table.pages);
      yield* table.lock.unlock(agent);
      for (let left = table.pages; left > 0; left -= ZONE_BATCH) yield* this.#visitZone(agent);
      table.pages = 0;
    }
    if (freeTables) vma.tables.clear();
  }
}
