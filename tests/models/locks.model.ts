// The exclusive locks: two threads count to two on a plain word, and nobody is asleep at the end.

import { Mutex } from "@faultline/sync/mutex";
import { SpinLock, TestAndSetLock } from "@faultline/sync/spinlock";
import { counting, givingUp } from "./lock-models.ts";
import { ALL, type ModelPair } from "./support.ts";

/** Frees the word for a moment before it is given back. */
class UnlocksTwice extends TestAndSetLock {
  override lock(options?: { readonly timeoutMs?: number }): boolean {
    const isGot = super.lock(options);
    if (isGot) Atomics.store(this.words, 0, 0);
    return isGot;
  }
  override unlock(): void {
    Atomics.store(this.words, 0, 0);
  }
}

/** Forgets, as the second comer, that the first one has to be waited for. */
class TakesPending extends SpinLock {
  override lock(): boolean {
    Atomics.or(this.words, 0, 1);
    return true;
  }
}

/** Looks, and then takes. */
class LooksThenTakes extends Mutex {
  override lock(options?: { readonly timeoutMs?: number }): boolean {
    if (this.isLocked) return super.lock(options);
    Atomics.or(this.words, 0, 1);
    return true;
  }
}

/** Gives the lock back without a look at those who wait. */
class WakesNobody extends Mutex {
  override unlock(): void {
    Atomics.and(this.words, 0, ~1);
  }
}

/** Says that it has given up, and is in the lock all the same. */
class ForgetsTheGrant extends TestAndSetLock {
  override lock(options?: { readonly timeoutMs?: number }): boolean {
    const isGot = super.lock(options);
    return isGot && (options === undefined || Atomics.load(this.words, 0) !== 2);
  }
}

export const pairs: readonly ModelPair[] = [
  {
    name: "TestAndSetLock excludes",
    sound: counting(TestAndSetLock),
    broken: counting(UnlocksTwice),
    finds: /nothing that orders them/,
  },
  {
    name: "TestAndSetLock, with a thread that gives up",
    sound: givingUp(TestAndSetLock),
    broken: givingUp(ForgetsTheGrant),
    finds: /held although all have gone|nobody wakes/,
  },
  {
    name: "SpinLock excludes",
    sound: counting(SpinLock),
    broken: counting(TakesPending),
    finds: /nothing that orders them/,
  },
  {
    name: "Mutex excludes",
    sound: counting(Mutex),
    broken: counting(LooksThenTakes),
    finds: /nothing that orders them/,
  },
  {
    name: "Mutex, with a thread that gives up",
    sound: givingUp(Mutex),
    broken: givingUp(WakesNobody),
    finds: /nobody wakes/,
  },
  {
    name: "TestAndSetLock excludes three",
    sound: counting(TestAndSetLock, 3),
    broken: counting(UnlocksTwice, 3),
    finds: /nothing that orders them/,
    limits: { bound: 2, full: ALL },
  },
  {
    name: "SpinLock excludes three",
    sound: counting(SpinLock, 3),
    broken: counting(TakesPending, 3),
    finds: /nothing that orders them/,
    limits: { bound: 2, full: ALL },
  },
  {
    name: "Mutex excludes three",
    sound: counting(Mutex, 3),
    broken: counting(WakesNobody, 3),
    finds: /nobody wakes/,
    limits: { bound: 2 },
  },
];
