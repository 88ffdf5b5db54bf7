/*
 * Two copies of a few words, one of which is always whole.
 *
 *   word                    name   meaning
 *   0                       SEQ    even: readers use copy 0 | odd: readers use copy 1; wraps at 2^32
 *   1 … n                   0      first copy
 *   n + 1 … 2 n             1      second copy
 *
 *     writer                               reader
 *     W1: SEQ becomes odd                  R1: load SEQ, choose the copy
 *     D0: store copy 0                     D': load that copy
 *     W2: SEQ becomes even                 R2: load SEQ; if it has changed, do it all again
 *     D1: store copy 1
 *
 * All are Atomics operations, so they have one total order that agrees with both columns. Copy 0 is written
 * only while SEQ is odd, and copy 1 only while it is even, so a reader that saw the same SEQ twice has read
 * a copy nobody wrote meanwhile. With plain loads of the copies nothing would order D' after R1 and before
 * R2 (see seqcount.ts for why ECMAScript offers no barrier that could).
 *
 * Unlike a SeqCount reader, this one never waits for a writer, even one that stopped between W1 and W2:
 * then SEQ stands still, and the other copy is whole. It repeats only when a writer has moved on.
 */
import { checkWords } from "./words.ts";

const COPIES = 1;
/** Larger payloads want a pointer and RCU. */
const LENGTH_MAX = 1 << 20;

/**
 * A few words that readers get whole without ever waiting for the writer, for instance a clock's parameters.
 *
 * Zeroed words are a latch over zeroed payload. Writers exclude each other by a lock of the caller's.
 * Cost: a read is two Atomics loads and one per payload word, a write two and two per word.
 *
 * Source: Linux include/linux/seqlock.h, seqcount_latch_t and write_seqcount_latch().
 */
export class SeqLatch {
  readonly #words: Int32Array;
  readonly #seq: number;
  /** Words of one copy. */
  readonly length: number;

  /** Words a latch over `length` words of payload occupies. */
  static words(length: number): number {
    checkLength("SeqLatch.words", length);
    return COPIES + 2 * length;
  }

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - first word of the latch
   * @param length - words of payload, `1..2^20`, the same in every thread
   * @throws RangeError if the words lie outside the view or `length` outside its range
   */
  constructor(words: Int32Array, word: number, length: number) {
    checkLength("SeqLatch", length);
    checkWords("SeqLatch", words, word, SeqLatch.words(length));
    this.#words = words;
    this.#seq = word;
    this.length = length;
  }

  /** The counter: half of it, rounded down, is how many writes are complete for readers. */
  get sequence(): number {
    return Atomics.load(this.#words, this.#seq);
  }

  /**
   * Reads the payload, whole. Never waits; repeats if a writer has moved on meanwhile.
   *
   * @param into - where to put it, at least `length` long; a new array by default
   */
  read(into: Int32Array = new Int32Array(this.length)): Int32Array {
    if (into.length < this.length) {
      throw new RangeError(`SeqLatch.read: into must have at least ${this.length} words, got ${into.length}`);
    }
    for (;;) {
      const seq = this.sequence;
      const copy = this.#copy(seq & 1);
      for (let index = 0; index < this.length; index++) {
        into[index] = Atomics.load(this.#words, copy + index);
      }
      if (this.sequence === seq) return into;
    }
  }

  /**
   * Replaces the payload. The caller excludes other writers; it may be interrupted anywhere without making
   * a reader wait.
   *
   * @param values - `length` 32-bit integers
   */
  write(values: ArrayLike<number>): void {
    if (values.length !== this.length) {
      throw new RangeError(`SeqLatch.write: values must have ${this.length} words, got ${values.length}`);
    }
    // An or, not an add: after repair() the counter may be odd already, and copy 1 whole.
    Atomics.or(this.#words, this.#seq, 1);
    this.#store(0, values);
    Atomics.add(this.#words, this.#seq, 1);
    this.#store(1, values);
  }

  /**
   * Makes the copies equal after a writer has died in the middle of {@link write}: the one readers use is
   * whole and goes over the other. The caller excludes writers. Readers notice nothing.
   */
  repair(): void {
    const whole = this.sequence & 1;
    for (let index = 0; index < this.length; index++) {
      const value = Atomics.load(this.#words, this.#copy(whole) + index);
      Atomics.store(this.#words, this.#copy(1 - whole) + index, value);
    }
  }

  /** Throws an `Error` naming the word if no write is in progress and the copies differ. */
  validate(): void {
    for (let index = 0; index < this.length; index++) {
      const first = Atomics.load(this.#words, this.#copy(0) + index);
      const second = Atomics.load(this.#words, this.#copy(1) + index);
      if (first !== second) {
        throw new Error(`SeqLatch: word ${index} is ${first} in one copy, ${second} in the other`);
      }
    }
  }

  /** The state in words, for messages. */
  toString(): string {
    return `SeqLatch(${this.length} words, copy ${this.sequence & 1})`;
  }

  #copy(which: number): number {
    return this.#seq + COPIES + which * this.length;
  }

  #store(which: number, values: ArrayLike<number>): void {
    const copy = this.#copy(which);
    for (let index = 0; index < this.length; index++) {
      Atomics.store(this.#words, copy + index, values[index] as number);
    }
  }
}

function checkLength(what: string, length: number): void {
  if (!Number.isInteger(length) || length < 1 || length > LENGTH_MAX) {
    throw new RangeError(`${what}: length must be an integer in 1..${LENGTH_MAX}, got ${length}`);
  }
}
