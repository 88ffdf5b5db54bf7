/*
 * The queue behind McsLock and QSpinLock: each waiter looks at a word of its own, so a release touches one
 * waiter's cache line and no other. Two words a node:
 *
 *   STATE   0 free | 1 waiting | 2 waiting, asleep | 3 at the head | 4 abandoned
 *   NEXT    number of the node behind it, 0 if none has linked itself yet
 *
 * A node is named by its number, 1 and up; the tail belongs to the lock, and is 0 if the queue is empty.
 *
 * Life of a node: claimed by a compareExchange on STATE; appended by a swap of the tail, then linked to the
 * node before; moved to the head by the node before. A waiter that gives up says so in STATE, by a
 * compareExchange against the one that would move it to the head: exactly one of the two wins. An abandoned
 * node is stepped over, and freed, by whoever passes the head on; its waiter never looks at it again.
 *
 * Between swap and link, passing on must wait for the link: the two are a handful of instructions apart.
 */
import type { SlowPath } from "../waiting.ts";
import { isUnchanged, pause } from "../words.ts";

const STATE = 0;
const NEXT = 1;

const FREE = 0;
const WAITING = 1;
const ASLEEP = 2;
const HEAD = 3;
const ABANDONED = 4;

/** Words a node occupies. */
export const NODE_WORDS = 2;

/** The end of a queue, in words of the lock. */
export interface QueueTail {
  /** Makes `node` the last one. @returns the last one before, 0 if there was none */
  swap(node: number): number;
  /** Makes the queue empty if `node` is the last one. @returns whether it was */
  clear(node: number): boolean;
}

/** Where waiters queue up, over a table of nodes which several queues may share. */
export class McsQueue {
  readonly #words: Int32Array;
  readonly #nodes: number;
  readonly #nodesMax: number;
  readonly #tail: QueueTail;

  /**
   * @param nodes - first word of the table
   * @param nodesMax - nodes in the table
   */
  constructor(words: Int32Array, nodes: number, nodesMax: number, tail: QueueTail) {
    this.#words = words;
    this.#nodes = nodes;
    this.#nodesMax = nodesMax;
    this.#tail = tail;
  }

  /** Takes a node. @returns its number, 0 if all are taken */
  claim(): number {
    for (let node = 1; node <= this.#nodesMax; node++) {
      const state = this.#wordOf(node) + STATE;
      if (Atomics.load(this.#words, state) !== FREE) continue;
      if (Atomics.compareExchange(this.#words, state, FREE, WAITING) !== FREE) continue;
      Atomics.store(this.#words, this.#wordOf(node) + NEXT, 0);
      return node;
    }
    return 0;
  }

  /** Gives back a node that is in no queue. */
  free(node: number): void {
    Atomics.store(this.#words, this.#wordOf(node) + STATE, FREE);
  }

  /**
   * Queues up with a claimed node and waits to be at the head.
   *
   * @returns whether it is; if the wait was given up, the node is no longer the caller's
   */
  *waitForHead(node: number, spins: number): SlowPath {
    const before = this.#tail.swap(node);
    if (before === 0) return true;
    Atomics.store(this.#words, this.#wordOf(before) + NEXT, node);
    const word = this.#wordOf(node) + STATE;
    if (!isUnchanged(this.#words, word, WAITING, spins)) return true;
    if (Atomics.compareExchange(this.#words, word, WAITING, ASLEEP) !== WAITING) return true;
    while (Atomics.load(this.#words, word) === ASLEEP) {
      if (yield { word, expected: ASLEEP }) continue;
      return Atomics.compareExchange(this.#words, word, ASLEEP, ABANDONED) !== ASLEEP;
    }
    return true;
  }

  /** Leaves the queue from its head: frees the node and moves the next that still waits to the head. */
  passOn(node: number): void {
    for (let at = node; ; ) {
      const next = this.#nextOf(at);
      this.free(at);
      if (next === 0) return;
      if (this.#promote(this.#wordOf(next) + STATE)) return;
      at = next;
    }
  }

  /** Nodes in use, of all queues over this table; may be out of date. */
  get nodesInUse(): number {
    let count = 0;
    for (let node = 1; node <= this.#nodesMax; node++) {
      if (Atomics.load(this.#words, this.#wordOf(node) + STATE) !== FREE) count++;
    }
    return count;
  }

  /** Throws if a node is in no state, or linked to none. */
  validate(what: string): void {
    for (let node = 1; node <= this.#nodesMax; node++) {
      const state = Atomics.load(this.#words, this.#wordOf(node) + STATE);
      const next = Atomics.load(this.#words, this.#wordOf(node) + NEXT);
      if (state < FREE || state > ABANDONED) throw new Error(`${what}: node ${node} has STATE ${state}`);
      if (next < 0 || next > this.#nodesMax) throw new Error(`${what}: node ${node} has NEXT ${next}`);
    }
  }

  /** Moves a waiter to the head, unless it has given up. */
  #promote(state: number): boolean {
    const was = Atomics.compareExchange(this.#words, state, WAITING, HEAD);
    if (was === WAITING) return true;
    if (was === ABANDONED || Atomics.compareExchange(this.#words, state, ASLEEP, HEAD) !== ASLEEP)
      return false;
    Atomics.notify(this.#words, state);
    return true;
  }

  /** The node behind, 0 if this was the last and the queue is empty now. */
  #nextOf(node: number): number {
    const word = this.#wordOf(node) + NEXT;
    const next = Atomics.load(this.#words, word);
    if (next !== 0 || this.#tail.clear(node)) return next;
    for (;;) {
      const linked = Atomics.load(this.#words, word);
      if (linked !== 0) return linked;
      pause();
    }
  }

  #wordOf(node: number): number {
    return this.#nodes + (node - 1) * NODE_WORDS;
  }
}
