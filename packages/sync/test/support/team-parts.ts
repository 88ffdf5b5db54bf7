/*
 * What the threads of the stress tests of the newer primitives do. Every part returns how many violations
 * it has seen, or how often it succeeded; it may be async, for the forms that do not block.
 *
 *   word 0          start line              word 16 …    plain payload
 *   word 64 …       primitive under test
 */
import { Barrier } from "../../src/barrier.ts";
import { Completion } from "../../src/completion.ts";
import { PerWorkerRwSem } from "../../src/per-worker-rwsem.ts";
import { RcuDomain } from "../../src/rcu.ts";
import { RefCount } from "../../src/refcount.ts";
import { Semaphore } from "../../src/semaphore.ts";
import { SeqLatch } from "../../src/seqlatch.ts";
import { SeqLock } from "../../src/seqlock.ts";
import { WaitQueueHead } from "../../src/wait-queue-head.ts";

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
export const FREED = PAYLOAD + 41;

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

/** Something to wait for `rounds` times; the other team members complete it as often. */
function complete({ words, rounds }: Task): number {
  const completion = new Completion(words, SUBJECT);
  for (let round = 0; round < rounds; round++) completion.complete();
  return rounds;
}

function awaitCompletion({ words, rounds }: Task): number {
  const completion = new Completion(words, SUBJECT);
  for (let got = 0; got < rounds; ) {
    // A timeout that passes now and then must not lose a completion either.
    if (got % 64 === 0 ? completion.wait({ timeoutMs: 0.05 }) : completion.wait()) got++;
  }
  return rounds;
}

async function awaitCompletionAsync({ words, rounds }: Task): Promise<number> {
  const completion = new Completion(words, SUBJECT);
  for (let got = 0; got < rounds; ) {
    const signal = got % 64 === 0 ? AbortSignal.timeout(1) : undefined;
    if (await completion.waitAsync({ signal }).catch(() => false)) got++;
  }
  return rounds;
}

/** Who was last at the barrier counts the generation. */
export const GENERATIONS = PAYLOAD + 40;

/** Each party adds 1 to its own plain word before the barrier and looks at all of them behind it. */
async function meet(
  { words, index, size, rounds }: Task,
  wait: (barrier: Barrier) => unknown,
): Promise<number> {
  const barrier = new Barrier(words, SUBJECT, size);
  let violations = 0;
  for (let round = 1; round <= rounds; round++) {
    words[PAYLOAD + index] = round;
    if ((await wait(barrier)) === "last") words[GENERATIONS] += 1;
    for (let party = 0; party < size; party++) if (words[PAYLOAD + party] !== round) violations++;
    await wait(barrier);
  }
  return violations;
}

/** Arrives, and now and then gives up first, as often as it has to. */
function waitImpatiently(barrier: Barrier): string {
  for (;;) {
    const outcome = barrier.wait({ timeoutMs: 0.02 });
    if (outcome !== "timed-out") return outcome;
  }
}

/*
 * A box for at most two things, one queue for those who want to put one in and one for those who want one.
 * Conditions take what they find, so one wake-up per thing is enough.
 */
export const THINGS = PAYLOAD + 42;
const THINGS_MAX = 2;

function change(words: Int32Array, by: 1 | -1): boolean {
  for (;;) {
    const things = Atomics.load(words, THINGS);
    if (by === 1 ? things === THINGS_MAX : things === 0) return false;
    if (Atomics.compareExchange(words, THINGS, things, things + by) === things) return true;
  }
}

async function trade({ words, rounds }: Task, by: 1 | -1, isAsync: boolean): Promise<number> {
  const queues = [new WaitQueueHead(words, SUBJECT), new WaitQueueHead(words, SUBJECT + 16)];
  const [mine, theirs] = by === 1 ? queues : queues.reverse();
  for (let done = 0; done < rounds; ) {
    const late = done % 8 === 0 ? { timeoutMs: 0.05 } : {};
    const isDone = isAsync
      ? await mine.waitForAsync(() => change(words, by), { exclusive: true, ...late })
      : mine.waitFor(() => change(words, by), { exclusive: true, ...late });
    if (!isDone) continue;
    theirs.wake();
    done++;
  }
  return rounds;
}

/** How many hold a permit now. */
export const INSIDE = PAYLOAD + 43;
/** Permits the semaphore of these tests has. */
export const PERMITS = 2;

function isHoarding(state: number): boolean {
  return state > 1 && (state & 1) !== 0;
}

/** Counts how often more are inside than there are permits. */
async function enter({ words, rounds }: Task, how: (semaphore: Semaphore, round: number) => unknown) {
  const semaphore = new Semaphore(words, SUBJECT);
  let violations = 0;
  for (let round = 0; round < rounds; round++) {
    if ((await how(semaphore, round)) !== true) continue;
    if (Atomics.add(words, INSIDE, 1) >= PERMITS) violations++;
    // There must be no instant with permits in STATE while somebody waits for one.
    for (let turn = 0; turn < 50; turn++) if (isHoarding(Atomics.load(words, SUBJECT))) violations++;
    Atomics.sub(words, INSIDE, 1);
    semaphore.up();
  }
  return violations;
}

/** Words of the RCU domain of the per-worker semaphore. */
export const RCU = 1024;
const WORKERS_MAX = 8;

interface PerWorker {
  readonly sem: PerWorkerRwSem;
  readonly words: Int32Array;
}

/** The semaphore of these tests, for one thread; everything is given back at the end. */
async function perWorker(
  task: Task,
  run: (parts: PerWorker, round: number) => Promise<number>,
): Promise<number> {
  const { words, rounds } = task;
  const rcu = new RcuDomain(words, RCU, { agentsMax: WORKERS_MAX });
  const sem = new PerWorkerRwSem(words, SUBJECT, rcu, { workersMax: WORKERS_MAX });
  let violations = 0;
  for (let round = 0; round < rounds; round++) violations += await run({ sem, words }, round);
  sem.close();
  rcu.close();
  return violations;
}

/** Two plain words, equal unless a writer is at work; the writer takes its time between them. */
function writeBoth(words: Int32Array): void {
  words[PAYLOAD] += 1;
  for (let turn = 0; turn < 100; turn++) Atomics.load(words, PAYLOAD + 32);
  words[PAYLOAD + 1] += 1;
}

async function perWorkerWrite({ sem, words }: PerWorker, isHeld: boolean): Promise<number> {
  if (!isHeld) return 0;
  writeBoth(words);
  Atomics.add(words, WRITES, 1);
  sem.upWrite();
  return 0;
}

/** How many writes there have been. */
export const WRITES = PAYLOAD + 16;

async function perWorkerRead({ sem, words }: PerWorker, isHeld: boolean): Promise<number> {
  if (!isHeld) return 0;
  const before = words[PAYLOAD];
  for (let turn = 0; turn < 20; turn++) Atomics.load(words, PAYLOAD + 32);
  const isTorn = words[PAYLOAD + 1] !== before || words[PAYLOAD] !== before;
  sem.upRead();
  return isTorn ? 1 : 0;
}

const late = (round: number) => ({ timeoutMs: (round % 3) * 0.05 });

/** READY: the thread listens. GO: it gives a permit back. DONE: it has done so. */
export const PROMPT = { READY: PAYLOAD + 1, GO: PAYLOAD + 2, DONE: PAYLOAD + 3 } as const;

function upOnCommand({ words }: Task): number {
  Atomics.store(words, PROMPT.READY, 1);
  Atomics.wait(words, PROMPT.GO, 0);
  new Semaphore(words, SUBJECT).up();
  Atomics.store(words, PROMPT.DONE, 1);
  Atomics.notify(words, PROMPT.DONE);
  return 0;
}

export const parts = {
  upOnCommand,
  perWorkerWrite: (task) => perWorker(task, async (own) => perWorkerWrite(own, own.sem.downWrite())),
  perWorkerWriteTimed: (task) =>
    perWorker(task, async (own, round) => perWorkerWrite(own, own.sem.downWrite(late(round)))),
  perWorkerWriteAsync: (task) =>
    perWorker(task, async (own) => perWorkerWrite(own, await own.sem.downWriteAsync())),
  perWorkerRead: (task) => perWorker(task, async (own) => perWorkerRead(own, own.sem.downRead())),
  perWorkerReadTimed: (task) =>
    perWorker(task, async (own, round) => perWorkerRead(own, own.sem.downRead(late(round)))),
  perWorkerReadAsync: (task) =>
    perWorker(task, async (own) => perWorkerRead(own, await own.sem.downReadAsync())),
  semaphore: (task) => enter(task, (semaphore) => semaphore.down()),
  semaphoreTimed: (task) =>
    enter(task, (semaphore, round) => semaphore.down({ timeoutMs: (round % 3) * 0.05 })),
  semaphoreAsync: (task) => enter(task, (semaphore) => semaphore.downAsync()),
  semaphoreAborted: (task) =>
    enter(task, async (semaphore) => {
      const controller = new AbortController();
      setImmediate(() => controller.abort());
      return semaphore.downAsync({ signal: controller.signal }).catch(() => false);
    }),
  // Goes in without a permit: the test must notice.
  semaphoreIgnored: (task) => enter(task, () => true),
  complete,
  awaitCompletion,
  awaitCompletionAsync,
  meet: (task) => meet(task, (barrier) => barrier.wait()),
  meetAsync: (task) => meet(task, (barrier) => barrier.waitAsync()),
  meetImpatiently: (task) => meet(task, waitImpatiently),
  // A barrier nobody waits at: the test must notice.
  meetNobody: (task) => meet(task, () => undefined),
  put: (task) => trade(task, 1, false),
  take: (task) => trade(task, -1, false),
  putAsync: (task) => trade(task, 1, true),
  takeAsync: (task) => trade(task, -1, true),
  refcount,
  seqWrite,
  seqRead: (task) => seqRead(task, 2, everySeqRead),
  // Looks without asking whether a writer came by: the test must notice.
  seqReadWithoutRetry: (task) => seqRead(task, 2, [(_lock, look) => look()]),
  latchWrite,
  latchRead,
} satisfies Record<string, (task: Task) => number | Promise<number>>;

export type PartName = keyof typeof parts;
