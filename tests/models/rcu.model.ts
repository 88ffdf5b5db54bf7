// RcuDomain: what a reader has found stays what it is until the reader has left.
import type { Model } from "@faultline/interleave";
import { RcuDomain } from "@faultline/sync/rcu";
import { type ModelPair, zeroed } from "./support.ts";

const AGENTS_MAX = 3;
const POINTER = RcuDomain.words(AGENTS_MAX);
/** Objects are one word each; FREED is the poison, so a pointer is never 0. */
const OLD = POINTER + 1;
const NEW = POINTER + 2;
const FREED = -1;

/**
 * Attaches as an agent of its own. The threads of a model share one realm, where all that attach to the same
 * buffer would be taken for one agent; so each begins on words of its own and moves to the shared ones.
 */
function attach(words: Int32Array): RcuDomain {
  const rcu = new RcuDomain(new Int32Array(words.length), 0, { agentsMax: AGENTS_MAX });
  rcu.rebind(words);
  return rcu;
}

function setup(): Int32Array {
  const words = zeroed(NEW + 1);
  new RcuDomain(words, 0, { agentsMax: AGENTS_MAX });
  words[POINTER] = OLD;
  words[OLD] = 1;
  words[NEW] = 2;
  return words;
}

function follow(words: Int32Array): void {
  const object = Atomics.load(words, POINTER);
  if (words[object] === FREED) throw new Error("the reader reads freed memory");
}

function reader(words: Int32Array): void {
  const rcu = attach(words);
  rcu.readLock();
  follow(words);
  rcu.readUnlock();
}

function nestedReader(words: Int32Array): void {
  const rcu = attach(words);
  rcu.readLock();
  rcu.readLock();
  rcu.readUnlock();
  follow(words);
  rcu.readUnlock();
}

/** Follows the pointer once it has left. */
function lateReader(words: Int32Array): void {
  const rcu = attach(words);
  rcu.readLock();
  const object = Atomics.load(words, POINTER);
  rcu.readUnlock();
  if (words[object] === FREED) throw new Error("the reader reads freed memory");
}

/** Replaces the object, waits as it is told, and frees the old one if the answer is yes. */
function writer(wait: (rcu: RcuDomain, unpublish: () => void) => boolean): (words: Int32Array) => void {
  return (words) => {
    const rcu = attach(words);
    if (wait(rcu, () => void Atomics.store(words, POINTER, NEW))) words[OLD] = FREED;
  };
}

const synchronize = writer((rcu, unpublish) => {
  unpublish();
  rcu.synchronize();
  return true;
});

/** Moves the same grace periods on, and frees nothing. */
const awaitReaders = writer((rcu) => {
  rcu.synchronize();
  return false;
});

const poll = writer((rcu, unpublish) => {
  unpublish();
  const cookie = rcu.cookie();
  return rcu.poll(cookie) || rcu.poll(cookie);
});

const noGracePeriod = writer((_rcu, unpublish) => {
  unpublish();
  return true;
});

/** Asks for the grace period before it unpublishes. */
const cookieTooEarly = writer((rcu, unpublish) => {
  const cookie = rcu.cookie();
  unpublish();
  return rcu.poll(cookie) || rcu.poll(cookie);
});

const model = (...threads: Model<Int32Array>["threads"]): Model<Int32Array> => ({
  setup,
  threads,
  after: (words) => new RcuDomain(words, 0).validate(),
});

/** The race or the poison, whichever comes first. */
const FINDS = /nothing that orders them|freed memory/;

export const pairs: readonly ModelPair[] = [
  {
    name: "RcuDomain: synchronize() waits for the reader",
    sound: model(reader, synchronize),
    broken: model(reader, noGracePeriod),
    finds: FINDS,
  },
  {
    name: "RcuDomain: a nested section ends nothing",
    sound: model(nestedReader, synchronize),
    broken: model(lateReader, synchronize),
    finds: FINDS,
  },
  {
    name: "RcuDomain: poll() says yes when the reader has left",
    sound: model(reader, poll),
    broken: model(reader, cookieTooEarly),
    finds: FINDS,
  },
  {
    name: "RcuDomain: synchronize() waits for two readers",
    sound: model(reader, synchronize, reader),
    broken: model(reader, noGracePeriod, reader),
    finds: FINDS,
    limits: { bound: 2 },
    fullLimits: { bound: 3 },
  },
  {
    name: "RcuDomain: two that wait share a grace period",
    sound: model(reader, synchronize, awaitReaders),
    broken: model(reader, cookieTooEarly, awaitReaders),
    finds: FINDS,
    limits: { bound: 2 },
    fullLimits: { bound: 3 },
  },
];
