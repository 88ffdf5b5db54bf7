/*
 * A tree whose entries are words of objects, and the two who use it: one writer, any number of readers.
 *
 * The index space is BLOCKS blocks of BLOCK_SIZE indices. Every index is always mapped. An object says in its
 * words for which block and in which round it was made, so a reader can judge whatever it finds: another
 * block's object was found in the wrong place or had been freed and used again, and rounds never go back.
 * The writer frees an object after a grace period, so inside one read section it stays what it was.
 */
import { Arena } from "@faultline/arena";
import { SharedMapleTree } from "@faultline/maple-tree";
import { signal, Word } from "./shared.mjs";

export const BLOCKS = 48;
export const BLOCK_SIZE = 16;

/** Words of an object. freeDeferred overwrites words 1 and 2, and free() more: our own words come after. */
const Field = { Block: 3, Round: 4, Check: 5 };
const OBJECT_WORDS = 8;
const CACHE = { name: "entry", objectWords: OBJECT_WORDS };

/** Words for signals, in a buffer of their own. */
export const TreeSignal = { Readers: 0, Done: 1, WORDS: 2 };

/** A filled tree in a new shared arena. */
export function createTree() {
  const arena = Arena.create({ shared: true, bytes: 1 << 16 });
  const tree = SharedMapleTree.create(arena, { gaps: true });
  for (let block = 0; block < BLOCKS; block++) {
    tree.storeRange(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE - 1, newObject(arena, block, 0));
  }
  return tree;
}

function newObject(arena, block, round) {
  const word = arena.cache(CACHE).alloc();
  // Plain stores: nobody sees the object before it is published in the tree.
  arena.i32[word + Field.Block] = block;
  arena.i32[word + Field.Round] = round;
  arena.i32[word + Field.Check] = block ^ round;
  return word;
}

/**
 * Every round replaces one block: by one object in one range, or by one object a half.
 * What was there is freed, after a grace period unless the mistake is planted.
 */
export function writeTree({ handle, signals, readers, rounds, isPlanted }) {
  const tree = SharedMapleTree.open(handle);
  const { arena } = tree;
  const cache = arena.cache(CACHE);
  const free = (word) => (isPlanted ? cache.free(word) : cache.freeDeferred(word));
  while (Atomics.load(signals, TreeSignal.Readers) < readers) {
    Atomics.wait(signals, TreeSignal.Readers, Atomics.load(signals, TreeSignal.Readers));
  }
  for (let round = 1; round <= rounds; round++) {
    const block = (round * 7) % BLOCKS;
    const first = block * BLOCK_SIZE;
    const last = first + BLOCK_SIZE - 1;
    const old = new Set([tree.load(first), tree.load(last)]);
    const middle = first + (round % 3 === 0 ? BLOCK_SIZE : BLOCK_SIZE / 2);
    tree.storeRange(first, middle - 1, newObject(arena, block, round));
    if (middle <= last) tree.storeRange(middle, last, newObject(arena, block, round));
    for (const word of old) free(word);
    cache.reclaim();
  }
  Atomics.store(signals, TreeSignal.Done, 1);
  arena.close();
  return rounds;
}

/** Holds the tree's lock until it is told to let go. */
export function holdTree({ handle, words }) {
  const tree = SharedMapleTree.open(handle);
  tree.locked(() => {
    signal(words, Word.Held);
    Atomics.wait(words, Word.Release, 0);
  });
  tree.arena.close();
}

/** Reads until the writer is done, or something is wrong. @returns how many look-ups were made and the first that were wrong */
export function readTree({ handle, signals }) {
  const tree = SharedMapleTree.open(handle);
  const judge = new Judge(tree);
  Atomics.add(signals, TreeSignal.Readers, 1);
  Atomics.notify(signals, TreeSignal.Readers);
  while (Atomics.load(signals, TreeSignal.Done) === 0 && judge.wrong.length === 0) judge.readOnce();
  tree.arena.close();
  return judge.result;
}

/** A reader and its memory of what it has seen. */
export class Judge {
  #tree;
  #rounds = new Int32Array(BLOCKS * BLOCK_SIZE);
  #reads = 0;
  wrong = [];

  constructor(tree) {
    this.#tree = tree;
  }

  get result() {
    return { reads: this.#reads, wrong: this.wrong.slice(0, 5) };
  }

  /** One look-up somewhere, or one pass over all of it, and a second look at the object in the same section. */
  readOnce() {
    const { rcu } = this.#tree.arena;
    const index = (this.#reads++ * 31) % (BLOCKS * BLOCK_SIZE);
    rcu.readLock();
    try {
      if (this.#reads % 64 === 0) this.#pass();
      else this.#look(index, this.#tree.load(index));
    } finally {
      rcu.readUnlock();
    }
  }

  #pass() {
    let next = 0;
    for (const { first, last, entry } of this.#tree.entries(0, BLOCKS * BLOCK_SIZE - 1)) {
      if (first > next) this.wrong.push(`${next}..${first - 1} is empty`);
      this.#look(Math.max(first, next), entry);
      next = last + 1;
    }
    if (next < BLOCKS * BLOCK_SIZE) this.wrong.push(`nothing from ${next} on`);
  }

  #look(index, entry) {
    if (entry === 0) {
      this.wrong.push(`${index} is empty`);
      return;
    }
    const [block, round] = this.#fields(entry);
    if (block !== Math.floor(index / BLOCK_SIZE)) this.wrong.push(`${index} has an object of block ${block}`);
    if (round < this.#rounds[index]) this.wrong.push(`${index}: round ${round} after ${this.#rounds[index]}`);
    this.#rounds[index] = round;
    // The section is open: what the object says may not change, however long we look.
    for (let again = 0; again < 20; again++) {
      const [blockNow, roundNow] = this.#fields(entry);
      if (blockNow === block && roundNow === round) continue;
      this.wrong.push(
        `${index}: block ${block} round ${round} became ${blockNow}, ${roundNow} under a reader`,
      );
      return;
    }
  }

  #fields(word) {
    // The writer may have made the object in words that were added after our last look.
    this.#tree.arena.ensure(word);
    const { i32 } = this.#tree.arena;
    const [block, round, check] = [Field.Block, Field.Round, Field.Check].map((at) => i32[word + at]);
    if (check !== (block ^ round)) this.wrong.push(`object ${word} is torn: ${block}, ${round}, ${check}`);
    return [block, round];
  }
}
