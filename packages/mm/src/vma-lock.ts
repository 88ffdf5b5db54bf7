/*
 * The lock of one VMA, in one word: readers count themselves, a writer sets one bit.
 *
 *   bit 30     a writer holds the lock, or waits for the readers to leave: no new readers
 *   bits 0..29 readers
 *
 * Writers exclude each other by mmap_lock, so there is at most one. It sets the bit at once and so stops the
 * stream of readers, then waits until the count is 0. Readers of a fault only ever try.
 *
 * This lock is not what keeps a VMA write-locked during a system call. The writer holds it just long enough to
 * see the last reader leave and to store mm_lock_seq into vm_lock_seq; from then on the equality of the two says
 * "write-locked" (mm-locking §4.1).
 *
 * Memory order. All operations are Atomics and so sequentially consistent. A reader's decrement comes before the
 * writer's load that finds 0: what the reader read, it read before the writer's changes. The other way round, a
 * reader whose try succeeded after a writer's release may still not look at the VMA: it first loads mm_lock_seq,
 * and if it finds the value after the writer's end (a store that follows all the writer's changes) it sees them
 * all; if it finds the one before, the stamp gives the writer away.
 *
 * The last reader notifies after its decrement, when the writer may already have freed the VMA. The word then
 * belongs to the slab cache still, and a notify for nothing is harmless.
 */
import { SyncError } from "@faultline/sync";

const WRITER = 1 << 30;

/** A reader-writer lock in one word, zero when free. For one writer at a time. */
export class VmaLock {
  /** Words it occupies. */
  static readonly WORDS: number = 1;
  readonly #words: Int32Array;
  readonly #word: number;

  /** Creates the lock on a zeroed word, or attaches to it. */
  constructor(words: Int32Array, word: number) {
    this.#words = words;
    this.#word = word;
  }

  /** Readers inside. */
  get readers(): number {
    return Atomics.load(this.#words, this.#word) & ~WRITER;
  }

  /** Whether a writer is inside or waits. */
  get hasWriter(): boolean {
    return (Atomics.load(this.#words, this.#word) & WRITER) !== 0;
  }

  /** Takes the lock for reading unless a writer is inside or waits. Never waits (kernel: vma_start_read). */
  tryRead(): boolean {
    for (;;) {
      const seen = Atomics.load(this.#words, this.#word);
      if ((seen & WRITER) !== 0) return false;
      if (Atomics.compareExchange(this.#words, this.#word, seen, seen + 1) === seen) return true;
    }
  }

  /** Takes the lock for reading, waiting for a writer. Not with mmap_lock wanted by that writer in hand. */
  read(): void {
    while (!this.tryRead()) this.#sleepWhileHeld("read");
  }

  /** @throws SyncError EPERM if nobody reads */
  unlockRead(): void {
    const before = Atomics.sub(this.#words, this.#word, 1);
    if ((before & ~WRITER) === 0) {
      Atomics.add(this.#words, this.#word, 1);
      throw new SyncError("EPERM", "VmaLock.unlockRead: nobody holds the lock for reading");
    }
    if (before === (WRITER | 1)) Atomics.notify(this.#words, this.#word);
  }

  /** Takes the lock for writing if nobody is inside. */
  tryWrite(): boolean {
    return Atomics.compareExchange(this.#words, this.#word, 0, WRITER) === 0;
  }

  /**
   * Takes the lock for writing: stops new readers at once, waits for those inside.
   *
   * @throws SyncError EDEADLK over an ArrayBuffer with readers inside: nobody else could ever let them go
   */
  write(): void {
    while ((Atomics.or(this.#words, this.#word, WRITER) & WRITER) !== 0) this.#sleepWhileHeld("write");
    for (;;) {
      const seen = Atomics.load(this.#words, this.#word);
      if (seen === WRITER) return;
      if (!this.#isShared) {
        Atomics.and(this.#words, this.#word, ~WRITER);
        throw new SyncError("EDEADLK", `VmaLock.write: ${seen & ~WRITER} readers inside, in this thread`);
      }
      Atomics.wait(this.#words, this.#word, seen);
    }
  }

  /** @throws SyncError EPERM if there is no writer */
  unlockWrite(): void {
    if ((Atomics.and(this.#words, this.#word, ~WRITER) & WRITER) === 0) {
      throw new SyncError("EPERM", "VmaLock.unlockWrite: nobody holds the lock for writing");
    }
    Atomics.notify(this.#words, this.#word);
  }

  get #isShared(): boolean {
    return typeof SharedArrayBuffer !== "undefined" && this.#words.buffer instanceof SharedArrayBuffer;
  }

  /** Sleeps as long as the word does not change from a value with a writer in it. */
  #sleepWhileHeld(what: string): void {
    const seen = Atomics.load(this.#words, this.#word);
    if ((seen & WRITER) === 0) return;
    if (!this.#isShared) throw new SyncError("EDEADLK", `VmaLock.${what}: the writer is this thread itself`);
    Atomics.wait(this.#words, this.#word, seen);
  }
}
