/*
 * Turns over RcuDomain, in the manner of rcutorture: an element is published, replaced, and after a grace
 * period marked as gone. A reader must never see the mark on an element it found in its section.
 *
 * Elements pass from hand to hand: who replaces one owns it from then on, and reuses it after the grace
 * period. Its generation word is even while it may be read, odd while it is gone.
 */
import type { RcuDomain } from "../src/index.ts";
import type { Actor } from "./actor.ts";
import { CURRENT, ELEMENTS_EACH, elementWord } from "./words.ts";

type Wait = "synchronize" | "waitCookie" | "poll" | "call";
const WAITS: readonly Wait[] = ["synchronize", "waitCookie", "poll", "call"];

/** One thread's part in the domain. */
export class RcuPart {
  readonly #actor: Actor;
  readonly #rcu: RcuDomain;
  readonly #isBroken: boolean;
  /** Elements this thread owns and nobody can see. */
  readonly #free: number[];

  /** @param isBroken - grace periods end at once, which readers must notice */
  constructor(actor: Actor, rcu: RcuDomain, isBroken: boolean) {
    this.#actor = actor;
    this.#rcu = rcu;
    this.#isBroken = isBroken;
    // Element 0 is the one that is published first.
    this.#free = Array.from({ length: ELEMENTS_EACH }, (_, i) => 1 + actor.index * ELEMENTS_EACH + i);
  }

  /** One turn: mostly a read section. */
  turn(): void {
    if (this.#actor.oneIn(4)) this.#replace();
    else this.#read();
  }

  /** Waits for the callbacks of this thread. */
  finish(): void {
    this.#rcu.barrier();
    this.#actor.expect(this.#rcu.pendingCallbacks === 0, "RcuDomain: a callback is left after barrier");
    this.#actor.expect(this.#free.length > 0, "RcuDomain: elements are lost");
  }

  #read(): void {
    const actor = this.#actor;
    const isNested = actor.oneIn(3);
    this.#rcu.readLock();
    if (isNested) this.#rcu.readLock();
    const word = elementWord(Atomics.load(actor.words, CURRENT));
    const generation = Atomics.load(actor.words, word);
    if (isNested) this.#rcu.readUnlock();
    actor.holdAsleep();
    const isSame = Atomics.load(actor.words, word) === generation;
    actor.expect(generation % 2 === 0, "RcuDomain: a reader found an element that was gone");
    actor.expect(isSame, "RcuDomain: a grace period ended before a section that saw the element");
    this.#rcu.readUnlock();
    actor.count(isNested ? "RcuDomain nested sections" : "RcuDomain sections");
  }

  #replace(): void {
    const actor = this.#actor;
    const fresh = this.#free.pop();
    if (fresh === undefined) {
      this.#rcu.barrier();
      actor.count("RcuDomain barriers");
      return;
    }
    const word = elementWord(fresh);
    Atomics.store(actor.words, word, (Atomics.load(actor.words, word) + 1) & ~1);
    const old = Atomics.exchange(actor.words, CURRENT, fresh);
    const wait = WAITS[actor.roll(WAITS.length)];
    actor.count(`RcuDomain ${wait}`);
    this.#afterGracePeriod(wait, () => {
      Atomics.add(actor.words, elementWord(old), 1);
      this.#free.push(old);
    });
  }

  #afterGracePeriod(wait: Wait, retire: () => void): void {
    const rcu = this.#rcu;
    if (wait === "call" && !this.#isBroken) {
      rcu.call(retire);
      rcu.runCallbacks();
      return;
    }
    if (!this.#isBroken) {
      const cookie = rcu.cookie();
      if (wait === "synchronize") rcu.synchronize();
      else if (wait === "waitCookie") rcu.waitCookie(cookie);
      else while (!rcu.poll(cookie));
    }
    retire();
  }
}
