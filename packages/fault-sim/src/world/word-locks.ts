/*
 * The words of an address space as locks and cache lines of the simulated machine. The map from words to lines is
 * the one of mm's own layout: 16 words are a line, and what shares a line there shares it here. A word that is
 * freed and allocated again is the same line and the same lock.
 */
import type { AddressSpace, LockRef } from "@faultline/mm";
import type { Engine } from "../engine/engine.ts";
import type { CacheLine } from "../engine/line.ts";
import { LockStats } from "../locks/lock-stats.ts";
import { Rwsem, type RwsemGeneration } from "../locks/rwsem.ts";
import { Spinlock } from "../locks/spinlock.ts";
import { VmaLock } from "../locks/vma-lock.ts";

const LINE_SHIFT = 4;

/** Locks and lines of one address space, made when they are first used. */
export class WordLocks {
  readonly #engine: Engine;
  readonly #mm: AddressSpace;
  readonly #generation: RwsemGeneration | undefined;
  readonly #lines: Map<number, CacheLine> = new Map();
  readonly #rwsems: Map<number, Rwsem> = new Map();
  readonly #spinlocks: Map<number, Spinlock> = new Map();
  readonly #vmaLocks: Map<number, VmaLock> = new Map();
  readonly #stats: Map<string, LockStats> = new Map();

  constructor(engine: Engine, mm: AddressSpace, generation?: RwsemGeneration) {
    this.#engine = engine;
    this.#mm = mm;
    this.#generation = generation;
  }

  /** The statistics of a class of locks. */
  stats(name: string): LockStats {
    let stats = this.#stats.get(name);
    if (!stats) {
      stats = new LockStats(name);
      this.#stats.set(name, stats);
    }
    return stats;
  }

  /** All classes of locks so far. */
  get classes(): Iterable<LockStats> {
    return this.#stats.values();
  }

  /** The cache line of a word; `name` is what messages call it. */
  line(word: number, name: string): CacheLine {
    const key = word >>> LINE_SHIFT;
    let line = this.#lines.get(key);
    if (!line) {
      line = this.#engine.line(name);
      this.#lines.set(key, line);
    }
    return line;
  }

  rwsem(lock: LockRef): Rwsem {
    let model = this.#rwsems.get(lock.word);
    if (!model) {
      const line = this.line(lock.word, lock.name);
      model = new Rwsem(this.#engine, lock.name, this.stats(lock.name), this.#generation, line);
      this.#rwsems.set(lock.word, model);
    }
    return model;
  }

  spinlock(lock: LockRef): Spinlock {
    let model = this.#spinlocks.get(lock.word);
    if (!model) {
      const line = this.line(lock.word, lock.name);
      model = new Spinlock(this.#engine, lock.name, this.stats(this.#spinlockClass(lock)), line);
      this.#spinlocks.set(lock.word, model);
    }
    return model;
  }

  vmaLock(lock: LockRef): VmaLock {
    let model = this.#vmaLocks.get(lock.word);
    if (!model) {
      model = new VmaLock(this.#engine, lock.name, this.stats("vma_lock"), this.line(lock.word, lock.name));
      this.#vmaLocks.set(lock.word, model);
    }
    return model;
  }

  /** Throws if a lock's holders and waiters contradict each other. */
  validate(): void {
    for (const lock of this.#rwsems.values()) lock.validate();
    for (const lock of this.#vmaLocks.values()) lock.validate();
  }

  #spinlockClass(lock: LockRef): string {
    if (lock.word === this.#mm.pageTableLock.word) return "page_table_lock";
    return lock.word === this.#mm.treeLock.word ? "tree_lock" : "pte_lock";
  }
}
