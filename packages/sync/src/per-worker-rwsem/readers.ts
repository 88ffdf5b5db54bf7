/*
 * The readers' counts.
 *
 * A read may end in another worker than it began in, so no COUNT means anything alone; their sum is the number
 * of readers. Two ways in:
 *
 *     fast: in an RCU section, while MODE is FAST: COUNT += 1 by plain accesses. BLOCK is not looked at.
 *     slow: COUNT += 1 by Atomics, then look at BLOCK; if it is set, take the 1 back, poke the writer, sleep.
 *
 * What makes that sound is told in phases.ts.
 */
import { SyncError } from "../errors.ts";
import { wakeEvent } from "../event-count.ts";
import type { RcuDomain } from "../rcu.ts";
import {
  BLOCK,
  CLAIMED,
  COOKIE,
  COUNT,
  DRAIN,
  EXITING,
  FAST,
  HEADER_WORDS,
  MODE,
  SLOT_WORDS,
  WORKERS,
} from "./layout.ts";

// Copies: the compiler folds a constant of this module into the code, and loads an imported one each time.
const [MODE_WORD, COUNT_WORD, BLOCK_WORD, IS_FAST] = [MODE, COUNT, BLOCK, FAST] as const;

/** One object's slot among the readers. */
export class ReaderSlots {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #rcu: RcuDomain;
  readonly #kind: string;
  /** First word of the slot, 0 until claimed. */
  #slot = 0;

  constructor(words: Int32Array, base: number, rcu: RcuDomain, kind: string) {
    this.#words = words;
    this.#base = base;
    this.#rcu = rcu;
    this.#kind = kind;
  }

  /** First word of the slot, 0 if none is claimed. */
  get slot(): number {
    return this.#slot;
  }

  /** Claims a slot if there is none yet. @throws SyncError `ENOSPC` if all are taken */
  claim(owner: number): number {
    if (this.#slot !== 0) return this.#slot;
    const workers = Atomics.load(this.#words, this.#base + WORKERS);
    for (let index = 0; index < workers; index++) {
      const slot = this.#base + HEADER_WORDS + SLOT_WORDS * index;
      if (Atomics.compareExchange(this.#words, slot + CLAIMED, 0, owner) !== 0) continue;
      this.#slot = slot;
      return slot;
    }
    throw new SyncError(
      "ENOSPC",
      `${this.#kind}: all ${workers} slots are taken; close() those of workers that end`,
    );
  }

  /** Gives the slot back. */
  release(): void {
    if (this.#slot !== 0) Atomics.store(this.#words, this.#slot + CLAIMED, 0);
    this.#slot = 0;
  }

  /** The slot was taken away with everything that was in it. */
  forget(): void {
    this.#slot = 0;
  }

  /** Enters if no writer is about; never waits. */
  tryEnter(slot: number): boolean {
    if (this.#changeFast(slot, 1)) return true;
    Atomics.add(this.#words, slot + COUNT_WORD, 1);
    if (Atomics.load(this.#words, this.#base + BLOCK_WORD) === 0) {
      this.#tryMakeFast();
      return true;
    }
    this.#subtract(slot);
    return false;
  }

  /** Leaves. */
  leave(slot: number): void {
    if (!this.#changeFast(slot, -1)) this.#subtract(slot);
  }

  /** How many read. */
  sum(): number {
    const workers = Atomics.load(this.#words, this.#base + WORKERS);
    let sum = 0;
    for (let index = 0; index < workers; index++) {
      sum = (sum + Atomics.load(this.#words, this.#base + HEADER_WORDS + SLOT_WORDS * index + COUNT)) | 0;
    }
    return sum;
  }

  /** Changes the own COUNT without Atomics if no writer has been about. */
  #changeFast(slot: number, by: 1 | -1): boolean {
    const words = this.#words;
    this.#rcu.readLock();
    const isFast = Atomics.load(words, this.#base + MODE_WORD) === IS_FAST;
    // Plain: only this object touches its COUNT, and whoever adds counts up lets a grace period pass first.
    if (isFast) words[slot + COUNT_WORD] += by;
    this.#rcu.readUnlock();
    return isFast;
  }

  /** Ends a read, or takes an attempt back; a writer that waits for the sum looks again. */
  #subtract(slot: number): void {
    Atomics.sub(this.#words, slot + COUNT, 1);
    wakeEvent(this.#words, this.#base + DRAIN);
  }

  /** Called by a reader that is in, hence with no writer past its wait for the sum. */
  #tryMakeFast(): void {
    const [words, base] = [this.#words, this.#base];
    if (Atomics.load(words, base + MODE) !== EXITING) return;
    if (!this.#rcu.poll(Atomics.load(words, base + COOKIE))) return;
    Atomics.compareExchange(words, base + MODE, EXITING, FAST);
  }
}
