/*
 * The rules of locking, checked before a thread waits: a report comes while the program can still act on it.
 *
 *   order      taking B while holding A, when some chain of known dependencies leads from B back to A
 *   recursion  taking a lock, or another of its class, while holding it; `lockNested` allows the class
 *   sleep      a call that may sleep while a spinlock is held, or inside an RCU read section
 *   release    of a lock that this thread does not hold
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
const READ_SECTION: Place = { kind: "RcuDomain", className: "RCU read section", recursiveReads: true };

/** One agent's held locks, and the graph of all that were ever held together. */
export class LockOrder {
  readonly graph: LockGraph = new LockGraph();
  readonly #onReport: (report: LockReport) => void;
  readonly #currentTask: (() => unknown) | undefined;
  /** By task, `undefined` being the thread itself. Oldest first. */
  readonly #held: Map<unknown, HeldLock[]> = new Map();
  /** Taken by …Async calls of tasks nobody can tell apart. */
  readonly #loose: HeldLock[] = [];
  /** See `lockNested`. */
  subclass = 0;

  constructor(onReport: (report: LockReport) => void, currentTask: (() => unknown) | undefined) {
    this.#onReport = onReport;
    this.#currentTask = currentTask;
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
  }

  /** Notes a lock that was got. @param isLoose - by a task that cannot be told from others */
  taken(wanted: Wanted, sinceMs: number, isLoose: boolean, task: unknown): void {
    const { place, mode, site } = wanted;
    const list = isLoose ? this.#loose : this.#listOf(task);
    list.push({ ...this.#lockOf(wanted), place, mode, site, isSpinning: !wanted.maySleep, sinceMs });
  }

  /**
   * Called before a release. @returns what is released, `undefined` if this thread does not hold it
   */
  beforeRelease({ place, mode, what, site }: Wanted): HeldLock | undefined {
    const list = this.#heldNow();
    const held = list.findLast((lock) => lock.place === place && lock.mode === mode);
    if (held !== undefined) return held;
    const loose = this.#loose.findLast((lock) => lock.place === place && lock.mode === mode);
    if (loose !== undefined) return loose;
    const name = describe({ className: place.className, isShared: mode === "read" });
    this.#report("not-held", `${what}: this thread does not hold ${name}`, site);
    return undefined;
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
    });
  }

  leaveSection(): void {
    const list = this.#heldNow();
    const index = list.findLastIndex(({ place }) => place === READ_SECTION);
    if (index >= 0) list.splice(index, 1);
    this.#forgetIdle();
  }

  /** See `assertHeld`. */
  assertHeld(place: Place, mode: LockMode | undefined, site: Site): void {
    const isIt = (lock: HeldLock) => lock.place === place && (mode === undefined || lock.mode === mode);
    if (this.#heldNow().some(isIt) || this.#loose.some(isIt)) return;
    const inMode = mode === undefined ? "" : ` in ${mode} mode`;
    this.#report("not-held", `assertHeld: this thread does not hold ${place.className}${inMode}`, site);
  }

  /** See `assertNoLocksHeld`. */
  assertNoLocksHeld(what: string, site: Site): void {
    const all = [...[...this.#held.values()].flat(), ...this.#loose];
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
