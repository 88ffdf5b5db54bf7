/*
 * RcuRef: one published word. The store that publishes is an Atomics operation, and so is the load that
 * subscribes, so whatever the updater wrote before the store, plain or not, the reader sees after the load.
 */
import { SyncError } from "../errors.ts";
import { checkWords } from "../words.ts";

/** What RcuRef and RcuList ask of a domain: `RcuDomain` has it. */
export interface ReadSide {
  readonly isReading: boolean;
}

/**
 * A word through which an updater publishes something, named by a 32-bit integer, to RCU readers.
 *
 * Locking: readers hold a read section of the domain, updaters a lock of their own. Cost of each call: one
 * Atomics operation. Source: Linux rcu_dereference(), rcu_assign_pointer(), rcu_replace_pointer().
 */
export class RcuRef {
  readonly #words: Int32Array;
  readonly #word: number;
  readonly #rcu: ReadSide | undefined;

  /**
   * @param words - view on the buffer
   * @param word - the published word; 0 in it means "nothing"
   * @param rcu - if given, `load` outside its read sections is refused: for debugging
   * @throws RangeError if the word lies outside the view
   */
  constructor(words: Int32Array, word: number, rcu?: ReadSide) {
    checkWords("RcuRef", words, word, 1);
    this.#words = words;
    this.#word = word;
    this.#rcu = rcu;
  }

  /**
   * What is published. It stays valid until the end of the read section.
   *
   * @throws SyncError `EPERM` outside a read section, if the domain was given to the constructor
   */
  load(): number {
    if (this.#rcu !== undefined && !this.#rcu.isReading) {
      throw new SyncError("EPERM", "RcuRef.load: not in a read section; updaters use loadProtected()");
    }
    return Atomics.load(this.#words, this.#word);
  }

  /** The same for who holds the updaters' lock, under which it cannot change. */
  loadProtected(): number {
    return Atomics.load(this.#words, this.#word);
  }

  /** Publishes `value`: what was written to it before, readers see. */
  store(value: number): void {
    Atomics.store(this.#words, this.#word, value);
  }

  /** Publishes `value`. @returns what it replaced, to be freed after a grace period */
  replace(value: number): number {
    return Atomics.exchange(this.#words, this.#word, value);
  }

  /** Publishes `value` if `expected` is published: for updaters without a lock. @returns whether it was */
  compareAndReplace(expected: number, value: number): boolean {
    return Atomics.compareExchange(this.#words, this.#word, expected, value) === expected;
  }
}
