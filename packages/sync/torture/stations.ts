/* What is done inside a lock, and what must hold there: nobody else is inside, and the two plain counters agree. */
import type { Actor } from "./actor.ts";
import type { Station } from "./words.ts";

/** A writer comes in. @returns what it does on its way out */
export function enterWrite(actor: Actor, name: string, at: Station): () => void {
  const { words } = actor;
  const me = actor.index + 1;
  actor.expect(Atomics.exchange(words, at.owner, me) === 0, `${name}: two writers inside`);
  actor.expect(Atomics.load(words, at.readers) === 0, `${name}: a writer beside readers`);
  actor.expect(words[at.before] === words[at.after], `${name}: a writer sees half a change`);
  words[at.before]++; // plain: the lock orders the two counters
  return () => {
    words[at.after]++;
    actor.expect(Atomics.exchange(words, at.owner, 0) === me, `${name}: somebody came in while it was held`);
    actor.count(`${name} written`);
  };
}

/** Writes, with `hold` between the two changes. */
export function write(actor: Actor, name: string, at: Station, hold: () => void): void {
  const leave = enterWrite(actor, name, at);
  hold();
  leave();
}

/** A reader comes in. @returns what it does on its way out */
export function enterRead(actor: Actor, name: string, at: Station): () => void {
  const { words } = actor;
  Atomics.add(words, at.readers, 1);
  const before = words[at.before];
  return () => {
    actor.expect(Atomics.load(words, at.owner) === 0, `${name}: a reader beside a writer`);
    actor.expect(words[at.before] === before, `${name}: written during a read`);
    actor.expect(words[at.after] === before, `${name}: a reader sees half a change`);
    Atomics.sub(words, at.readers, 1);
    actor.count(`${name} read`);
  };
}

/** Reads for a while. */
export function read(actor: Actor, name: string, at: Station): void {
  const leave = enterRead(actor, name, at);
  actor.holdAsleep();
  leave();
}
