/*
 * The words of a PerWorkerRwSem.
 *
 *   word            name      meaning
 *   0               WORKERS   slots laid out behind the header; 0 until the first constructor wrote it
 *   1               MODE      1 FAST | 2 SLOW: a writer has been about | 3 EXITING (phases.ts)
 *   2               BLOCK     not 0 while a writer holds the semaphore, or waits for readers to leave
 *   3               COOKIE    of the grace period that ends EXITING
 *   4 … 5           readers   readers asleep until BLOCK is 0 (event-count.ts)
 *   6 … 7           writers   writers asleep until BLOCK is 0
 *   8 … 9           drain     the writer that has set BLOCK, asleep until the readers' sum is 0
 *   10              TURN      1 from the end of a write until the readers that slept through it are in
 *   16 + 16 i       COUNT     worker i: reads it began minus reads it ended; may be negative
 *   16 + 16 i + 1   CLAIMED   not 0 while an object owns the slot
 *   16 + 16 i + 2   WAITING   robust: reads of worker i that wait for BLOCK to be 0
 *
 * BLOCK and CLAIMED are 1, or in a robust semaphore the id of the agent (robust.ts).
 */
import { SyncError } from "../errors.ts";
import { EVENT_WORDS } from "../event-count.ts";
import { checkWords } from "../words.ts";

export const WORKERS = 0;
export const MODE = 1;
export const BLOCK = 2;
export const COOKIE = 3;
export const READERS = 4;
export const WRITERS: number = READERS + EVENT_WORDS;
export const DRAIN: number = WRITERS + EVENT_WORDS;
export const TURN: number = DRAIN + EVENT_WORDS;
export const HEADER_WORDS = 16;

export const SLOT_WORDS = 16;
export const COUNT = 0;
export const CLAIMED = 1;
export const WAITING = 2;

/** Values of MODE. */
export const FAST = 1;
export const SLOW = 2;
export const EXITING = 3;

const WORKERS_DEFAULT = 32;
const WORKERS_MAX = 4096;

/** Words of a semaphore with so many slots. @throws RangeError unless that is an integer in `1..4096` */
export function wordsFor(kind: string, workersMax: number = WORKERS_DEFAULT): number {
  checkWorkers(`${kind}.words`, workersMax);
  return HEADER_WORDS + SLOT_WORDS * workersMax;
}

/** Creates or attaches: checks the words, and writes WORKERS and MODE if nobody has. */
export function layOut(kind: string, words: Int32Array, word: number, asked: number | undefined): void {
  checkWords(kind, words, word, HEADER_WORDS);
  if (asked !== undefined) checkWorkers(kind, asked);
  const workersMax = asked ?? (Atomics.load(words, word + WORKERS) || WORKERS_DEFAULT);
  checkWords(kind, words, word, HEADER_WORDS + SLOT_WORDS * workersMax);
  const existing = Atomics.compareExchange(words, word + WORKERS, 0, workersMax);
  if (existing !== 0 && existing !== workersMax) {
    throw new SyncError("EINVAL", `${kind}: workersMax is ${existing} in the words, got ${workersMax}`);
  }
  Atomics.compareExchange(words, word + MODE, 0, FAST);
}

/** First word of every slot. */
export function slotsOf(words: Int32Array, base: number): number[] {
  const workers = Atomics.load(words, base + WORKERS);
  return Array.from({ length: workers }, (_, index) => base + HEADER_WORDS + SLOT_WORDS * index);
}

function checkWorkers(what: string, workersMax: number): void {
  if (!Number.isInteger(workersMax) || workersMax < 1 || workersMax > WORKERS_MAX) {
    throw new RangeError(`${what}: workersMax must be an integer in 1..${WORKERS_MAX}, got ${workersMax}`);
  }
}
