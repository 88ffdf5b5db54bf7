// Grace periods of other kinds: readers in flavour qsbr, SRCU, and readers that die in their sections.
import type { Model } from "@faultline/interleave";
import { SrcuDomain } from "@faultline/sync";
import { RcuDomain } from "@faultline/sync/rcu";
import { agentId, fate, MORTAL_WORDS, mortal } from "./mortal.ts";
import { ALL, type ModelPair, zeroed } from "./support.ts";

const AGENTS_MAX = 2;
const POINTER = 64;
/** Objects are one word each; FREED is the poison, so a pointer is never 0. */
const OLD = POINTER + 1;
const NEW = POINTER + 2;
const MORTAL = POINTER + 3;
const WORDS = MORTAL + MORTAL_WORDS;
const FREED = -1;

/** As in rcu.model.ts: each thread's agent begins on words of its own, and moves. */
function attach(words: Int32Array, options: { flavour?: "qsbr"; agentId?: number } = {}): RcuDomain {
  const rcu = new RcuDomain(new Int32Array(words.length), 0, { agentsMax: AGENTS_MAX, ...options });
  rcu.rebind(words);
  return rcu;
}

function setup(): Int32Array {
  const words = zeroed(WORDS);
  words[0] = AGENTS_MAX;
  words[POINTER] = OLD;
  words[OLD] = 1;
  words[NEW] = 2;
  return words;
}

function follow(words: Int32Array, object: number = Atomics.load(words, POINTER)): void {
  if (words[object] === FREED) throw new Error("the reader reads freed memory");
}

/** Two sections of one long one; it ends with the quiescent state. */
function qsbrReader(words: Int32Array): void {
  const rcu = attach(words, { flavour: "qsbr" });
  rcu.read(() => follow(words));
  rcu.quiescentState();
  rcu.read(() => follow(words));
  rcu.offline();
}

/** Takes the pointer over its quiescent state. */
function qsbrHoarder(words: Int32Array): void {
  const rcu = attach(words, { flavour: "qsbr" });
  const object = rcu.read(() => Atomics.load(words, POINTER));
  rcu.quiescentState();
  rcu.read(() => follow(words, object));
  rcu.offline();
}

/** Frees the old object if one of its looks finds the grace period over. Never sleeps: see the end of qsbr.ts. */
function poller(words: Int32Array): void {
  const rcu = attach(words);
  Atomics.store(words, POINTER, NEW);
  const cookie = rcu.cookie();
  if (rcu.poll(cookie) || rcu.poll(cookie)) words[OLD] = FREED;
}

const dyingReader = (bury: (rcu: RcuDomain, dead: number) => unknown): ((words: Int32Array) => unknown) =>
  mortal(
    MORTAL,
    (words) => attach(words, { agentId: agentId(0) }).read(() => follow(words)),
    (words, { self }, dead) => bury(attach(words, { agentId: self }), dead),
  );

const synchronize = (words: Int32Array): void => {
  const rcu = attach(words, { agentId: agentId(2) });
  Atomics.store(words, POINTER, NEW);
  rcu.synchronize();
  words[OLD] = FREED;
};

const rcuModel = (...threads: Model<Int32Array>["threads"]): Model<Int32Array> => ({
  setup,
  threads,
  after: (words) => new RcuDomain(words, 0).validate(),
});

/**
 * Opens the domain as an agent of its own: a record of another kind, that nobody uses any more, makes room for
 * a new one.
 */
function openSrcu(words: Int32Array): SrcuDomain {
  attach(words).close();
  return new SrcuDomain(words, 0);
}

function sleeper(words: Int32Array): void {
  const srcu = openSrcu(words);
  const index = srcu.readLock();
  follow(words);
  srcu.readUnlock(index);
}

/** Two sections at once, of which the second ends first. */
function overlapping(words: Int32Array): void {
  const srcu = openSrcu(words);
  const outer = srcu.readLock();
  const inner = srcu.readLock();
  const object = Atomics.load(words, POINTER);
  srcu.readUnlock(inner);
  follow(words, object);
  srcu.readUnlock(outer);
}

function lateSleeper(words: Int32Array): void {
  const srcu = openSrcu(words);
  const index = srcu.readLock();
  const object = Atomics.load(words, POINTER);
  srcu.readUnlock(index);
  follow(words, object);
}

function srcuWriter(words: Int32Array): void {
  const srcu = openSrcu(words);
  Atomics.store(words, POINTER, NEW);
  srcu.synchronize();
  words[OLD] = FREED;
}

/** Moves the same grace periods on, and frees nothing. */
const awaitSleepers = (words: Int32Array): void => openSrcu(words).synchronize();

/** Asks for the grace period before it unpublishes. */
function srcuTooEarly(words: Int32Array): void {
  const srcu = openSrcu(words);
  const cookie = srcu.cookie();
  Atomics.store(words, POINTER, NEW);
  if (srcu.poll(cookie)) words[OLD] = FREED;
}

/** Waits for nobody. */
function srcuNoGracePeriod(words: Int32Array): void {
  Atomics.store(words, POINTER, NEW);
  words[OLD] = FREED;
}

const srcuModel = (...threads: Model<Int32Array>["threads"]): Model<Int32Array> => ({ setup, threads });

/** The race or the poison, whichever comes first. */
const FINDS = /nothing that orders them|freed memory/;

export const pairs: readonly ModelPair[] = [
  {
    name: "RcuDomain, a qsbr reader is waited for until its quiescent state",
    sound: rcuModel(qsbrReader, poller),
    broken: rcuModel(qsbrHoarder, poller),
    finds: FINDS,
  },
  {
    name: "RcuDomain, a reader that dies in its section is not waited for",
    sound: rcuModel(
      dyingReader((rcu, dead) => rcu.agentDied(dead)),
      fate(MORTAL),
      synchronize,
    ),
    broken: rcuModel(
      dyingReader(() => {}),
      fate(MORTAL),
      synchronize,
    ),
    finds: /nobody wakes|spun on/,
  },
  {
    name: "SrcuDomain: synchronize() waits for the reader",
    sound: srcuModel(sleeper, srcuWriter),
    broken: srcuModel(sleeper, srcuNoGracePeriod),
    finds: FINDS,
  },
  {
    name: "SrcuDomain: two that wait share a grace period",
    sound: srcuModel(sleeper, srcuWriter, awaitSleepers),
    broken: srcuModel(sleeper, srcuTooEarly, awaitSleepers),
    finds: FINDS,
    limits: { bound: 1, full: ALL },
  },
  {
    name: "SrcuDomain: of two sections of an agent each counts",
    sound: srcuModel(overlapping, srcuWriter),
    broken: srcuModel(lateSleeper, srcuWriter),
    finds: FINDS,
  },
];
