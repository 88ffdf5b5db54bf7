/*
 * What the threads of the stress tests of the newer primitives do. Every part returns how many violations
 * it has seen, or how often it succeeded; it may be async, for the forms that do not block.
 *
 *   word 0          start line              word 16 …    plain payload
 *   word 64 …       primitive under test
 */
import { RefCount } from "../../src/refcount.ts";

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

export const parts = {
  refcount,
} satisfies Record<string, (task: Task) => number | Promise<number>>;

export type PartName = keyof typeof parts;
