/*
 * The executor's side of one simulated core: turns the effects of mm's protocols into actions of the engine. No
 * effect has a cost that is not made of work, lines, locks over lines, zeroing and interrupts.
 *
 * Two things protocols do not say are taken from the tree itself. `walk-tree` reads the lines of the tree's header,
 * of the nodes on the way to the operation's address and of the VMA found. A store into the tree writes the lines
 * of the nodes it builds, publishes, kills and adopts; the tree reports them while it stores, and they are charged
 * before the next effect of that core, so still inside the write section.
 */
import type { CorePort, LineRef, LockRef, WorkKind } from "@faultline/mm";
import type { Agent, Steps } from "../engine/agent.ts";
import type { CacheLine } from "../engine/line.ts";
import type { Op } from "../engine/op.ts";
import { COSTS } from "./costs.ts";
import type { SimProcess } from "./process.ts";

const TREE_NODE_BYTES = 256;

type Mode = "read" | "write";

/** A generator that has ended: what costs nothing. Delegating to it again and again is allowed. */
const NOTHING: Steps = (function* (): Steps {})();
NOTHING.next();

/** A core of a simulated process, for one agent. */
export class SimCore implements CorePort<Op> {
  readonly #process: SimProcess;
  readonly #agent: Agent;
  /** Where the operation in progress looks things up, bytes. */
  #address = 0;
  /** PTEs the operation has changed: without any there is nothing to flush. */
  #changed = 0;
  // The path of the last walk, good as long as the tree has not changed and for addresses of the same VMA.
  #path: readonly CacheLine[] = [];
  #pathVersion = -1;
  #pathStart = 0;
  #pathEnd = 0;

  constructor(process: SimProcess, agent: Agent) {
    this.#process = process;
    this.#agent = agent;
  }

  /** An operation at `address` begins. */
  begin(address: number): void {
    this.#address = address;
    this.#changed = 0;
  }

  acquire(lock: LockRef, mode: Mode): Steps {
    return this.#afterStores(this.#acquire(lock, mode));
  }

  tryAcquire(lock: LockRef, mode: Mode): Steps<boolean> {
    return this.#afterStores(this.#tryAcquire(lock, mode));
  }

  release(lock: LockRef, mode: Mode): Steps {
    return this.#afterStores(this.#release(lock, mode));
  }

  downgrade(lock: LockRef): Steps {
    return this.#afterStores(this.#process.words.rwsem(lock).downgradeWrite(this.#agent));
  }

  rcuLock(): Steps {
    this.#process.rcu.readLock(this.#agent);
    return NOTHING;
  }

  rcuUnlock(): Steps {
    this.#process.rcu.readUnlock(this.#agent);
    return NOTHING;
  }

  rcuDefer(bytes: number, free: () => void): Steps {
    this.#process.rcu.defer(this.#agent, bytes, free);
    return NOTHING;
  }

  touch(access: "read" | "write" | "rmw", line: LineRef): Steps {
    return this.#afterStores(this.#touch(access, this.#process.words.line(line.word, line.name)));
  }

  work(what: WorkKind, times: number): Steps {
    return this.#afterStores(this.#workSteps(what, times));
  }

  sleep(_what: string, ns: number): Steps {
    return this.#afterStores(this.#sleep(ns));
  }

  /** Everybody's translations are flushed at once, if the operation has changed any PTE (kernel: mmu_gather). */
  shootdown(_pages: number): Steps {
    if (this.#changed === 0) return NOTHING;
    this.#changed = 0;
    return this.#afterStores(this.#shootdown());
  }

  #acquire(lock: LockRef, mode: Mode): Steps {
    const { words } = this.#process;
    if (lock.kind === "spinlock") return words.spinlock(lock).lock(this.#agent);
    if (lock.kind === "rwsem") {
      const rwsem = words.rwsem(lock);
      return mode === "read" ? rwsem.downRead(this.#agent) : rwsem.downWrite(this.#agent);
    }
    if (mode === "write") return words.vmaLock(lock).write(this.#agent);
    throw new Error(`${lock.name}: a fault waits for a VMA lock; it may only try`);
  }

  #tryAcquire(lock: LockRef, mode: Mode): Steps<boolean> {
    const { words, firstFaultFallsBack, mm } = this.#process;
    // The one place where a protocol tries for mmap_lock is a VMA's first fault, which wants an anon_vma.
    if (firstFaultFallsBack && lock.word === mm.mmapLock.word) return this.#refuse();
    if (lock.kind === "vma") {
      const vmaLock = words.vmaLock(lock);
      return mode === "read" ? vmaLock.tryRead(this.#agent) : vmaLock.tryWrite(this.#agent);
    }
    if (lock.kind === "rwsem" && mode === "read") return words.rwsem(lock).tryDownRead(this.#agent);
    throw new Error(`${lock.name}: trying for a ${lock.kind} in ${mode} mode is not simulated`);
  }

  #release(lock: LockRef, mode: Mode): Steps {
    const { words } = this.#process;
    if (lock.kind === "spinlock") return words.spinlock(lock).unlock(this.#agent);
    if (lock.kind === "vma") {
      const vmaLock = words.vmaLock(lock);
      return mode === "read" ? vmaLock.unlockRead(this.#agent) : vmaLock.unlockWrite(this.#agent);
    }
    const rwsem = words.rwsem(lock);
    return mode === "read" ? rwsem.upRead(this.#agent) : rwsem.upWrite(this.#agent);
  }

  #workSteps(what: WorkKind, times: number): Steps {
    switch (what) {
      case "walk-tree":
        return this.#walkTree();
      case "alloc-page":
        return this.#allocPage();
      case "zero-page":
      case "copy-page":
        return this.#fillPage(what);
      case "zap-pte":
        this.#changed += times;
        return this.#zap(times);
      case "change-pte":
        this.#changed += times;
        return this.#plainWork(what, times);
      default:
        return this.#plainWork(what, times);
    }
  }

  *#plainWork(what: WorkKind, times: number): Steps {
    yield this.#agent.work(COSTS[what] * 1000 * times);
  }

  *#walkTree(): Steps {
    const path = this.#findPath();
    for (const line of path) yield this.#agent.read(line);
    yield this.#agent.work(COSTS["walk-tree"] * 1000);
  }

  *#allocPage(): Steps {
    const agent = this.#agent;
    const { pages } = this.#process;
    if (pages.mustRefill(agent)) yield* pages.refill(agent);
    agent.freePages--;
    yield agent.work(COSTS["alloc-page"] * 1000);
  }

  *#fillPage(what: "zero-page" | "copy-page"): Steps {
    const agent = this.#agent;
    yield agent.zero(agent.cpu.socket);
    if (what === "copy-page") yield agent.work(COSTS[what] * 1000);
  }

  *#zap(pages: number): Steps {
    yield this.#agent.work(COSTS["zap-pte"] * 1000 * pages);
    yield* this.#process.pages.release(this.#agent, pages);
  }

  *#touch(access: "read" | "write" | "rmw", line: CacheLine): Steps {
    const agent = this.#agent;
    if (access === "read") yield agent.read(line);
    else yield access === "write" ? agent.write(line) : agent.rmw(line);
  }

  *#sleep(ns: number): Steps {
    yield this.#agent.sleep(ns * 1000);
  }

  *#shootdown(): Steps {
    yield this.#agent.shootdown(this.#process.engine.agents);
  }

  // biome-ignore lint/correctness/useYield: refusing costs nothing
  *#refuse(): Steps<boolean> {
    return false;
  }

  /** `steps`, after the lines that this core's last store into the tree has written. */
  #afterStores<T>(steps: Steps<T>): Steps<T> {
    return this.#process.stores.words.length === 0 ? steps : this.#chargeStores(steps);
  }

  *#chargeStores<T>(steps: Steps<T>): Steps<T> {
    const { words, stores, rcu } = this.#process;
    const { nodes, deadNodes } = stores.take();
    if (deadNodes > 0) rcu.defer(this.#agent, deadNodes * TREE_NODE_BYTES);
    for (const word of nodes) yield this.#agent.write(words.line(word, "tree node"));
    return yield* steps;
  }

  #findPath(): readonly CacheLine[] {
    const { mm, words, stores } = this.#process;
    const address = this.#address;
    if (stores.version === this.#pathVersion && address >= this.#pathStart && address < this.#pathEnd) {
      return this.#path;
    }
    const vma = mm.tree.at(address);
    this.#path = mm.tree.path(address).map((word) => words.line(word, "tree node"));
    this.#pathVersion = stores.version;
    this.#pathStart = vma?.vmStart ?? 0;
    this.#pathEnd = vma?.vmEnd ?? 0;
    return this.#path;
  }
}
