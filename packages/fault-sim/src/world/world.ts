/*
 * One simulated process: an address space of @faultline/mm, its locks and lines on the simulated machine, and the
 * operations threads do on it. What an operation does is mm's own protocol; this file only starts it, times it and
 * knows what happened to the tree.
 *
 * Between two actions of the engine a protocol runs alone, so the address space lives in plain memory. Lock order
 * is mm's; zone locks are innermost.
 */
import {
  AddressSpace,
  type FaultAccess,
  type FaultCounters,
  MAP,
  madviseProtocol,
  mmapProtocol,
  mprotectProtocol,
  munmapProtocol,
  onCores,
  PAGE_SIZE,
  PROT,
  type Protocol,
} from "@faultline/mm";
import type { SimDesign } from "../designs/index.ts";
import type { Agent, Steps } from "../engine/agent.ts";
import type { Engine } from "../engine/engine.ts";
import { Histogram } from "../engine/histogram.ts";
import type { LockStats } from "../locks/lock-stats.ts";
import { Rcu } from "../locks/rcu.ts";
import type { RwsemGeneration } from "../locks/rwsem.ts";
import { PageAllocator } from "./page-allocator.ts";
import { SimCore } from "./sim-core.ts";
import { WordLocks } from "./word-locks.ts";

const TREE_NODE_BYTES = 256;
const READ_WRITE: number = PROT.READ | PROT.WRITE;
const PRIVATE: number = MAP.PRIVATE | MAP.ANONYMOUS | MAP.NORESERVE;
/** Where the areas of {@link World.areaOf} begin: below the heap and what mmap chooses. */
const AREAS_START = 0x2000_0000_0000;
const TABLE_PAGES = 512;

/** Choices of a simulated process. */
export interface WorldOptions {
  readonly rwsem?: RwsemGeneration;
  /** Must the first fault of a VMA take mmap_lock? Default "when-needed": a try, without waiting. */
  readonly firstFaultFallback?: "always" | "when-needed";
}

/** The process, its address space, its counters. Addresses are bytes, page-aligned unless said otherwise. */
export class World {
  readonly engine: Engine;
  readonly mm: AddressSpace;
  readonly rcu: Rcu;
  /** Locks and lines of the address space's words. */
  readonly words: WordLocks;
  readonly pages: PageAllocator;
  readonly firstFaultFallsBack: boolean;
  /** Changes with every store into the tree. */
  treeVersion = 0;
  /** Nodes whose lines the store that has just happened has written; see {@link takeStoredWords}. */
  storedWords: number[] = [];
  #deadNodes = 0;
  readonly #cores: SimCore[] = [];
  readonly #operations: Map<string, Histogram> = new Map();

  constructor(engine: Engine, design: SimDesign, options: WorldOptions = {}) {
    this.engine = engine;
    this.mm = AddressSpace.create({ design: design.name });
    this.rcu = new Rcu(engine);
    this.words = new WordLocks(engine, this.mm, options.rwsem);
    this.pages = new PageAllocator(engine, this.words.stats("zone_lock"));
    this.firstFaultFallsBack = options.firstFaultFallback === "always";
    this.#watchTree();
  }

  /** How faults went, as mm counts them. */
  get counters(): Readonly<FaultCounters> {
    return this.mm.faultCounters;
  }

  get locks(): Iterable<LockStats> {
    return this.words.classes;
  }

  get operations(): Iterable<readonly [string, Histogram]> {
    return this.#operations;
  }

  /**
   * The start of thread `index`'s own area of `pages` pages. Areas share neither a last-level page table nor a
   * border: mappings side by side would be joined to one VMA.
   */
  areaOf(index: number, pages: number): number {
    const stride = (Math.ceil(pages / TABLE_PAGES) + 1) * TABLE_PAGES * PAGE_SIZE;
    return AREAS_START + index * stride;
  }

  /** Maps `pages` pages of private memory before the run, at no cost; its VMA has an anon_vma already. */
  prepareMapping(pages: number): number {
    const flags = PRIVATE | MAP.POPULATE;
    const start = this.mm.mmap({ length: pages * PAGE_SIZE, prot: READ_WRITE, flags });
    this.takeStoredWords(undefined);
    return start;
  }

  /** Touches the page at `address`, which must be mapped and allow it. */
  *fault(agent: Agent, address: number, access: FaultAccess = "write"): Steps {
    const protocol = this.mm.design.fault(this.mm, address, access);
    const { outcome } = yield* this.#timed(agent, "fault", address, protocol);
    if (outcome !== "ok") throw new Error(`fault of ${agent.name} at 0x${address.toString(16)}: ${outcome}`);
  }

  /** Maps `pages` pages of private memory at `start`, over whatever is there. */
  *map(agent: Agent, start: number, pages: number, prot: number = READ_WRITE): Steps {
    const args = { addr: start, length: pages * PAGE_SIZE, prot, flags: PRIVATE | MAP.FIXED };
    yield* this.#timed(agent, "mmap", start, mmapProtocol(this.mm, args));
  }

  /** Unmaps; holes are fine. */
  *unmap(agent: Agent, start: number, pages: number): Steps {
    yield* this.#timed(agent, "munmap", start, munmapProtocol(this.mm, start, pages * PAGE_SIZE));
  }

  /** Changes the protection, bits of mm's PROT; all of the range must be mapped. */
  *protect(agent: Agent, start: number, pages: number, prot: number): Steps {
    yield* this.#timed(agent, "mprotect", start, mprotectProtocol(this.mm, start, pages * PAGE_SIZE, prot));
  }

  /** Frees the pages but keeps the mapping (MADV_DONTNEED); all of the range must be mapped. */
  *discard(agent: Agent, start: number, pages: number): Steps {
    const protocol = madviseProtocol(this.mm, start, pages * PAGE_SIZE, "DONTNEED");
    yield* this.#timed(agent, "madvise", start, protocol);
  }

  /** Runs any protocol of this process's address space on `agent`'s core; `address` is where it looks things up. */
  run<T>(agent: Agent, address: number, protocol: Protocol<T>): Steps<T> {
    const core = this.#core(agent);
    core.begin(address);
    return onCores(protocol, core);
  }

  /** The nodes written by stores into the tree since the last call, to be charged to `agent`. */
  takeStoredWords(agent: Agent | undefined): readonly number[] {
    const words = this.storedWords;
    const dead = this.#deadNodes;
    this.storedWords = [];
    this.#deadNodes = 0;
    if (agent && dead > 0) this.rcu.defer(agent, dead * TREE_NODE_BYTES);
    return words;
  }

  *#timed<T>(agent: Agent, operation: string, address: number, protocol: Protocol<T>): Steps<T> {
    const start = this.engine.now;
    const result = yield* this.run(agent, address, protocol);
    this.#record(operation, start);
    return result;
  }

  #core(agent: Agent): SimCore {
    let core = this.#cores[agent.id];
    if (!core) {
      core = new SimCore(this, agent);
      this.#cores[agent.id] = core;
    }
    return core;
  }

  #record(operation: string, start: number): void {
    let histogram = this.#operations.get(operation);
    if (!histogram) {
      histogram = new Histogram();
      this.#operations.set(operation, histogram);
    }
    histogram.add(this.engine.now - start);
  }

  /** A node's first line holds its parent word and the first slots: readers read it, stores write it. */
  #watchTree(): void {
    const { tree } = this.mm.tree;
    tree.onStep = (step) => {
      switch (step.what) {
        case "type":
          this.treeVersion++;
          break;
        case "publish":
          this.#stored(step.node === 0 ? tree.root : step.node);
          break;
        case "build":
        case "slot":
        case "adopt":
          this.#stored(step.node);
          break;
        case "dead":
          this.#deadNodes++;
          this.#stored(step.node);
          break;
        default:
          break;
      }
    };
  }

  #stored(node: number): void {
    if (!this.storedWords.includes(node)) this.storedWords.push(node);
  }
}
