// RwSem: readers see both halves of what a writer writes, also if it goes on as a reader.
import type { Model } from "@faultline/interleave";
import { RwSem } from "@faultline/sync/rwsem";
import { expectWord, increment, type ModelPair, zeroed } from "./support.ts";

const LEFT = RwSem.WORDS;
const RIGHT = LEFT + 1;

type RwSemClass = new (words: Int32Array, word: number) => RwSem;
type Thread = (words: Int32Array, Kind: RwSemClass) => void;

const write: Thread = (words, Kind) => {
  const sem = new Kind(words, 0);
  sem.downWrite();
  increment(words, LEFT);
  increment(words, RIGHT);
  sem.upWrite();
};

const read: Thread = (words, Kind) => {
  const sem = new Kind(words, 0);
  sem.downRead();
  if (words[LEFT] !== words[RIGHT]) throw new Error("the reader sees half a write");
  sem.upRead();
};

/** What it wrote must still be there when it reads it, though other readers may be inside by then. */
const downgrade: Thread = (words, Kind) => {
  const sem = new Kind(words, 0);
  sem.downWrite();
  increment(words, LEFT);
  increment(words, RIGHT);
  const written = words[LEFT] as number;
  sem.downgradeWrite();
  expectWord(words, RIGHT, written, "what the thread wrote before the downgrade");
  sem.upRead();
};

const tryWrite: Thread = (words, Kind) => {
  const sem = new Kind(words, 0);
  if (!sem.downWrite({ timeoutMs: 5 })) return;
  increment(words, LEFT);
  increment(words, RIGHT);
  sem.upWrite();
};

function together(Kind: RwSemClass, ...threads: readonly Thread[]): Model<Int32Array> {
  return {
    setup: () => zeroed(RIGHT + 1),
    threads: threads.map((thread) => (words: Int32Array) => thread(words, Kind)),
    after: (words) => {
      const sem = new Kind(words, 0);
      sem.validate();
      if (!sem.tryDownWrite()) throw new Error(`not free although all have gone: ${sem}`);
      expectWord(words, RIGHT, words[LEFT] as number, "the second half");
    },
  };
}

/** Lets readers in on top of a writer. */
class AdmitsReaders extends RwSem {
  override downRead(): boolean {
    return true;
  }
  override upRead(): void {}
}

/** Lets go of everything and then comes back as a reader. */
class LetsGo extends RwSem {
  override downgradeWrite(): void {
    this.upWrite();
    this.downRead();
  }
}

/** Frees the count's bit and wakes nobody. */
class WakesNobody extends RwSem {
  readonly #given: Int32Array;
  constructor(words: Int32Array, word: number) {
    super(words, word);
    this.#given = words;
  }
  override upWrite(): void {
    Atomics.and(this.#given, 0, ~1);
  }
}

export const pairs: readonly ModelPair[] = [
  {
    name: "RwSem keeps a reader from a writer",
    sound: together(RwSem, read, write),
    broken: together(AdmitsReaders, read, write),
    finds: /nothing that orders them/,
  },
  {
    name: "RwSem keeps a writer from a writer",
    sound: together(RwSem, write, write),
    broken: together(WakesNobody, write, write),
    finds: /nobody wakes/,
  },
  {
    name: "RwSem, a writer that goes on as a reader",
    sound: together(RwSem, downgrade, write),
    broken: together(LetsGo, downgrade, write),
    finds: /before the downgrade/,
  },
  {
    name: "RwSem, with a writer that gives up",
    sound: together(RwSem, read, tryWrite),
    broken: together(AdmitsReaders, read, tryWrite),
    finds: /nothing that orders them/,
  },
  {
    name: "RwSem, two readers and a writer",
    sound: together(RwSem, read, write, read),
    broken: together(WakesNobody, read, write, read),
    finds: /nobody wakes/,
    limits: { bound: 2 },
    fullLimits: { bound: 3 },
  },
];
