/*
 * A count of references that would rather leak than free too early.
 *
 *   word   value                        meaning
 *   0      0                            no reference: the object is free, nobody may take one
 *          1 … 0x7fffffff               that many references
 *          negative                     saturated: something went wrong, the object is never freed
 *
 * The saturated value is in the middle of the negative half. Operations add first and look afterwards, so
 * threads that are between the two move the word a little; from the middle they would need 2^30 of them to
 * come back to a value that looks valid.
 *
 * Memory order: every access is a sequentially consistent Atomics operation. So what a thread did to the
 * object before it dropped its reference is seen by the thread whose drop reached zero and which frees it.
 */
import { Guard } from "./guard.ts";
import { checkWords } from "./words.ts";

const VALUE_MAX = 0x7fffffff;
const SATURATED = -0x40000000;

/** What went wrong with a {@link RefCount}. */
export type RefCountFault =
  /** `add` or `inc` on zero: the object has been freed. */
  | "use-after-free"
  /** More references than the word can count. */
  | "overflow"
  /** More references were dropped than taken. */
  | "underflow"
  /** `dec` reached zero: nobody was told to free the object. */
  | "leak";

/** Options of {@link RefCount}. */
export interface RefCountOptions {
  /**
   * Called on every fault, after the count has been saturated, with the word's value before the operation.
   * Whatever it throws goes to the caller of the operation. By default each kind of fault is printed once
   * per thread with `console.warn`.
   */
  readonly warn?: (fault: RefCountFault, message: string) => void;
}

/** What {@link RefCount.decAndLock} needs of a lock; `SpinLock` and `Mutex` have it. */
export interface RefCountLock {
  lock(): unknown;
  unlock(): void;
}

/**
 * A reference count with saturation: overflow, underflow and use after free make the object leak, which is a
 * nuisance, instead of freeing it under somebody's feet, which is a vulnerability.
 *
 * Zeroed words are a count of zero, that is an object which is free; {@link RefCount.set} brings it to life.
 * Locking: none. Cost: one Atomics operation for `inc`, `dec`, `decAndTest`, two for the `NotZero` forms.
 *
 * Source: Linux include/linux/refcount.h and lib/refcount.c (v6.12).
 */
export class RefCount {
  /** Number of 32-bit words a count occupies. */
  static readonly WORDS: number = 1;
  /** Highest count that is not a fault. */
  static readonly MAX: number = VALUE_MAX;
  /** What a fault leaves in the word. */
  static readonly SATURATED: number = SATURATED;

  readonly #words: Int32Array;
  readonly #word: number;
  readonly #warn: (fault: RefCountFault, message: string) => void;

  /**
   * @param words - view on a `SharedArrayBuffer`, or on an `ArrayBuffer` for use in one thread
   * @param word - index of the count's word
   * @throws RangeError if the word is outside the view
   */
  constructor(words: Int32Array, word: number, options?: RefCountOptions) {
    checkWords("RefCount", words, word, RefCount.WORDS);
    this.#words = words;
    this.#word = word;
    this.#warn = options?.warn ?? warnOnce;
  }

  /** The count; negative if it is saturated. May be out of date on return. */
  read(): number {
    return Atomics.load(this.#words, this.#word);
  }

  /** Has a fault been seen? The count then means nothing any more and the object is never freed. */
  get isSaturated(): boolean {
    return this.read() < 0;
  }

  /**
   * Sets the count. Only for an object that nobody else can reach, or for one found by readers who
   * {@link incNotZero} and then look again whether it is still the object they wanted.
   *
   * @param count - integer `0..MAX`
   */
  set(count: number): void {
    checkAmount("RefCount.set", "count", count, 0);
    Atomics.store(this.#words, this.#word, count);
  }

  /** Takes a reference; the caller has one already. On zero: fault `use-after-free`. */
  inc(): void {
    this.add(1);
  }

  /** Takes `count` references, `1..MAX`; the caller has one already. */
  add(count: number): void {
    checkAmount("RefCount.add", "count", count, 1);
    const old = Atomics.add(this.#words, this.#word, count);
    if (old === 0) this.#fault("use-after-free", "add", old, count);
    else if (old < 0 || old > VALUE_MAX - count) this.#fault("overflow", "add", old, count);
  }

  /** Takes a reference unless there is none left. @returns whether it was taken */
  incNotZero(): boolean {
    return this.addNotZero(1);
  }

  /**
   * Takes `count` references unless there is none left, or that would make more than `limit`.
   * A count that is saturated or overflows gives `true`: the object will never be freed. With a `limit` below
   * `MAX` there is no overflow, so that somebody who takes references at will cannot saturate it.
   *
   * @param count - integer `1..MAX`
   * @param limit - highest count the caller wants to see, `count..MAX`
   */
  addNotZero(count: number, limit: number = VALUE_MAX): boolean {
    checkAmount("RefCount.addNotZero", "count", count, 1);
    checkAmount("RefCount.addNotZero", "limit", limit, count);
    for (;;) {
      const old = this.read();
      if (old === 0) return false;
      if (limit !== VALUE_MAX && old > limit - count) return false;
      if (!this.#replace(old, old + count)) continue;
      if (old < 0 || old > VALUE_MAX - count) this.#fault("overflow", "addNotZero", old, count);
      return true;
    }
  }

  /** Drops a reference which cannot be the last. Reaching zero is the fault `leak`. */
  dec(): void {
    const old = Atomics.sub(this.#words, this.#word, 1);
    if (old <= 1) this.#fault(old === 1 ? "leak" : "underflow", "dec", old, 1);
  }

  /** Drops a reference. @returns `true` if it was the last: the caller frees the object */
  decAndTest(): boolean {
    return this.subAndTest(1);
  }

  /** Drops `count` references, `1..MAX`. @returns `true` if none is left: the caller frees the object */
  subAndTest(count: number): boolean {
    checkAmount("RefCount.subAndTest", "count", count, 1);
    const old = Atomics.sub(this.#words, this.#word, count);
    if (old === count) return true;
    if (old < count) this.#fault("underflow", "subAndTest", old, count);
    return false;
  }

  /** Drops the reference if it is the last one. @returns whether it was */
  decIfOne(): boolean {
    return this.#replace(1, 0);
  }

  /** Drops a reference unless it is the last one. @returns `false`, with nothing changed, if it is */
  decNotOne(): boolean {
    for (;;) {
      const old = this.read();
      if (old === 1) return false;
      if (old < 0) return true; // Saturated: references to what is never freed are not counted.
      if (old === 0) {
        this.#fault("underflow", "decNotOne", old, 1);
        return true;
      }
      if (this.#replace(old, old - 1)) return true;
    }
  }

  /**
   * Drops a reference; if it was the last one, returns `true` with `lock` held, so that the object can be
   * taken out of a structure protected by `lock` before anybody finds it there with a count of zero.
   * The lock is not touched while other references remain.
   */
  decAndLock(lock: RefCountLock): boolean {
    if (this.decNotOne()) return false;
    lock.lock();
    if (this.decAndTest()) return true;
    lock.unlock();
    return false;
  }

  /**
   * Takes a reference for a `using` block, unless there is none left.
   *
   * @param onLast - called if the guard's release drops the last reference: frees the object
   * @returns a guard that drops the reference, or `undefined`
   */
  tryHold(onLast: () => void): Guard | undefined {
    if (!this.incNotZero()) return undefined;
    return new Guard(() => {
      if (this.decAndTest()) onLast();
    });
  }

  /** Throws an `Error` naming the word and its value if the count is saturated. */
  validate(): void {
    const value = this.read();
    if (value < 0) throw new Error(`RefCount: word ${this.#word} is ${value}, saturated by an earlier fault`);
  }

  /** The state in words, for messages. */
  toString(): string {
    const value = this.read();
    return value < 0 ? "RefCount(saturated)" : `RefCount(${value})`;
  }

  #replace(old: number, value: number): boolean {
    return Atomics.compareExchange(this.#words, this.#word, old, value) === old;
  }

  #fault(fault: RefCountFault, what: string, old: number, count: number): void {
    Atomics.store(this.#words, this.#word, SATURATED);
    this.#warn(fault, `RefCount.${what}(${count}) on ${old} at word ${this.#word}: ${fault}, saturated`);
  }
}

function checkAmount(what: string, name: string, value: number, min: number): void {
  if (!Number.isInteger(value) || value < min || value > VALUE_MAX) {
    throw new RangeError(`${what}: ${name} must be an integer in ${min}..${VALUE_MAX}, got ${value}`);
  }
}

const warned = new Set<RefCountFault>();

function warnOnce(fault: RefCountFault, message: string): void {
  if (warned.has(fault)) return;
  warned.add(fault);
  (globalThis as { console?: { warn(text: string): void } }).console?.warn(message);
}
