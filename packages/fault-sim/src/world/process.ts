import { AddressSpace } from "@faultline/mm";
import type { SimDesign } from "../designs/index.ts";
import type { Engine } from "../engine/engine.ts";
import { Rcu } from "../locks/rcu.ts";
import type { RwsemGeneration } from "../locks/rwsem.ts";
import { PageAllocator } from "./page-allocator.ts";
import { TreeStores } from "./tree-stores.ts";
import { WordLocks } from "./word-locks.ts";

/** Choices of a simulated process. */
export interface ProcessOptions {
  readonly rwsem?: RwsemGeneration;
  /** Must the first fault of a VMA take mmap_lock? Default "when-needed": a try, without waiting. */
  readonly firstFaultFallback?: "always" | "when-needed";
}

/** What the threads of one simulated process share. */
export class SimProcess {
  readonly engine: Engine;
  readonly mm: AddressSpace;
  readonly rcu: Rcu;
  /** Locks and lines of the address space's words. */
  readonly words: WordLocks;
  readonly pages: PageAllocator;
  readonly stores: TreeStores;
  readonly firstFaultFallsBack: boolean;

  constructor(engine: Engine, design: SimDesign, options: ProcessOptions = {}) {
    this.engine = engine;
    this.mm = AddressSpace.create({ design: design.name });
    this.rcu = new Rcu(engine);
    this.words = new WordLocks(engine, this.mm, options.rwsem);
    this.pages = new PageAllocator(engine, this.words.stats("zone_lock"));
    this.stores = new TreeStores(this.mm);
    this.firstFaultFallsBack = options.firstFaultFallback === "always";
  }
}
