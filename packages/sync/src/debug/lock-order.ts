/*
 * The rules of locking, checked before a thread waits: a report comes while the program can still act on it.
 *
 *   order      taking B while holding A, when some chain of known dependencies leads from B back to A
 *   recursion  taking a lock, or another of its class, while holding it; `lockNested` allows the class
 *   sleep      a call that may sleep while a spinlock is held, or inside an RCU read section
 *   irq        a class taken in a simulated interrupt, and where one could come (irq-safety.ts)
 *   await      a turn of the event loop ends while a spinlock is held that was taken in it
 *   release    of a lock that this thread does not hold
 *   free       of words with a held lock in them, the end of a thread with one
 *
 * A trylock cannot wait, so it adds no edge that ends in it; but it holds like any other, so edges start at
 * it. A call with `timeoutMs: 0` is a trylock; one with a longer timeout counts as waiting, since a program
 * that lives on timeouts is one that stands still.
 *
 * Who holds: the thread. A lock taken by an …Async call belongs to the task that awaits, and two tasks of one
 * thread have nothing to do with each other; JavaScript does not say which task is running. Without
 * `currentTask`, such a lock is therefore known to be held and may be released by anybody in the thread, but
 * takes no part in the order.
 */
import { irqContext, irqsDisabled } from "../irq.ts";
import { IrqSafety } from "./irq-safety.ts";
import type { Place } from "./lock-class.ts";
import { describe, type GraphLock, type LockEdge, LockGraph } from "./lock-graph.ts";
import { cycleReport, type LockReport, type LockReportKind, reportOf } from "./report.ts";
import type { Site } from "./site.ts";

/** How a lock is held. A lock with one holder is always held to write. */
export type LockMode = "read" | "write";

/** A lock that somebody in this agent holds. */
export interface HeldLock extends GraphLock {
  readonly place: Place;
  readonly mode: LockMode;
  readonly site: Site;
  /** May nobody sleep while it is held? */
  readonly isSpinning: boolean;
  /** When it was taken, on this agent's clock. */
  readonly sinceMs: number;
  /** Has a turn of the event loop ended since? Only kept for spinlocks that the thread itself took. */
  hasSpannedTurn: boolean;
}

/** A wish for a lock. */
export interface Wanted {
  readonly place: Place;
  readonly mode: LockMode;
  readonly site: Site;
  /** May the call sleep? False for spinlocks. */
  readonly maySleep: boolean;
  /** Name of the call, for messages. */
  readonly what: string;
}

/** The place of every RCU read section: a class of its own, that is never waited for. */
const READ_SECTION: Place = {
  kind: "RcuDomain",
  buffer: new ArrayBuffer(0),
  first: 0,
  className: "RCU read section",
  recursiveReads: true,
};

/** One agent's held locks, and the graph of all that were ever held together. */
export class LockOrder {
  readonly graph: LockGraph = new LockGraph();
  readonly #onReport: (report: LockReport) => void;
  readonly #currentTask: (() => unknown) | undefined;
  /** By task, `undefined` being the thread itself. Oldest first. */
  readonly #held: Map<unknown, HeldLock[]> = new Map();
  /** Taken by …Async calls of tasks nobody can tell apart. */
  readonly #loose: HeldLock[] = [];
  readonly #irqSafety: IrqSafety;
  /** SRCU sections of this thread that are open, in whichever task. */
  #srcuSections = 0;
  /** See `lockNested`. */
  subclass = 0;

  constructor(onReport: (report: LockReport) => void, currentTask: (() => unknown) | undefined) {
    this.#onReport = onReport;
    this.#currentTask = currentTask;
    this.#irqSafety = new IrqSafety(this.graph, onReport);
  }

  /** Can locks taken by …Async calls be told apart by task? */
  get knowsTasks(): boolean {
    return this.#currentTask !== undefined;
  }

  /** Who runs now; pass it on when the lock is got later. */
  get task(): unknown {
    return this.#currentTask?.();
  }

  /** Called before a lock is waited for. @param blocks - does the thread wait, or only a task? */
  beforeTake(wanted: Wanted, blocks: boolean): void {
    const held = this.#heldNow();
    if (blocks && wanted.maySleep) this.beforeSleep(wanted.what, wanted.site);
    const to = this.#lockOf(wanted);
    if (blocks) this.#irqSafety.taken(to.className, wanted.site);
    if (blocks) this.#checkLoose(wanted, held);
    for (const from of [...held]) {
      if (from.place === READ_SECTION) continue;
      if (from.place === wanted.place || from.className === to.className) {
        this.#checkRecursion(wanted, from, held);
      } else {
        this.#checkEdge({ from, to }, held);
      }
    }
  }

  /** Called before anything that may put the thread to sleep. */
  beforeSleep(what: string, site: Site): void {
    const held = this.#heldNow();
    if (held.some(({ isSpinning }) => isSpinning)) {
      this.#report("sleep-under-spinlock", `${what} may sleep, but a spinlock is held`, site);
    }
    if (held.some(({ place }) => place === READ_SECTION)) {
      this.#report("sleep-in-read-section", `${what} may sleep, but this is an RCU read section`, site);
    }
    const context = irqContext();
    if (context === "task" && !irqsDisabled()) return;
    const where = context === "task" ? "interrupts are off" : `this is a ${context}`;
    this.#report("sleep-in-irq", `${what} may sleep, but ${where}`, site);
  }

  /** Notes a lock that was got. @param isLoose - by a task that cannot be told from others */
  taken(wanted: Wanted, sinceMs: number, isLoose: boolean, task: unknown): void {
    const { place, mode, site } = wanted;
    const list = isLoose ? this.#loose : this.#listOf(task);
    const lock = this.#lockOf(wanted);
    const isSpinning = !wanted.maySleep;
    const held = { ...lock, place, mode, site, isSpinning, sinceMs, hasSpannedTurn: false };
    list.push(held);
    // A try is marked only now, when it has got the lock; whoever waits was marked before.
    this.#irqSafety.taken(lock.className, site);
    if (isSpinning && task === undefined && !isLoose) this.#watchTurn(held);
  }

  /**
   * Called before a release.
   *
   * @param owner - who else is known to have the lock, in words for a report
   * @returns what is released, `undefined` if this thread does not hold it
   */
  beforeRelease({ place, mode, what, site }: Wanted, owner: string): HeldLock | undefined {
    const isIt = (lock: HeldLock) => lock.place === place && lock.mode === mode;
    const held = this.#heldNow().findLast(isIt) ?? this.#loose.findLast(isIt);
    if (held === undefined) {
      const name = describe({ className: place.className, isShared: mode === "read" });
      this.#report("not-held", `${what}: this thread does not hold ${name}${owner}`, site);
    } else if (held.hasSpannedTurn) {
      held.hasSpannedTurn = false; // said once, also if the report throws and the release is tried again
      const why = "was held at the end of an event-loop turn; nothing may be awaited under a spinlock";
      this.#report("await-under-spinlock", `${what}: ${place.className} ${why}`, site);
    }
    return held;
  }

  /** Does this thread (or task) hold the lock in this mode? */
  isHeld(place: Place, mode: LockMode | undefined): boolean {
    const isIt = (lock: HeldLock) => lock.place === place && (mode === undefined || lock.mode === mode);
    return this.#heldNow().some(isIt) || this.#loose.some(isIt);
  }

  /** Forgets a lock that `beforeRelease` has found. */
  released(held: HeldLock): void {
    for (const list of [this.#heldNow(), this.#loose]) {
      const index = list.lastIndexOf(held);
      if (index >= 0) list.splice(index, 1);
    }
    this.#forgetIdle();
  }

  /** The write lock `held` has become a read lock. */
  downgraded(held: HeldLock, site: Site, sinceMs: number): void {
    for (const list of [this.#heldNow(), this.#loose]) {
      const index = list.lastIndexOf(held);
      if (index >= 0) list[index] = { ...held, mode: "read", isShared: true, site, sinceMs };
    }
  }

  enterSection(site: Site): void {
    this.#listOf(this.task).push({
      className: READ_SECTION.className,
      isShared: true,
      isRecursiveRead: true,
      place: READ_SECTION,
      mode: "read",
      site,
      isSpinning: false,
      sinceMs: 0,
      hasSpannedTurn: false,
    });
  }

  leaveSection(): void {
    const list = this.#heldNow();
    const index = list.findLastIndex(({ place }) => place === READ_SECTION);
    if (index >= 0) list.splice(index, 1);
    this.#forgetIdle();
  }

  /** An SRCU section begins (1) or ends (-1). */
  countSrcu(by: 1 | -1): void {
    this.#srcuSections += by;
  }

  /** Reports a load of what readers see, unless a read section is open: of which domain nobody can tell. */
  beforeLoad(what: string, site: Site): void {
    if (this.#srcuSections > 0 || this.#heldNow().some(({ place }) => place === READ_SECTION)) return;
    this.#report("load-outside-section", `${what}: this is no RCU read section`, site);
  }

  /** A function that waits for its grace period already is handed to `call` again. */
  calledTwice(what: string, site: Site): void {
    this.#report("double-call", `${what}: this function is waiting for its grace period already`, site);
  }

  /** See `assertNoLocksFreed`. */
  assertNoLocksFreed(words: Int32Array, word: number, count: number, site: Site): void {
    const first = words.byteOffset / Int32Array.BYTES_PER_ELEMENT + word;
    const isFreed = ({ place }: HeldLock) =>
      place.buffer === words.buffer && place.first >= first && place.first < first + count;
    const freed = this.#all().filter(isFreed);
    if (freed.length === 0) return;
    const names = freed.map(describe).join(", ");
    const headline = `words ${word}..${word + count - 1} are given back, but in them is held: ${names}`;
    this.#onReport(reportOf("freed-while-held", headline, site.stack, freed));
  }

  /** See `assertHeld`. */
  assertHeld(place: Place, mode: LockMode | undefined, site: Site): void {
    if (this.isHeld(place, mode)) return;
    const inMode = mode === undefined ? "" : ` in ${mode} mode`;
    this.#report("not-held", `assertHeld: this thread does not hold ${place.className}${inMode}`, site);
  }

  /** See `assertNoLocksHeld`. */
  assertNoLocksHeld(what: string, site: Site): void {
    const all = this.#all();
    if (all.length === 0) return;
    const names = all.map(describe).join(", ");
    this.#onReport(reportOf("still-held", `${what}: still held: ${names}`, site.stack, all));
  }

  /** Dependencies another agent has seen. Reports those that contradict what is known here. */
  merge(edges: readonly LockEdge[]): void {
    for (const edge of edges) this.#checkEdge(edge, []);
  }

  #checkEdge(edge: LockEdge, held: readonly HeldLock[]): void {
    if (this.graph.has(edge)) return;
    const known = this.graph.findCycle(edge);
    // If the report throws, the lock is not taken, and the order that was there first stays the valid one.
    if (known !== undefined) this.#onReport(cycleReport(edge, known, [...held]));
    this.graph.add(edge);
    this.#irqSafety.edgeAdded();
  }

  #checkRecursion(wanted: Wanted, from: HeldLock, held: readonly HeldLock[]): void {
    const { place, mode, what, site } = wanted;
    if (mode === "read" && from.mode === "read" && place.recursiveReads) return;
    const which = from.place === place ? "it is held already" : "another lock of its class is held";
    const headline = `${what}: ${this.#lockOf(wanted).className}: ${which}`;
    this.#onReport(reportOf("recursion", headline, site.stack, [...held]));
  }

  /** The thread blocks, so the task that holds the lock cannot go on and release it. */
  #checkLoose({ place, mode, what, site }: Wanted, held: readonly HeldLock[]): void {
    const other = this.#loose.find((lock) => lock.place === place);
    if (other === undefined || (mode === "read" && other.mode === "read")) return;
    const headline = `${what}: ${place.className}: a task of this very thread holds it`;
    this.#onReport(reportOf("recursion", headline, site.stack, [...held, other]));
  }

  #lockOf({ place, mode, site }: Wanted): GraphLock {
    const className = this.subclass === 0 ? place.className : `${place.className}/${this.subclass}`;
    const isShared = mode === "read";
    return { className, isShared, isRecursiveRead: isShared && place.recursiveReads, site };
  }

  /** Says on release that somebody has awaited: a report out of the microtask itself would reach nobody. */
  #watchTurn(held: HeldLock): void {
    void Promise.resolve().then(() => {
      held.hasSpannedTurn = true;
    });
  }

  #all(): HeldLock[] {
    return [...[...this.#held.values()].flat(), ...this.#loose];
  }

  #heldNow(): HeldLock[] {
    return this.#held.get(this.task) ?? [];
  }

  /** Tasks come and go; one that holds nothing leaves nothing behind. */
  #forgetIdle(): void {
    const task = this.task;
    if (this.#held.get(task)?.length === 0) this.#held.delete(task);
  }

  #listOf(task: unknown): HeldLock[] {
    let list = this.#held.get(task);
    if (list === undefined) {
      list = [];
      this.#held.set(task, list);
    }
    return list;
  }

  #report(kind: LockReportKind, headline: string, site: Site): void {
    this.#onReport(reportOf(kind, headline, site.stack, [...this.#heldNow()]));
  }
}
