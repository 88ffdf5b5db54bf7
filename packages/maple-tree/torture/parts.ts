/*
 * What a writer and a reader do to a tree under torture, and in rcu.stress.test.ts. Each runs without the event
 * loop until the stop word is set. See self-describing.ts for what is right.
 */
import { MapleError, type SharedMapleTree } from "@faultline/maple-tree";
import { lookupSteps, removeGracePeriod } from "@faultline/maple-tree/testing";
import {
  type Answer,
  BLOCK,
  CLOCK,
  describe,
  isRight,
  random,
  Signal,
  SPACE,
  type Task,
  zoneOf,
} from "../test/self-describing.ts";

const WRONG_SHOWN = 5;

/** Is everybody to come to an end? */
export function isStopped({ arena }: SharedMapleTree, task: Task): boolean {
  return Atomics.load(arena.i32, task.signals + Signal.Stop) !== 0;
}

/** What an address space does to its tree of VMAs, mostly small ranges, a few wide ones. */
export function write(tree: SharedMapleTree, task: Task): Answer {
  const { arena } = tree;
  if (task.noGracePeriod) removeGracePeriod(tree);
  const below = random(task.seed);
  const churnPair = (): number => (4 * below(16) + 1) * BLOCK;
  const stores = [
    // mprotect of a part of what is always mapped: the old entry or the new one, never a hole.
    () => {
      const from = 4 * below(16) * BLOCK + below(BLOCK);
      const to = Math.min(from + below(40), from - (from % BLOCK) + BLOCK - 1);
      tree.storeRange(from, to, describe(from, to));
    },
    // mmap where there is room.
    () => {
      const pair = churnPair();
      const size = 1 + below(24);
      const first = tree.findGap({ size, min: pair, max: pair + 2 * BLOCK - 1 });
      tree.insertRange(first, first + size - 1, describe(first, first + size - 1));
    },
    // mmap at a fixed place.
    () => {
      const first = churnPair() + below(2 * BLOCK - 64);
      const last = first + below(64);
      tree.storeRange(first, last, describe(first, last));
    },
    // munmap of a range, over the edges of leaves now and then.
    () => {
      const first = churnPair() + below(2 * BLOCK - 64);
      tree.storeRange(first, first + below(64), 0);
    },
    // munmap of one mapping.
    () => tree.erase(churnPair() + below(2 * BLOCK)),
    () => {
      const now = Atomics.load(arena.i32, task.signals + Signal.Clock) + 1;
      tree.storeRange(CLOCK, CLOCK, now);
      Atomics.store(arena.i32, task.signals + Signal.Clock, now);
    },
    // munmap of hundreds of mappings.
    () => {
      if (below(32) > 0) return;
      const first = churnPair() + below(BLOCK);
      tree.storeRange(first, first + below(BLOCK), 0);
    },
  ];
  const wrong: string[] = [];
  let operations = 0;
  while (!isStopped(tree, task)) {
    try {
      stores[below(stores.length)]!();
    } catch (error) {
      const code = error instanceof MapleError ? error.code : "";
      if (code !== "EBUSY" && code !== "ENOMEM") {
        wrong.push(String(error));
        break;
      }
      // A reader that stands still in a section, on a busy machine, leaves the writer nothing to build with.
      if (code === "ENOMEM") arena.rcu.synchronize();
    }
    operations++;
    Atomics.add(arena.i32, task.signals + Signal.Writes, 1);
  }
  return { operations, wrong };
}

/** Looks wherever it likes, in every way there is, and judges each answer by itself. */
export function read(tree: SharedMapleTree, task: Task): Answer {
  const { arena } = tree;
  const below = random(task.seed);
  const wrong: string[] = [];
  let clockSeen = 0;
  const judge = (what: string, first: number, last: number, entry: number): void => {
    if (isRight(first, last, entry)) return;
    wrong.push(`${what}: ${first}..${last} is ${entry} in a ${zoneOf(first)} block`);
  };
  const place = (): number => below(SPACE - 1);
  const windowFrom = (from: number): number => Math.min(from + 400, SPACE - 2);
  /** Judges ranges that come one behind the other, from the one of `from` on: none twice, no pinned one left out. */
  const inOrder = (what: string, from: number): ((first: number, last: number, entry: number) => void) => {
    let behind = -1;
    return (first, last, entry) => {
      if (first <= behind) wrong.push(`${what}: ${first} comes behind ${behind}`);
      else if (first > Math.max(from, behind + 1) && zoneOf(first - 1) === "pinned") {
        wrong.push(`${what}: nothing at ${first - 1}`);
      }
      if (first !== CLOCK) judge(what, first, last, entry);
      behind = last;
    };
  };
  const reads = [
    () => {
      for (let i = 0; i < 32; i++) {
        const index = place();
        judge("load", index, index, tree.load(index));
      }
    },
    () => {
      const index = place();
      const { first, last, entry } = tree.entryAt(index);
      if (first > index || last < index) wrong.push(`entryAt: ${index} is not in ${first}..${last}`);
      if (entry !== 0) judge("entryAt", first, last, entry);
      else judge("entryAt", index, index, 0);
    },
    () => {
      const index = place();
      const found = tree.find(index);
      if (found === undefined || found.last < index) wrong.push(`find(${index}): ${found?.first}..`);
      else if (found.first !== CLOCK) judge("find", found.first, found.last, found.entry);
      if (zoneOf(index) === "pinned" && found !== undefined && found.first > index) {
        wrong.push(`find(${index}): goes on at ${found.first}`);
      }
    },
    () => {
      const from = place();
      const visit = inOrder("entries", from);
      for (const { first, last, entry } of tree.entries(from, windowFrom(from))) visit(first, last, entry);
    },
    () => {
      const from = place();
      tree.forEachRange(from, windowFrom(from), inOrder("forEachRange", from));
    },
    () => {
      const from = place();
      const visit = inOrder("scan", from);
      const scan = tree.scan(from, windowFrom(from), 1 + below(200));
      while (scan.next() > 0) {
        for (let i = 0; i < scan.count; i++) visit(scan.first[i]!, scan.last[i]!, scan.entry[i]!);
      }
    },
    () => {
      const indices = Array.from({ length: 32 }, place);
      const entries = tree.loadMany(indices);
      for (const [i, index] of indices.entries()) judge("loadMany", index, index, entries[i]!);
    },
    () => {
      const stored = Atomics.load(arena.i32, task.signals + Signal.Clock);
      const clock = tree.load(CLOCK);
      if (clock < stored || clock < clockSeen) wrong.push(`clock: ${clock} after ${stored} and ${clockSeen}`);
      clockSeen = clock;
    },
    // A reader that dallies after each load, so that much can happen behind its back in one look-up.
    () => {
      const index = place();
      arena.rcu.readLock();
      try {
        judge("slow load", index, index, slowLoad(tree, task, index));
      } finally {
        arena.rcu.readUnlock();
      }
    },
    // A long section, in which nodes seen at its start must stay what they are.
    () => {
      arena.rcu.readLock();
      try {
        const cursor = tree.cursor(place());
        for (let i = 0; i < 40; i++) {
          const entry = cursor.next(SPACE - 2);
          if (entry === 0) break;
          if (cursor.index !== CLOCK) judge("next", cursor.index, cursor.last, entry);
        }
      } finally {
        arena.rcu.readUnlock();
      }
    },
  ];
  let operations = 0;
  while (!isStopped(tree, task) && wrong.length < WRONG_SHOWN) {
    try {
      reads[below(reads.length)]!();
    } catch (error) {
      // A word that is no node leads outside the arena.
      wrong.push(String(error));
    }
    operations++;
    Atomics.add(arena.i32, task.signals + Signal.Reads, 1);
  }
  // A wrong answer is all that was to be seen: everybody stops.
  if (wrong.length > 0) Atomics.store(arena.i32, task.signals + Signal.Stop, 1);
  return { operations, wrong };
}

/** Loads, with about a microsecond between one load and the next. */
function slowLoad(tree: SharedMapleTree, task: Task, index: number): number {
  const { arena } = tree;
  const steps = lookupSteps(tree, index);
  let next = steps.next();
  for (; !next.done; next = steps.next()) {
    for (let spins = 0; spins < 100; spins++) Atomics.load(arena.i32, task.signals + Signal.Stop);
  }
  return next.value;
}
