/*
 * The spinlock of Linux: a queue in one word.
 *
 *   bits      name      meaning
 *   0         LOCKED    somebody holds it (a byte in the kernel, whose release is a byte store; here a bit,
 *                       because JavaScript gives no order between accesses of different sizes)
 *   8         PENDING   the second comer waits for LOCKED to go, without a node
 *   9         SLEEPERS  somebody may be asleep on the word; ours, the kernel never sleeps here
 *   16-31     TAIL      node of the last in the queue, 0 if it is empty
 *
 *   The word, as it fills up:  free → locked → locked, pending → locked, pending, tail
 *   - The second comer sets PENDING and waits for LOCKED to go.
 *   - The third takes a node and is the head: it waits for LOCKED and PENDING to go.
 *   - Further ones wait on their nodes. Whoever leaves the head, with the lock or without, passes it on.
 *   So at most two look at the word, and a newcomer, who takes the word only when it is 0, overtakes nobody.
 *
 * Nodes lie in a table which all qspinlocks of a buffer may share, as the kernel's lie with the CPU. A waiter
 * who finds none, or a lock without a table, waits on the word until it is 0, in no order, as in the kernel.
 *
 * Why no wake-up is lost: a sleeper sets SLEEPERS by compareExchange and sleeps while the word is what that
 * left. Whatever can let it go on takes SLEEPERS out in the operation that changes the word, or after it, and
 * notifies everybody if it was set: a release, a second comer that gives up, a head that gives up. PENDING
 * turning into LOCKED lets nobody go on.
 *
 * Memory order: every access is a sequentially consistent Atomics operation; a release and the acquisition
 * after it are read-modify-writes of the word, so plain accesses under the lock are ordered.
 */
import { SyncError } from "../errors.ts";
import { ExclusiveLock, type HowToWait } from "../exclusive-lock.ts";
import type { SlowPath } from "../waiting.ts";
import { addressOf, type Backend, backendOf, type FastPaths, fastPathsOf } from "../wasm/backend.ts";
import { checkWords, deadlineOf, FOREVER, pause, type WaitOptions } from "../words.ts";
import { McsQueue, NODE_WORDS } from "./mcs-queue.ts";

const LOCKED = 1 << 0;
const PENDING = 1 << 8;
const SLEEPERS = 1 << 9;
const TAIL_SHIFT = 16;
const TAIL_MASK: number = -1 << TAIL_SHIFT;
const KNOWN_MASK: number = LOCKED | PENDING | SLEEPERS | TAIL_MASK;

/** Nodes a table can have: what fits in TAIL. */
const NODES_LIMIT = 0xffff;

/** Options of {@link QSpinLock}; the same in every thread. */
export interface QSpinLockOptions {
  /** First word of the table of nodes, `nodesMax * QSpinLock.NODE_WORDS` zeroed words in the same view. */
  readonly nodes: number;
  /** Nodes in the table, 1..65535: one for each waiter beyond the second, of all locks that share the table. */
  readonly nodesMax: number;
}

/**
 * A queued spinlock in one word, first come, first served for as long as there are nodes.
 *
 * Zeroed words are an unlocked lock. Not recursive, no owner is recorded: a holder that dies leaves it locked, a
 * waiter that dies leaves PENDING or a node nobody clears; use `RobustMutex` with `handoffAfter: 0` then. Cost uncontended: one Atomics
 * compareExchange and one and.
 *
 * Source: Linux v6.12 kernel/locking/qspinlock.c.
 */
export class QSpinLock extends ExclusiveLock {
  /** Number of 32-bit words a lock occupies, without its nodes. */
  static readonly WORDS: number = 1;
  /** Number of 32-bit words of a node in the table. */
  static readonly NODE_WORDS: number = NODE_WORDS;

  protected override get kind(): string {
    return "QSpinLock";
  }
  protected override readonly words: Int32Array;
  readonly #word: number;
  readonly #fast: FastPaths | undefined;
  readonly #address: number;
  readonly #queue: McsQueue | undefined;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - index of the lock's word
   * @param options - where the nodes are; without it only the second comer has a place in the order
   * @throws RangeError if the words or the nodes lie outside the view, or `nodesMax` is out of range
   */
  constructor(words: Int32Array, word: number, options?: QSpinLockOptions) {
    super();
    checkWords(this.kind, words, word, QSpinLock.WORDS);
    this.words = words;
    this.#word = word;
    this.#fast = fastPathsOf(words);
    this.#address = addressOf(words, word);
    this.#queue = options === undefined ? undefined : this.#queueOver(options);
  }

  override get isLocked(): boolean {
    return (this.#load() & LOCKED) !== 0;
  }

  /** What runs the fast path: `wasm` over a {@link SharedMemory}, else `js`. */
  get backend(): Backend {
    return backendOf(this.#fast);
  }

  override tryLock(): boolean {
    return this.#takeFree() === 0;
  }

  override lock(options?: WaitOptions): boolean {
    const deadline = options === undefined ? FOREVER : deadlineOf(`${this.kind}.lock`, options);
    if (this.#takeFree() === 0) return true;
    return this.lockSlow(deadline);
  }

  override unlock(): void {
    const was =
      this.#fast === undefined
        ? Atomics.and(this.words, this.#word, ~(LOCKED | SLEEPERS))
        : this.#fast.spinUnlock(this.#address);
    if ((was & SLEEPERS) !== 0) Atomics.notify(this.words, this.#word);
    if ((was & LOCKED) === 0) {
      throw new SyncError("EPERM", `${this.kind}.unlock: word ${this.#word} is not locked`);
    }
  }

  override validate(): void {
    const word = this.#load();
    if ((word & ~KNOWN_MASK) !== 0) throw new Error(`${this.kind}: word ${this.#word} is 0x${hex(word)}`);
    this.#queue?.validate(this.kind);
  }

  /** The state in words, for messages. */
  override toString(): string {
    const word = this.#load();
    const pending = (word & PENDING) !== 0 ? ", pending" : "";
    const tail = (word & TAIL_MASK) !== 0 ? `, tail: ${word >>> TAIL_SHIFT}` : "";
    return `${this.kind}(${(word & LOCKED) !== 0 ? "held" : "free"}${pending}${tail})`;
  }

  protected override *slowPath({ spins }: HowToWait): SlowPath {
    if (this.#setPending()) return yield* this.#waitAsSecond(spins);
    const node = this.#queue?.claim() ?? 0;
    if (this.#queue === undefined || node === 0) return yield* this.#compete(spins);
    return (
      (yield* this.#queue.waitForHead(node, spins)) && (yield* this.#waitAsHead(this.#queue, node, spins))
    );
  }

  /** The place of the second comer is free if nobody is pending and nobody queued. */
  #setPending(): boolean {
    for (let word = this.#load(); (word & (PENDING | TAIL_MASK)) === 0; word = this.#load()) {
      if (this.#replace(word, word | PENDING)) return true;
    }
    return false;
  }

  *#waitAsSecond(spins: number): SlowPath {
    if (yield* this.#waitWhile(LOCKED, spins)) {
      // Nobody else may take the lock while PENDING is set.
      for (let word = this.#load(); ; word = this.#load()) {
        if (this.#replace(word, (word & ~PENDING) | LOCKED)) return true;
      }
    }
    this.#clearAndWake(PENDING);
    return false;
  }

  *#waitAsHead(queue: McsQueue, node: number, spins: number): SlowPath {
    let isTaken = false;
    while (!isTaken && (yield* this.#waitWhile(LOCKED | PENDING, spins))) {
      const word = this.#load();
      isTaken = (word & (LOCKED | PENDING)) === 0 && this.#replace(word, word | LOCKED);
    }
    queue.passOn(node);
    // Who competes without a node may have waited for the queue to be empty.
    if (!isTaken) this.#clearAndWake(0);
    return isTaken;
  }

  *#compete(spins: number): SlowPath {
    while (!this.tryLock()) {
      if (!(yield* this.#waitWhile(~SLEEPERS, spins))) return false;
    }
    return true;
  }

  /** Waits until no bit of `mask` is set. @returns `false` if the wait was given up */
  *#waitWhile(mask: number, spins: number): SlowPath {
    for (let look = 0; ; look++) {
      const word = this.#load();
      if ((word & mask) === 0) return true;
      if (look < spins) {
        pause();
      } else if ((word & SLEEPERS) !== 0 || this.#replace(word, word | SLEEPERS)) {
        if (!(yield { word: this.#word, expected: word | SLEEPERS })) return false;
      }
    }
  }

  #clearAndWake(bits: number): void {
    const was = Atomics.and(this.words, this.#word, ~(bits | SLEEPERS));
    if ((was & SLEEPERS) !== 0) Atomics.notify(this.words, this.#word);
  }

  #queueOver({ nodes, nodesMax }: QSpinLockOptions): McsQueue {
    if (!Number.isInteger(nodesMax) || nodesMax < 1 || nodesMax > NODES_LIMIT) {
      throw new RangeError(`${this.kind}: nodesMax must be an integer in 1..${NODES_LIMIT}, got ${nodesMax}`);
    }
    checkWords(`${this.kind} nodes`, this.words, nodes, nodesMax * NODE_WORDS);
    return new McsQueue(this.words, nodes, nodesMax, {
      swap: (node) => this.#swapTail(node),
      clear: (node) => this.#clearTail(node),
    });
  }

  #swapTail(node: number): number {
    for (let word = this.#load(); ; word = this.#load()) {
      if (this.#replace(word, (word & ~TAIL_MASK) | (node << TAIL_SHIFT))) return word >>> TAIL_SHIFT;
    }
  }

  #clearTail(node: number): boolean {
    for (let word = this.#load(); word >>> TAIL_SHIFT === node; word = this.#load()) {
      if (this.#replace(word, word & ~TAIL_MASK)) return true;
    }
    return false;
  }

  /** Takes the lock if its word is 0. @returns the word as it was */
  #takeFree(): number {
    if (this.#fast !== undefined) return this.#fast.spinLock(this.#address);
    return Atomics.compareExchange(this.words, this.#word, 0, LOCKED);
  }

  #replace(expected: number, value: number): boolean {
    return Atomics.compareExchange(this.words, this.#word, expected, value) === expected;
  }

  #load(): number {
    return Atomics.load(this.words, this.#word);
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16);
}
