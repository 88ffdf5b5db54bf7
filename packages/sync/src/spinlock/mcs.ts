/*
 * A spinlock whose waiters queue up and look each at a word of its own.
 *
 *   word     name      meaning
 *   0        TAIL      last node of the queue, 0 if the lock is free
 *   1        HOLDER    node of the holder, at the head of the queue
 *   2        OVERFLOW  threads that wait for a node
 *   3        FREED     counts nodes given back while OVERFLOW was not 0; they sleep on it
 *   4 … 63   nodes     30 of them (mcs-queue.ts)
 *
 * The kernel's node lies on the stack of the caller, who hands it to unlock. Here it comes from a table in the
 * lock, and HOLDER remembers it, so that the lock has the interface of the others.
 *
 * Why no wake-up is lost: on a node, mcs-queue.ts says. Without a node: a waiter adds itself to OVERFLOW, then
 * looks for a free node once more; who gives a node back looks at OVERFLOW after it. One of the two sees the other.
 *
 * Memory order: every access is a sequentially consistent Atomics operation; holders follow each other by a
 * swap of TAIL or through STATE, so plain accesses inside one critical section are seen by the next.
 */
import { SyncError } from "../errors.ts";
import { ExclusiveLock, type HowToWait } from "../exclusive-lock.ts";
import type { SlowPath } from "../waiting.ts";
import { checkWords, deadlineOf, FOREVER, type WaitOptions } from "../words.ts";
import { McsQueue, NODE_WORDS } from "./mcs-queue.ts";

const TAIL = 0;
const HOLDER = 1;
const OVERFLOW = 2;
const FREED = 3;
const NODES = 4;
const NODES_MAX = 30;

/**
 * An MCS spinlock: first come, first served, for up to 29 waiters; further ones wait for a place, in no order.
 *
 * Zeroed words are an unlocked lock. Not recursive. No owner of a node is recorded: when a holder or a waiter dies,
 * those behind it wait for ever; use `RobustMutex` with `handoffAfter: 0` then. A waiter that gives up keeps its place in the table until
 * the release that would have served it. Cost uncontended: about five Atomics operations each way; a release
 * under contention touches one waiter, however many there are.
 *
 * Source: Mellor-Crummey and Scott 1991; Linux kernel/locking/mcs_spinlock.h.
 */
export class McsLock extends ExclusiveLock {
  /** Number of 32-bit words a lock occupies. */
  static readonly WORDS: number = NODES + NODES_MAX * NODE_WORDS;

  protected override get kind(): string {
    return "McsLock";
  }
  protected override readonly words: Int32Array;
  readonly #word: number;
  readonly #queue: McsQueue;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the lock; a multiple of 16 keeps it on its own cache lines
   * @throws RangeError if the words lie outside the view
   */
  constructor(words: Int32Array, word: number) {
    super();
    checkWords("McsLock", words, word, McsLock.WORDS);
    this.words = words;
    this.#word = word;
    this.#queue = new McsQueue(words, word + NODES, NODES_MAX, {
      swap: (node) => Atomics.exchange(words, word + TAIL, node),
      clear: (node) => Atomics.compareExchange(words, word + TAIL, node, 0) === node,
    });
  }

  override get isLocked(): boolean {
    return this.#load(TAIL) !== 0;
  }

  override tryLock(): boolean {
    if (this.isLocked) return false;
    const node = this.#queue.claim();
    if (node === 0) return false;
    if (Atomics.compareExchange(this.words, this.#word + TAIL, 0, node) === 0) return this.#hold(node);
    this.#queue.free(node);
    this.#announceFreed();
    return false;
  }

  override lock(options?: WaitOptions): boolean {
    const deadline = options === undefined ? FOREVER : deadlineOf("McsLock.lock", options);
    return this.tryLock() || this.lockSlow(deadline);
  }

  override unlock(): void {
    // Cleared first: as soon as the head is passed on, the word is the next holder's.
    const node = Atomics.exchange(this.words, this.#word + HOLDER, 0);
    if (node === 0) throw new SyncError("EPERM", `McsLock.unlock: word ${this.#word} is not locked`);
    this.#queue.passOn(node);
    this.#announceFreed();
  }

  override validate(): void {
    const tail = this.#load(TAIL);
    const holder = this.#load(HOLDER);
    for (const node of [tail, holder]) {
      if (node < 0 || node > NODES_MAX) throw new Error(`McsLock: TAIL is ${tail}, HOLDER is ${holder}`);
    }
    this.#queue.validate("McsLock");
  }

  /** The state in words, for messages. */
  override toString(): string {
    return `McsLock(${this.isLocked ? "held" : "free"}, nodes in use: ${this.#queue.nodesInUse})`;
  }

  protected override *slowPath({ spins }: HowToWait): SlowPath {
    for (;;) {
      const node = this.#queue.claim();
      if (node !== 0) return (yield* this.#queue.waitForHead(node, spins)) && this.#hold(node);
      if (!(yield* this.#waitForNode())) return false;
    }
  }

  *#waitForNode(): SlowPath {
    Atomics.add(this.words, this.#word + OVERFLOW, 1);
    const freed = this.#load(FREED);
    try {
      if (this.#queue.nodesInUse < NODES_MAX) return true;
      return yield { word: this.#word + FREED, expected: freed };
    } finally {
      Atomics.sub(this.words, this.#word + OVERFLOW, 1);
    }
  }

  #hold(node: number): true {
    Atomics.store(this.words, this.#word + HOLDER, node);
    return true;
  }

  #announceFreed(): void {
    if (this.#load(OVERFLOW) === 0) return;
    Atomics.add(this.words, this.#word + FREED, 1);
    Atomics.notify(this.words, this.#word + FREED);
  }

  #load(offset: number): number {
    return Atomics.load(this.words, this.#word + offset);
  }
}
