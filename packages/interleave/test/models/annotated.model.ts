// One race that is said to be intended, one annotation that nothing comes of, one that cannot be read, and
// operations that are never reached. The tests name the lines.
const COUNT = 0;
const HINT = 1;

export const setup = (): Int32Array => new Int32Array(new SharedArrayBuffer(8));

function hint(words: Int32Array): number {
  return words[HINT]!; // interleave: intended race - a hint, wrong at worst
}

function guess(words: Int32Array): void {
  // interleave: intended race - any of the two guesses will do
  words[HINT] = 1;
}

function never(words: Int32Array): void {
  Atomics.store(words, COUNT, 7); /* interleave: intended race */
  if (words[HINT] === 3) {
    Atomics.notify(words, COUNT);
    words[COUNT] = 0; // interleave: intended race - nobody comes here
  }
}

const counter = (words: Int32Array): void => {
  hint(words);
  guess(words);
  if (Atomics.add(words, COUNT, 1) > 5) never(words);
};

export const threads = [counter, counter];

/** The same race where nobody says that it is meant. */
const careless = (words: Int32Array): void => {
  words[HINT] = 2;
};
export const unannotated = { setup, threads: [counter, careless] };

/** Not in a thread, but it is reached. */
export function after(words: Int32Array): void {
  if (words[COUNT] !== 2) throw new Error("lost");
}
