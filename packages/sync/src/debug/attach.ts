/*
 * Are these words a lock of that kind? Zeroed words are one of almost every kind, so the constructors cannot tell an
 * offset that is wrong from one that is right. While the checks are on, they look:
 *
 *   - at the words: values that no sequence of calls on an object of this kind leaves there, at any instant;
 *   - at what this agent has constructed before: another kind of object at the same place, or across its words.
 *
 * A refusal comes before the constructor has touched a word. Words that are used again for something else must be
 * given back with `assertNoLocksFreed`, which forgets what was there.
 *
 * Only words with a meaning in every state are looked at, not those that are scratch between two calls, and no lock
 * is taken: words that are no lock have no lock to take.
 */
import { SyncError } from "../errors.ts";
import type { AttachHook } from "../words.ts";

/** A word of an object, and what it may hold. */
interface Rule {
  readonly offset: number;
  readonly name: string;
  readonly isValid: (value: number) => boolean;
}

const rule = (offset: number, name: string, isValid: (value: number) => boolean): Rule => ({
  offset,
  name,
  isValid,
});
const upTo = (max: number) => (value: number) => value >= 0 && value <= max;
const within = (mask: number) => (value: number) => (value & ~mask) === 0;

/** More threads than that never wait for anything. */
const WAITERS_LIMIT = 1 << 20;
const sleepers = (offset: number): Rule => rule(offset, "SLEEPERS", upTo(WAITERS_LIMIT));

const QUEUE = 8;
const SLOTS = 16;
const SLOT_WORDS = 3;
/** Word of a queue's slot relative to the queue, or 0. */
const isSlot = (value: number) =>
  value === 0 || ((value - 8) % SLOT_WORDS === 0 && value >= 8 && value < 8 + SLOTS * SLOT_WORDS);

function queueRules(): Rule[] {
  const rules = [
    rule(QUEUE, "LOCK of the queue", upTo(2)),
    rule(QUEUE + 1, "HEAD of the queue", isSlot),
    rule(QUEUE + 2, "TAIL of the queue", isSlot),
    rule(QUEUE + 3, "OVERFLOW of the queue", upTo(WAITERS_LIMIT)),
  ];
  for (let slot = QUEUE + 8; slot < QUEUE + 8 + SLOTS * SLOT_WORDS; slot += SLOT_WORDS) {
    rules.push(rule(slot, "WAKE of a slot", upTo(2)), rule(slot + 2, "NEXT of a slot", isSlot));
  }
  return rules;
}

const QUEUE_RULES = queueRules();
const SPIN_RULES = [rule(0, "the lock word", within(0xffff0301 | 0))];

const RULES: Readonly<Record<string, readonly Rule[]>> = {
  SpinLock: SPIN_RULES,
  QSpinLock: SPIN_RULES,
  TestAndSetLock: [rule(0, "the lock word", upTo(2))],
  TicketLock: [sleepers(2)],
  McsLock: [rule(0, "TAIL", upTo(30)), rule(1, "HOLDER", upTo(30)), rule(2, "OVERFLOW", upTo(WAITERS_LIMIT))],
  Mutex: [rule(0, "STATE", upTo(7)), rule(1, "SPINNER", upTo(1)), ...QUEUE_RULES],
  RwSem: [rule(0, "COUNT", within(0x7fffff07)), rule(2, "POLICY", upTo(3)), ...QUEUE_RULES],
  Semaphore: [rule(0, "STATE", upTo(0x7fffffff)), ...QUEUE_RULES],
  Completion: [rule(0, "DONE", upTo(0x7fffffff)), sleepers(2)],
  Barrier: [rule(0, "PARTIES", upTo(4095)), sleepers(3)],
  WaitQueueHead: [sleepers(1), sleepers(3)],
  SeqCount: [sleepers(2)],
  SeqLock: [sleepers(2)], // its lock says for itself what it is, robust or not
  PerWorkerRwSem: [
    rule(0, "WORKERS", upTo(4096)),
    rule(1, "MODE", upTo(3)),
    rule(2, "BLOCK", upTo(1)),
    sleepers(5),
    sleepers(7),
    sleepers(9),
    rule(10, "TURN", upTo(1)),
  ],
  RcuDomain: [rule(0, "AGENTS_MAX", upTo(4096)), rule(4, "AGENTS_HIGH", upTo(4096))],
  SrcuDomain: [rule(0, "AGENTS_MAX", upTo(4096)), rule(4, "AGENTS_HIGH", upTo(4096))],
  ThreadRegistry: [rule(0, "AGENTS_MAX", upTo(1024))],
};

/** What is part of what: an object that its whole constructs on some of its own words. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  SeqLock: ["SeqCount", "SpinLock"],
  Mutex: ["TestAndSetLock"],
  RwSem: ["TestAndSetLock"],
  Semaphore: ["TestAndSetLock"],
};

/** An object this agent has seen constructed; words from the start of the buffer. */
interface Known {
  readonly kind: string;
  readonly first: number;
  readonly count: number;
}

/** Refuses to construct what cannot be there. */
export class AttachCheck {
  /** By word: the outermost object that has it. Of large objects only the first words are kept. */
  readonly #known: WeakMap<ArrayBufferLike, Map<number, Known>> = new WeakMap();

  /** For `setOnAttach`. */
  readonly check: AttachHook = (what, words, word, count) => {
    const rules = RULES[what];
    if (rules === undefined) return;
    for (const { offset, name, isValid } of rules) {
      if (word + offset >= words.length) continue;
      const value = Atomics.load(words, word + offset);
      if (!isValid(value)) throw refusal(what, word, `${name} at word ${word + offset} is ${value}`);
    }
    this.#remember(what, words, word, Math.min(count, KEPT_WORDS));
  };

  /** Forgets what begins in these words. */
  forget(words: Int32Array, word: number, count: number): void {
    const known = this.#known.get(words.buffer);
    if (known === undefined) return;
    const begin = absolute(words, word);
    for (let at = begin; at < begin + count; at++) {
      const object = known.get(at);
      if (object === undefined) continue;
      for (let each = object.first; each < object.first + object.count; each++) known.delete(each);
    }
  }

  #remember(kind: string, words: Int32Array, word: number, count: number): void {
    const known = this.#known.get(words.buffer) ?? new Map<number, Known>();
    this.#known.set(words.buffer, known);
    const object = { kind, first: absolute(words, word), count };
    for (let at = object.first; at < object.first + count; at++) {
      const other = known.get(at);
      if (other === undefined || isSame(other, object)) continue;
      if (isPart(other, object) || isPart(object, other)) continue;
      throw refusal(kind, word, `a ${other.kind} has been seen at word ${word + other.first - object.first}`);
    }
    for (let at = object.first; at < object.first + count; at++) {
      const other = known.get(at);
      if (other === undefined || !isPart(other, object)) known.set(at, object);
    }
  }
}

const KEPT_WORDS = 64;

/** Is `inner` one of the parts of `outer`? */
function isPart(outer: Known, inner: Known): boolean {
  const isInside = inner.first >= outer.first && inner.first + inner.count <= outer.first + outer.count;
  return isInside && PARTS[outer.kind]?.includes(inner.kind) === true;
}

/** A SpinLock is a QSpinLock by another name. */
function isSame(a: Known, b: Known): boolean {
  const nameOf = ({ kind }: Known) => (kind === "SpinLock" ? "QSpinLock" : kind);
  return a.first === b.first && nameOf(a) === nameOf(b);
}

function absolute(words: Int32Array, word: number): number {
  return words.byteOffset / Int32Array.BYTES_PER_ELEMENT + word;
}

function refusal(kind: string, word: number, why: string): SyncError {
  return new SyncError("EINVAL", `${kind}: the words at ${word} hold no ${kind}: ${why}`);
}
