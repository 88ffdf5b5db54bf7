// What a thread does second depends on what it has read first.
export const setup = (): Int32Array => new Int32Array(new SharedArrayBuffer(8));

const branch = (words: Int32Array): void => {
  if (Atomics.add(words, 0, 1) === 0) {
    Atomics.add(words, 1, 1);
  } else {
    Atomics.sub(words, 1, 1);
  }
};

const other = (words: Int32Array): void => {
  Atomics.or(words, 0, 1);
};

export const threads = [branch, other];
