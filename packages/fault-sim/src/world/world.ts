/*
 * The operations that threads do on the address space of one simulated process. What an operation does is mm's own
 * protocol; this file only starts it on a core and times it.
 *
 * Between two actions of the engine a protocol runs alone, so the address space lives in plain memory. Lock order
 * is mm's; zone locks are innermost.
 */
import {
  type AddressSpace,
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
import type { Agent, Steps } from "../engine/agent.ts";
import type { Engine } from "../engine/engine.ts";
import { Histogram } from "../engine/histogram.ts";
import type { LockStats } from "../locks/lock-stats.ts";
import type { SimProcess } from "./process.ts";
import { SimCore } from "./sim-core.ts";

const READ_WRITE: number = PROT.READ | PROT.WRITE;
const PRIVATE: number = MAP.PRIVATE | MAP.ANONYMOUS | MAP.NORESERVE;
/** Where the areas of {@link World.areaOf} begin: below the heap and what mmap chooses. */
const AREAS_START = 0x2000_0000_0000;
const TABLE_PAGES = 512;

/** One process at work. Addresses are bytes, page-aligned unless said otherwise. */
export class World {
  readonly process: SimProcess;
  readonly #cores: SimCore[] = [];
  readonly #operations: Map<string, Histogram> = new Map();

  constructor(process: SimProcess) {
    this.process = process;
  }

  get engine(): Engine {
    return this.process.engine;
  }

  get mm(): AddressSpace {
    return this.process.mm;
  }

  /** How faults went, as mm counts them. */
  get counters(): Readonly<FaultCounters> {
    return this.mm.faultCounters;
  }

  get locks(): Iterable<LockStats> {
    return this.process.words.classes;
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
    this.process.stores.take();
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

  *#timed<T>(agent: Agent, operation: string, address: number, protocol: Protocol<T>): Steps<T> {
    const start = this.engine.now;
    const result = yield* this.run(agent, address, protocol);
    this.#record(operation, start);
    return result;
  }

  #core(agent: Agent): SimCore {
    let core = this.#cores[agent.id];
    if (!core) {
      core = new SimCore(this.process, agent);
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
}
