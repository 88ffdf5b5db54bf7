/*
 * Counts of what happens inside the locks, by the kernel's names (kernel/locking/lock_events_list.h).
 *
 * They are counted from outside: while a lock's method runs, the calls it makes of its wait queue are watched. So the
 * locks carry no counters, and a few of the kernel's events cannot be told apart here:
 *
 *   lock_pending            slow path of a qspinlock as second comer
 *   lock_slowpath           … with a node in the queue
 *   lock_no_node            … without one, because the lock has no table or none was free
 *   rwsem_sleep_reader      a queued reader goes to sleep
 *   rwsem_sleep_writer      a queued writer goes to sleep
 *   rwsem_wake_reader       a queued reader is woken, with the lock
 *   rwsem_wake_writer       a queued writer is woken, to compete
 *   rwsem_opt_lock          a write lock got by spinning, without the queue
 *   rwsem_opt_fail          a blocking writer that had to queue all the same
 *   rwsem_opt_nospin        an async writer, which never spins
 *   rwsem_rlock             a read lock got through the queue
 *   rwsem_rlock_fast        … on the slow path without queueing, nobody waiting
 *   rwsem_rlock_steal       … the same, past those who wait
 *   rwsem_rlock_fail        … given up
 *   rwsem_rlock_handoff     a reader sleeps that is owed the lock
 *   rwsem_wlock             a write lock got through the queue
 *   rwsem_wlock_fail        … given up
 *   rwsem_wlock_handoff     a writer sleeps that is owed the lock
 */

import { McsQueue } from "../spinlock/mcs-queue.ts";
import type { Nap } from "../wait-async.ts";
import { Kind, WaitQueue, type Wake } from "../wait-queue.ts";
import type { Place } from "./lock-class.ts";
import type { LockMode } from "./lock-order.ts";
import type { Patches } from "./patch.ts";

/** One slow path that is under way. */
export interface SlowRun {
  readonly kind: string;
  readonly mode: LockMode;
  readonly place: Place;
  readonly isAsync: boolean;
  /** Was the lock waited for by others, or pending, when it began? */
  readonly isCrowded: boolean;
  hasQueued: boolean;
  /** Node it got in a queue of nodes, 0 if it asked in vain. */
  node: number | undefined;
}

/** HANDOFF in the COUNT of an RwSem. */
const HANDOFF = 1 << 2;
/** PENDING and TAIL of a qspinlock. */
const CROWD = (1 << 8) | (-1 << 16);

/** Counters of one agent. */
export class LockEvents {
  readonly #counts: Map<string, number> = new Map();
  readonly #runs: WeakMap<WaitQueue, SlowRun> = new WeakMap();
  #current: SlowRun | undefined;

  /** How often `name` has happened. */
  count(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** All that have happened, by name. */
  toJSON(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** A line for each, `name=count`, as in the kernel's debugfs. */
  toString(): string {
    return Object.entries(this.toJSON())
      .map(([name, count]) => `${name}=${count}`)
      .join("\n");
  }

  /** Forgets everything. */
  clear(): void {
    this.#counts.clear();
  }

  /** Throws an `Error` naming the counts that contradict each other. */
  validate(): void {
    for (const [name, count] of this.#counts) {
      if (!Number.isInteger(count) || count < 1) throw new Error(`LockEvents: ${name} is ${count}`);
    }
  }

  /** Runs a slow path, or its first part, and watches what it does. */
  watch<T>(run: SlowRun, slow: () => T): T {
    const was = this.#current;
    this.#current = run;
    try {
      return slow();
    } finally {
      this.#current = was;
    }
  }

  /** What a slow path that begins now is. */
  newRun(kind: string, mode: LockMode, place: Place, isAsync: boolean, lock: object): SlowRun {
    const isCrowded =
      kind === "RwSem"
        ? (lock as { isContended: boolean }).isContended
        : isQSpinLock(kind) && (wordOf(place) & CROWD) !== 0;
    return { kind, mode, place, isAsync, isCrowded, hasQueued: false, node: undefined };
  }

  /** A slow path is over. */
  ended(run: SlowRun, isGot: boolean): void {
    if (isQSpinLock(run.kind) && isGot) this.#add(spinEvent(run));
    if (run.kind === "RwSem") this.#endedRwSem(run, isGot);
  }

  /** Watches the queues behind the locks. */
  install(patches: Patches): void {
    const self = this;
    patches.replace<(this: WaitQueue, kind: Kind) => number>(WaitQueue.prototype, "enqueue", (enqueue) => {
      return function (kind) {
        const slot = enqueue.call(this, kind);
        if (slot !== 0) self.#queued(this);
        return slot;
      };
    });
    patches.replace<(this: WaitQueue, slot: number, wake: Wake) => void>(
      WaitQueue.prototype,
      "wake",
      (wake) => {
        return function (slot, how) {
          if (self.#runOf(this)?.kind === "RwSem") self.#add(`rwsem_wake_${nameOf(this.kindOf(slot))}`);
          wake.call(this, slot, how);
        };
      },
    );
    patches.replace<(this: WaitQueue, slot: number) => Nap>(WaitQueue.prototype, "napOf", (napOf) => {
      return function (slot) {
        self.#naps(this, slot);
        return napOf.call(this, slot);
      };
    });
    patches.replace<(this: McsQueue) => number>(McsQueue.prototype, "claim", (claim) => {
      return function () {
        const node = claim.call(this);
        if (self.#current !== undefined) self.#current.node = node;
        return node;
      };
    });
  }

  #queued(queue: WaitQueue): void {
    if (this.#current === undefined) return;
    this.#current.hasQueued = true;
    this.#runs.set(queue, this.#current);
  }

  /** The run under way, or, in a later turn or another object's method, one that has used this queue. */
  #runOf(queue: WaitQueue): SlowRun | undefined {
    return this.#current ?? this.#runs.get(queue);
  }

  #naps(queue: WaitQueue, slot: number): void {
    const run = this.#runOf(queue);
    if (run?.kind !== "RwSem") return;
    const name = nameOf(queue.kindOf(slot));
    this.#add(`rwsem_sleep_${name}`);
    const isOwed = queue.head === slot && (wordOf(run.place) & HANDOFF) !== 0;
    if (isOwed) this.#add(name === "reader" ? "rwsem_rlock_handoff" : "rwsem_wlock_handoff");
  }

  #endedRwSem({ mode, isAsync, isCrowded, hasQueued }: SlowRun, isGot: boolean): void {
    if (mode === "write") {
      if (!isGot || hasQueued) this.#add(isGot ? "rwsem_wlock" : "rwsem_wlock_fail");
      if (isAsync) this.#add("rwsem_opt_nospin");
      else if (hasQueued) this.#add("rwsem_opt_fail");
      else if (isGot) this.#add("rwsem_opt_lock");
    } else if (!isGot) this.#add("rwsem_rlock_fail");
    else if (hasQueued) this.#add("rwsem_rlock");
    else this.#add(isCrowded ? "rwsem_rlock_steal" : "rwsem_rlock_fast");
  }

  #add(name: string): void {
    this.#counts.set(name, this.count(name) + 1);
  }
}

function isQSpinLock(kind: string): boolean {
  return kind === "SpinLock" || kind === "QSpinLock";
}

function spinEvent({ isCrowded, node }: SlowRun): string {
  if (node !== undefined) return node === 0 ? "lock_no_node" : "lock_slowpath";
  return isCrowded ? "lock_no_node" : "lock_pending";
}

function nameOf(kind: Kind): "reader" | "writer" {
  return kind === Kind.Read ? "reader" : "writer";
}

function wordOf({ buffer, first }: Place): number {
  return Atomics.load(new Int32Array(buffer), first);
}
