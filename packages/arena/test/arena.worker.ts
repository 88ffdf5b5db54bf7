/*
 * The other agents of arena.stress.test.ts. Each task runs to its end without the event loop and answers with
 * one message; what it finds wrong is the message.
 */
import { parentPort, workerData } from "node:worker_threads";
import { Arena, type ArenaHandle, type SlabCache } from "@faultline/arena";
import { DEAD, OBJECT_WORDS, PUBLISHED, SECTION, STARTED, STOP } from "./signals.ts";

/** What a worker is to do, with which arena. */
export interface Task {
  readonly kind: "pattern" | "hold-section" | "read-published";
  readonly handle: ArenaHandle;
  /** First of 16 words for signals between the test and its workers. */
  readonly signals: number;
  readonly id: number;
  readonly rounds: number;
}

/** Allocates, writes its own pattern, verifies it before freeing one way or the other. */
function pattern(arena: Arena, cache: SlabCache, { id, rounds, signals }: Task): string {
  Atomics.add(arena.i32, signals + STARTED, 1);
  Atomics.notify(arena.i32, signals + STARTED);
  Atomics.wait(arena.i32, signals + STARTED, 1);
  const mine: number[] = [];
  let random = id * 7919;
  for (let round = 0; round < rounds; round++) {
    random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
    if (mine.length < 200 && (random >> 8) % 5 < 3) {
      const word = cache.alloc();
      arena.ensure(word);
      arena.i32.fill(id * 1_000_000 + word, word, word + OBJECT_WORDS);
      mine.push(word);
    } else if (mine.length > 0) {
      const [word] = mine.splice((random >> 8) % mine.length, 1) as [number];
      const { i32 } = arena;
      for (let i = 0; i < OBJECT_WORDS; i++) {
        if (i32[word + i] !== id * 1_000_000 + word) return `word ${i} of object ${word} is ${i32[word + i]}`;
      }
      if (random & 64) cache.free(word);
      else cache.freeDeferred(word);
    }
    if (round % 1000 === 0) cache.reserve(round % 7);
  }
  for (const word of mine) cache.free(word);
  arena.close();
  return "ok";
}

/** Opens a read section, says so, and closes it on demand. */
function holdSection(arena: Arena, _: SlabCache, { signals }: Task): string {
  arena.rcu.readLock();
  Atomics.store(arena.i32, signals + SECTION, 1);
  Atomics.notify(arena.i32, signals + SECTION);
  Atomics.wait(arena.i32, signals + SECTION, 1);
  arena.rcu.readUnlock();
  arena.close();
  return "ok";
}

/**
 * Reads the published object over and over. Inside one section its words 3 and up must all name the object
 * itself, also if it has been marked dead and deferred meanwhile; in debug mode a reclaimed one is poison.
 */
function readPublished(arena: Arena, _: SlabCache, { signals }: Task): string {
  Atomics.add(arena.i32, signals + STARTED, 1);
  let reads = 0;
  let answer = "";
  while (answer === "" && Atomics.load(arena.i32, signals + STOP) === 0) {
    arena.rcu.readLock();
    const word = Atomics.load(arena.i32, signals + PUBLISHED);
    arena.ensure(word);
    const { i32 } = arena;
    for (let again = 0; again < 20; again++) {
      const mark = i32[word];
      if (mark !== 0 && mark !== DEAD) answer = `word 0 of object ${word} is ${mark}`;
      for (let i = 3; i < OBJECT_WORDS; i++) {
        if (i32[word + i] !== word) answer = `word ${i} of object ${word} is ${i32[word + i]}`;
      }
    }
    reads++;
    arena.rcu.readUnlock();
  }
  arena.close();
  return answer || (reads > 0 ? "ok" : "never read");
}

const task = workerData as Task;
const arena = Arena.attach(task.handle);
const cache = arena.cache({ name: "object", objectWords: OBJECT_WORDS });
const run = { pattern, "hold-section": holdSection, "read-published": readPublished }[task.kind];
parentPort?.postMessage(run(arena, cache, task));
