// A consumer sleeps until there is an item. If it sleeps on another word than the one that it looked at, the
// item and its notify may come between the look and the sleep.
export interface Mailbox {
  readonly words: Int32Array;
}

const ITEM = 0;
const BELL = 1;

const setup = (): Mailbox => ({ words: new Int32Array(new SharedArrayBuffer(8)) });

const ringOnly = ({ words }: Mailbox): void => {
  Atomics.store(words, ITEM, 1);
  Atomics.notify(words, BELL);
};

const sleepOnBell = ({ words }: Mailbox): void => {
  while (Atomics.load(words, ITEM) === 0) Atomics.wait(words, BELL, 0);
};

const ring = ({ words }: Mailbox): void => {
  Atomics.store(words, ITEM, 1);
  Atomics.notify(words, ITEM);
};

const sleepOnItem = ({ words }: Mailbox): void => {
  while (Atomics.load(words, ITEM) === 0) Atomics.wait(words, ITEM, 0);
};

export const broken = { setup, threads: [sleepOnBell, ringOnly] };
export const fixed = { setup, threads: [sleepOnItem, ring] };
