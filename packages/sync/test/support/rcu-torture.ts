/*
 * Torture in the manner of rcutorture: elements go through a pipeline. A published element has age 0; on
 * removal it becomes 1, and every grace period after that adds 1, until it is used again at age 10. A reader
 * that finds age 2 or more has been looking at something whose grace period ended under its eyes.
 */
import { Worker } from "node:worker_threads";
import { RcuDomain, type RcuFlavour, SrcuDomain } from "../../src/index.ts";
import { GP_SEQ } from "../../src/rcu/layout.ts";

export type Kind = RcuFlavour | "srcu";
type Domain = RcuDomain | SrcuDomain;

export interface TortureOrder {
  readonly buffer: SharedArrayBuffer;
  readonly kind: Kind;
}

/** Word of the stop flag, the published element, the domain, and the pool. */
const STOP = 16;
const POINTER = 32;
const DOMAIN = 64;
const POOL = 512;
const ELEMENTS = 24;
const ELEMENT_WORDS = 16;
const AGES = 10;
const AGENTS = 4;
const WORDS = POOL + ELEMENTS * ELEMENT_WORDS;

/** Sections seen by age, `0..10`. */
export type Histogram = number[];

export function open(words: Int32Array, kind: Kind): Domain {
  if (kind === "srcu") return new SrcuDomain(words, DOMAIN, { agentsMax: AGENTS });
  return new RcuDomain(words, DOMAIN, { agentsMax: AGENTS, flavour: kind });
}

/** Delays of very different lengths, none of them known to the writer. */
function delay(random: () => number): void {
  const turns = random() < 0.02 ? 20_000 : random() * 200;
  for (let turn = 0; turn < turns; turn++) sink[0] += turn;
}
const sink = new Float64Array(1);

function section(words: Int32Array, random: () => number, seen: Histogram): void {
  const element = Atomics.load(words, POINTER);
  if (element === 0) return;
  delay(random);
  const age = words[element]; // plain on purpose: grace periods order plain accesses too
  seen[age]++;
  if (age > 1) Atomics.store(words, STOP, 1);
}

/** Reads until told to stop; nests, blocks, goes offline and gives its slot back now and then. */
export function readUntilStopped({ buffer, kind }: TortureOrder, random: () => number): Histogram {
  const words = new Int32Array(buffer);
  const seen: Histogram = Array(AGES + 1).fill(0);
  let rcu = open(words, kind);
  for (let round = 1; Atomics.load(words, STOP) === 0; round++) {
    if (rcu instanceof SrcuDomain) sleepySection(words, rcu, random, seen);
    else plainSection(words, rcu, random, seen, round);
    if (round % 400 !== 0) continue;
    rcu.close();
    rcu = open(words, kind);
  }
  rcu.close();
  return seen;
}

function plainSection(
  words: Int32Array,
  rcu: RcuDomain,
  random: () => number,
  seen: Histogram,
  round: number,
): void {
  rcu.readLock();
  if (round % 3 === 0) rcu.read(() => section(words, random, seen));
  section(words, random, seen);
  rcu.readUnlock();
  if (round % 8 === 0) rcu.quiescentState();
  if (round % 64 !== 0) return;
  rcu.offline();
  delay(random);
  rcu.online();
}

/** Two sections that overlap without nesting, and a sleep now and then in both. */
function sleepySection(words: Int32Array, srcu: SrcuDomain, random: () => number, seen: Histogram): void {
  const first = srcu.readLock();
  section(words, random, seen);
  const second = srcu.readLock();
  if (random() < 0.02) Atomics.wait(words, 0, 0, 0.1);
  srcu.readUnlock(first);
  section(words, random, seen);
  srcu.readUnlock(second);
}

/** Ends a grace period without asking the readers: the twin that must be caught. */
export type Sabotage = (words: Int32Array, cookie: number) => void;
export const none: Sabotage = () => {};
export const endTooEarly: Sabotage = (words, cookie) => void Atomics.store(words, DOMAIN + GP_SEQ, cookie);

async function gracePeriod(words: Int32Array, rcu: Domain, round: number, sabotage: Sabotage): Promise<void> {
  const way = round % 6;
  if (way === 0) return rcu.synchronize();
  if (way === 1) return rcu.synchronizeExpedited();
  if (way === 2) return rcu.synchronizeAsync();
  const cookie = rcu.cookie();
  sabotage(words, cookie);
  if (way === 3) rcu.waitCookie(cookie);
  else if (way === 4) while (!rcu.poll(cookie)) sink[0]++;
  else {
    rcu.call(() => {});
    sabotage(words, rcu.cookie());
    rcu.barrier();
  }
}

/** Publishes, removes and ages elements for `rounds` grace periods, or until a reader has seen too much. */
async function update(words: Int32Array, kind: Kind, rounds: number, sabotage: Sabotage): Promise<void> {
  const rcu = open(words, kind);
  const free = Array.from({ length: ELEMENTS }, (_, index) => POOL + index * ELEMENT_WORDS);
  let removed: number[] = [];
  for (let round = 0; round < rounds && Atomics.load(words, STOP) === 0; round++) {
    const fresh = free.shift() as number;
    words[fresh] = 0;
    const old = Atomics.exchange(words, POINTER, fresh);
    if (old !== 0) {
      words[old] = 1;
      removed.push(old);
    }
    await gracePeriod(words, rcu, round, sabotage);
    for (const element of removed) words[element]++;
    free.push(...removed.filter((element) => words[element] >= AGES));
    removed = removed.filter((element) => words[element] < AGES);
    rcu.validate();
  }
  Atomics.store(words, STOP, 1);
  rcu.close();
}

/** Two readers in threads of their own, the updater here. @returns what the readers saw, together */
export async function torture(kind: Kind, rounds: number, sabotage: Sabotage): Promise<Histogram> {
  const buffer = new SharedArrayBuffer(WORDS * 4);
  const words = new Int32Array(buffer);
  const workers = [0, 1].map(
    () =>
      new Worker(new URL("./rcu-torture.worker.ts", import.meta.url), {
        workerData: { buffer, kind } satisfies TortureOrder,
      }),
  );
  try {
    const reports = workers.map((worker) => {
      const report = new Promise<Histogram>((resolve, reject) => {
        worker.on("error", reject);
        worker.on("message", (message) => message !== "ready" && resolve(message as Histogram));
      });
      return report;
    });
    await Promise.all(workers.map((worker) => new Promise((ready) => worker.once("message", ready))));
    await update(words, kind, rounds, sabotage);
    const seen = await Promise.all(reports);
    return seen[0].map((count, age) => count + seen[1][age]);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
