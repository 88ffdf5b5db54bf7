/*
 * What the threads of the stress tests of the newer primitives do. Every part returns how many violations
 * it has seen, or how often it succeeded; it may be async, for the forms that do not block.
 *
 *   word 0          start line              word 16 …    plain payload
 *   word 64 …       primitive under test
 */
import { RefCount } from "../../src/refcount.ts";
import { SeqLatch } from "../../src/seqlatch.ts";
import { SeqLock } from "../../src/seqlock.ts";

export const PAYLOAD = 16;
export const SUBJECT = 64;

/** What a thread of a team is told. */
export interface Task {
  readonly words: Int32Array;
  /** Which of the threads this is, `0..n-1`. */
  readonly index: number;
  /** How many threads there are. */
  readonly size: number;
  readonly rounds: number;
}

/** How often the object was freed. */
export const FREED = PAYLOAD;

/** Takes and drops references; whoever drops the last one counts that as freeing, once. */
function refcount({ words, rounds }: Task): number {
  const count = new RefCount(words, SUBJECT);
  let failures = 0;
  for (let round = 0; round < rounds; round++) {
    if (round % 3 === 0) count.inc();
    else if (!count.incNotZero()) failures++;
    if (Atomics.load(words, FREED) !== 0) failures++; // We hold one: nobody can have freed it.
    if (round % 2 === 0 ? !count.decNotOne() : count.decAndTest()) Atomics.add(words, FREED, 1);
  }
  if (count.decAndTest()) Atomics.add(words, FREED, 1);
  return failures;
}

/** The payload of the sequence tests: always equal words, unless a write is in progress. */
const LENGTH = 6;

/** Are the payload's words equal? -1 if not, else the value. */
function commonValue(load: (index: number) => number): number {
  const first = load(0);
  for (let index = 1; index < LENGTH; index++) if (load(index) !== first) return -1;
  return first;
}

function seqWrite({ words, rounds }: Task): number {
  const lock = new SeqLock(words, SUBJECT);
  for (let round = 0; round < rounds; round++) {
    lock.write(() => {
      const next = Atomics.load(words, PAYLOAD) + 1;
      for (let index = 0; index < LENGTH; index++) Atomics.store(words, PAYLOAD + index, next);
    });
  }
  return rounds;
}

type Read = (lock: SeqLock, look: () => number) => number;

/** Reads until the writers are done; counts reads that were not consistent. */
function seqRead({ words, rounds }: Task, writers: number, reads: readonly Read[]): number {
  const lock = new SeqLock(words, SUBJECT);
  const look = () => commonValue((index) => Atomics.load(words, PAYLOAD + index));
  let violations = 0;
  let last = 0;
  for (let turn = 0; last < writers * rounds; turn++) {
    const value = reads[turn % reads.length](lock, look);
    if (value < last) violations++;
    else last = value;
  }
  return violations;
}

const everySeqRead: readonly Read[] = [
  (lock, look) => lock.read(look),
  (lock, look) => lock.readOrLock(look),
  (lock, look) => {
    const guard = lock.readExcl();
    const value = look();
    guard.release();
    return value;
  },
  (lock, look) => {
    let seq = 0;
    for (;;) {
      seq = lock.readSeqBeginOrLock(seq);
      const value = look();
      const mustRetry = lock.needSeqRetry(seq);
      lock.doneSeqRetry(seq);
      if (!mustRetry) return value;
      seq = 1;
    }
  },
];

function latchWrite({ words, rounds }: Task): number {
  const latch = new SeqLatch(words, SUBJECT, LENGTH);
  for (let round = 1; round <= rounds; round++) latch.write(new Array<number>(LENGTH).fill(round));
  return rounds;
}

function latchRead({ words, rounds }: Task): number {
  const latch = new SeqLatch(words, SUBJECT, LENGTH);
  const into = new Int32Array(LENGTH);
  let violations = 0;
  for (let last = 0; last < rounds; ) {
    latch.read(into);
    const value = commonValue((index) => into[index]);
    if (value < last) violations++;
    else last = value;
  }
  return violations;
}

export const parts = {
  refcount,
  seqWrite,
  seqRead: (task) => seqRead(task, 2, everySeqRead),
  // Looks without asking whether a writer came by: the test must notice.
  seqReadWithoutRetry: (task) => seqRead(task, 2, [(_lock, look) => look()]),
  latchWrite,
  latchRead,
} satisfies Record<string, (task: Task) => number | Promise<number>>;

export type PartName = keyof typeof parts;
