/*
 * Locks as the steps and timed executors know them: who holds, who waits, in which order they get in. No time and
 * no cost here.
 *
 * rwsem, policy `linux`: a reader gets in if no writer is inside and nobody waits; who waits is served in order, but
 * when it is a reader's turn all waiting readers enter (kernel: rwsem_mark_wake). Policy `reader-pref`: a reader gets
 * in whenever no writer is inside. A try fails where the call would wait. A VMA lock is an rwsem with the policy
 * `linux`: a waiting writer stops new readers.
 */
import type { LockRef } from "../protocol.ts";

/** Who gets into an rwsem first. */
export type RwPolicy = "linux" | "reader-pref";

type Mode = "read" | "write";

/** One wait, first come first served. */
interface Waiter {
  readonly thread: string;
  readonly mode: Mode;
}

interface LockState {
  readonly lock: LockRef;
  /** Readers, with how often each is inside. */
  readonly readers: Map<string, number>;
  writer: string | undefined;
  readonly queue: Waiter[];
}

/** The locks of one run, by their words. */
export class LockModel {
  readonly #policy: RwPolicy;
  readonly #locks = new Map<number, LockState>();

  constructor(policy: RwPolicy) {
    this.#policy = policy;
  }

  /** Takes the lock if that is possible now. */
  tryAcquire(thread: string, lock: LockRef, mode: Mode): boolean {
    const state = this.#state(lock);
    if (!this.#mayEnter(state, mode)) return false;
    this.#enter(state, thread, mode);
    return true;
  }

  /** Takes the lock or puts the thread into its queue; `false`: it waits. */
  acquire(thread: string, lock: LockRef, mode: Mode): boolean {
    if (this.tryAcquire(thread, lock, mode)) return true;
    this.#state(lock).queue.push({ thread, mode });
    return false;
  }

  /** Lets go; the result are the waiters that have got the lock. @throws Error if `thread` does not hold it so */
  release(thread: string, lock: LockRef, mode: Mode): string[] {
    const state = this.#state(lock);
    const isExclusive = mode === "write" || lock.kind === "spinlock";
    if (isExclusive ? state.writer !== thread : !state.readers.has(thread)) {
      throw new Error(`${thread} releases ${lock.name} (${mode}), which it does not hold`);
    }
    if (isExclusive) state.writer = undefined;
    else this.#leave(state, thread);
    return this.#serve(state);
  }

  /** Turns a write hold into a read hold. */
  downgrade(thread: string, lock: LockRef): string[] {
    const state = this.#state(lock);
    if (state.writer !== thread) throw new Error(`${thread} downgrades ${lock.name}, which it does not hold`);
    state.writer = undefined;
    state.readers.set(thread, 1);
    return this.#serve(state);
  }

  /** What `thread` holds: `mmap_lock R`, `ptl 0x1000 W`. */
  heldBy(thread: string): string[] {
    const held: string[] = [];
    for (const { lock, readers, writer } of this.#locks.values()) {
      if (writer === thread) held.push(lock.kind === "spinlock" ? lock.name : `${lock.name} W`);
      else if (readers.has(thread)) held.push(`${lock.name} R`);
    }
    return held;
  }

  /** The first spinlock that `thread` holds. */
  spinlockOf(thread: string): string | undefined {
    for (const { lock, writer } of this.#locks.values()) {
      if (lock.kind === "spinlock" && writer === thread) return lock.name;
    }
    return undefined;
  }

  /** Who keeps others out of `lock`. */
  holders(lock: LockRef): string[] {
    const { writer, readers } = this.#state(lock);
    return writer === undefined ? [...readers.keys()] : [writer];
  }

  /** All that matters about who holds and who waits, as a string. */
  fingerprint(): string {
    let text = "";
    for (const { lock, writer, readers, queue } of this.#locks.values()) {
      if (writer === undefined && readers.size === 0 && queue.length === 0) continue;
      const inside = writer ?? [...readers].map(([thread, count]) => `${thread}*${count}`).join("+");
      text += `${lock.word}:${inside}<${queue.map(({ thread, mode }) => thread + mode[0]).join(",")};`;
    }
    return text;
  }

  #state(lock: LockRef): LockState {
    let state = this.#locks.get(lock.word);
    if (state === undefined) {
      state = { lock, readers: new Map(), writer: undefined, queue: [] };
      this.#locks.set(lock.word, state);
    }
    return state;
  }

  #mayEnter(state: LockState, mode: Mode): boolean {
    if (state.writer !== undefined) return false;
    if (mode === "write" || state.lock.kind === "spinlock") return state.readers.size === 0;
    const lets = state.lock.kind === "rwsem" && this.#policy === "reader-pref";
    return lets || state.queue.length === 0;
  }

  #enter(state: LockState, thread: string, mode: Mode): void {
    if (mode === "write" || state.lock.kind === "spinlock") state.writer = thread;
    else state.readers.set(thread, (state.readers.get(thread) ?? 0) + 1);
  }

  #leave(state: LockState, thread: string): void {
    const count = state.readers.get(thread)! - 1;
    if (count === 0) state.readers.delete(thread);
    else state.readers.set(thread, count);
  }

  /** Lets in whose turn it is. */
  #serve(state: LockState): string[] {
    const head = state.queue[0];
    if (head === undefined || state.writer !== undefined) return [];
    const isReader = head.mode === "read" && state.lock.kind !== "spinlock";
    const preferred = this.#policy === "reader-pref" && state.lock.kind === "rwsem";
    const readers = state.queue.filter(({ mode }) => mode === "read");
    if (isReader || (preferred && readers.length > 0)) return this.#admit(state, readers);
    return state.readers.size === 0 ? this.#admit(state, [head]) : [];
  }

  #admit(state: LockState, admitted: readonly Waiter[]): string[] {
    for (const waiter of admitted) {
      state.queue.splice(state.queue.indexOf(waiter), 1);
      this.#enter(state, waiter.thread, waiter.mode);
    }
    return admitted.map(({ thread }) => thread);
  }
}
