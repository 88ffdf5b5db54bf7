// A stack of free nodes. One thread reads head and next, is overtaken, and finds the same head again although
// the list behind it has changed. The fix gives the head a version that every pop raises.
export interface FreeList {
  readonly words: Int32Array;
}

const HEAD = 0;
/** next of node n is word n; node 0 is none. */
const NODES = 3;
/** owned[n] is the number of threads that hold node n. */
const OWNED = 4;

function setup(): FreeList {
  const words = new Int32Array(new SharedArrayBuffer(4 * (OWNED + NODES + 1)));
  words[HEAD] = 1;
  words[1] = 2;
  words[2] = 3;
  return { words };
}

function own(words: Int32Array, node: number): void {
  if (node !== 0 && Atomics.add(words, OWNED + node, 1) !== 0) throw new Error(`node ${node} has two owners`);
}

type Pop = (words: Int32Array) => number;
type Push = (words: Int32Array, node: number) => void;

const pop: Pop = (words) => {
  for (;;) {
    const head = Atomics.load(words, HEAD);
    if (head === 0) return 0;
    const next = Atomics.load(words, head);
    if (Atomics.compareExchange(words, HEAD, head, next) === head) return head;
  }
};

const push: Push = (words, node) => {
  for (;;) {
    const head = Atomics.load(words, HEAD);
    Atomics.store(words, node, head);
    if (Atomics.compareExchange(words, HEAD, head, node) === head) return;
  }
};

/** Head in the low byte, version above. */
const popVersioned: Pop = (words) => {
  for (;;) {
    const head = Atomics.load(words, HEAD);
    const node = head & 255;
    if (node === 0) return 0;
    const next = Atomics.load(words, node);
    const replacement = ((head & ~255) + 256) | next;
    if (Atomics.compareExchange(words, HEAD, head, replacement) === head) return node;
  }
};

const pushVersioned: Push = (words, node) => {
  for (;;) {
    const head = Atomics.load(words, HEAD);
    Atomics.store(words, node, head & 255);
    if (Atomics.compareExchange(words, HEAD, head, (head & ~255) | node) === head) return;
  }
};

const taker =
  (take: Pop) =>
  ({ words }: FreeList): void =>
    own(words, take(words));

const recycler =
  (take: Pop, give: Push) =>
  ({ words }: FreeList): void => {
    const first = take(words);
    own(words, first);
    own(words, take(words));
    if (first === 0) return;
    Atomics.sub(words, OWNED + first, 1);
    give(words, first);
    own(words, take(words));
    own(words, take(words));
  };

export const broken = { setup, threads: [taker(pop), recycler(pop, push)] };
export const fixed = { setup, threads: [taker(popVersioned), recycler(popVersioned, pushVersioned)] };
