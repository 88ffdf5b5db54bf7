// Those that wait for something to happen: Semaphore, Completion, Barrier.
import type { Model } from "@faultline/interleave";
import { Barrier } from "@faultline/sync/barrier";
import { Completion } from "@faultline/sync/completion";
import { Semaphore } from "@faultline/sync/semaphore";
import { increment, type ModelPair, zeroed } from "./support.ts";

type SemaphoreClass = new (words: Int32Array, word: number) => Semaphore;
type CompletionClass = new (words: Int32Array, word: number) => Completion;

/** A semaphore of one permit is a mutex. */
function permits(Kind: SemaphoreClass): Model<Int32Array> {
  const thread = (words: Int32Array): void => {
    const semaphore = new Kind(words, 0);
    semaphore.down();
    increment(words, Semaphore.WORDS);
    semaphore.up();
  };
  return {
    setup: () => {
      const words = zeroed(Semaphore.WORDS + 1);
      new Semaphore(words, 0).up();
      return words;
    },
    threads: [thread, thread],
    after: (words) => {
      const semaphore = new Semaphore(words, 0);
      semaphore.validate();
      if (semaphore.available !== 1) throw new Error(`${semaphore} has lost or won a permit`);
    },
  };
}

/** A permit given while the waiter gives up is had by it or is still there. */
function permitOrTimeout(Kind: SemaphoreClass): Model<Int32Array> {
  return {
    setup: () => zeroed(Semaphore.WORDS),
    threads: [(words) => new Kind(words, 0).down({ timeoutMs: 5 }), (words) => new Kind(words, 0).up()],
    after: (words, [isGot]) => {
      const semaphore = new Semaphore(words, 0);
      semaphore.validate();
      if (semaphore.available !== (isGot === true ? 0 : 1)) {
        throw new Error(`the permit is lost or doubled: ${semaphore}, down() said ${isGot}`);
      }
    },
  };
}

/** What is written before complete() is read after wait(). */
function message(Kind: CompletionClass): Model<Int32Array> {
  return {
    setup: () => zeroed(Completion.WORDS + 1),
    threads: [
      (words) => {
        words[Completion.WORDS] = 7;
        new Kind(words, 0).complete();
      },
      (words) => {
        new Kind(words, 0).wait();
        if (words[Completion.WORDS] !== 7) throw new Error("came through before it was complete");
      },
    ],
    after: (words) => new Completion(words, 0).validate(),
  };
}

/** Each writes a word before the barrier and reads the other's after it. */
function meeting(wait: (words: Int32Array) => unknown): Model<Int32Array> {
  const thread = (mine: number, other: number) => (words: Int32Array) => {
    words[Barrier.WORDS + mine] = 1;
    const outcome = wait(words);
    if (words[Barrier.WORDS + other] !== 1) throw new Error("passed before the other had arrived");
    return outcome;
  };
  return {
    setup: () => {
      const words = zeroed(Barrier.WORDS + 2);
      new Barrier(words, 0, 2).validate();
      return words;
    },
    threads: [thread(0, 1), thread(1, 0)],
    after: (words, outcomes) => {
      new Barrier(words, 0).validate();
      if (outcomes.filter((outcome) => outcome === "last").length !== 1) {
        throw new Error(`exactly one is the last, but they say ${outcomes}`);
      }
    },
  };
}

/** Looks once and takes later. */
class LooksThenTakes extends Semaphore {
  readonly #given: Int32Array;
  constructor(words: Int32Array, word: number) {
    super(words, word);
    this.#given = words;
  }
  override down(): boolean {
    if (this.available === 0) return super.down();
    Atomics.sub(this.#given, 0, 2);
    return true;
  }
}

/** Takes every wait for one that has timed out: the permit that ended it is dropped. */
class DropsTheGrant extends Semaphore {
  override down(options?: { readonly timeoutMs?: number }): boolean {
    if (this.tryDown()) return true;
    super.down(options);
    return false;
  }
}

/** Says that it is done and lets those sleep who sleep already. */
class CompletesInSilence extends Completion {
  readonly #given: Int32Array;
  constructor(words: Int32Array, word: number) {
    super(words, word);
    this.#given = words;
  }
  override complete(): void {
    Atomics.add(this.#given, 0, 1);
  }
}

/** Counts arrivals and does not wait. */
function arriveOnly(words: Int32Array): string {
  return Atomics.add(words, 1, 1) === 0 ? "passed" : "last";
}

export const pairs: readonly ModelPair[] = [
  {
    name: "Semaphore of one permit excludes",
    sound: permits(Semaphore),
    broken: permits(LooksThenTakes),
    finds: /nothing that orders them|lost or won/,
  },
  {
    name: "Semaphore, with a thread that gives up",
    sound: permitOrTimeout(Semaphore),
    broken: permitOrTimeout(DropsTheGrant),
    finds: /lost or doubled/,
  },
  {
    name: "Completion hands over what was written before it",
    sound: message(Completion),
    broken: message(CompletesInSilence),
    finds: /nobody wakes/,
  },
  {
    name: "Barrier keeps everybody until all are there",
    sound: meeting((words) => new Barrier(words, 0).wait()),
    broken: meeting(arriveOnly),
    finds: /nothing that orders them|before the other/,
  },
];
