// RwSem: who is let in before whom is what the policy says.
import type { Model } from "@faultline/interleave";
import { RwSem, type RwSemPolicy } from "@faultline/sync";
import { ALL, type ModelPair, zeroed } from "./support.ts";

const WRITTEN = RwSem.WORDS;

/** A semaphore that somebody reads, who is in no thread: one of them will let go for it. */
function readHeld(policy: RwSemPolicy): () => Int32Array {
  return () => {
    const words = zeroed(WRITTEN + 1);
    new RwSem(words, 0, { policy }).downRead();
    return words;
  };
}

function write(words: Int32Array): void {
  const sem = new RwSem(words, 0);
  sem.downWrite();
  Atomics.store(words, WRITTEN, 1);
  sem.upWrite();
}

function letGo(words: Int32Array): void {
  new RwSem(words, 0).upRead();
}

function isFree(words: Int32Array): void {
  const sem = new RwSem(words, 0);
  sem.validate();
  if (!sem.tryDownWrite()) throw new Error(`not free although all have gone: ${sem}`);
}

/** A reader that finds a writer waiting does not get in before it. */
function writerFirst(policy: RwSemPolicy): Model<Int32Array> {
  const reader = (words: Int32Array): void => {
    const sem = new RwSem(words, 0);
    if (!sem.isContended) return;
    sem.downRead();
    if (Atomics.load(words, WRITTEN) === 0) throw new Error("a reader came in before the writer that waits");
    sem.upRead();
  };
  return { setup: readHeld(policy), threads: [write, reader, letGo], after: isFree };
}

/** A reader that finds a reader inside gets in, though a writer waits. */
function readerFirst(policy: RwSemPolicy): Model<Int32Array> {
  const reader = (words: Int32Array): void => {
    const sem = new RwSem(words, 0);
    if (!sem.tryDownRead()) throw new Error("a reader stays out because a writer waits");
    sem.upRead();
    letGo(words);
  };
  return { setup: readHeld(policy), threads: [write, reader], after: isFree };
}

const STAYS_OUT = /stays out because/;
const CAME_BEFORE = /before the writer/;

export const pairs: readonly ModelPair[] = [
  ...(["fair-fifo", "writer-pref"] as const).map((policy) => ({
    name: `RwSem, policy ${policy}: no reader gets in before a writer that waits`,
    sound: writerFirst(policy),
    broken: writerFirst("reader-pref"),
    finds: CAME_BEFORE,
    limits: { bound: 1 },
  })),
  {
    name: "RwSem, policy reader-pref: a reader waits for no writer that waits",
    sound: readerFirst("reader-pref"),
    broken: readerFirst("fair-fifo"),
    finds: STAYS_OUT,
    limits: { bound: 2, full: ALL },
  },
];
