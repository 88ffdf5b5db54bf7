/*
 * How the checks get to see every lock, although the locks know nothing of them.
 *
 * While the checks are on, the methods on the prototypes of the lock classes are replaced by ones that check,
 * call the original and keep the books; `restore` puts the originals back (patch.ts). So the shipped lock has no
 * field, no branch and no hook for it: with the checks off, the fast path is the same code as if this folder did
 * not exist. Guards and `withLock` call the methods by name and so are seen as well.
 *
 * What the package does inside is not the user's locking and must not drown his report:
 *   - An instrumented method calls its original `inside`; whatever that calls in turn (a try in a spin loop, the
 *     wait queue's own spinlock, the RCU section of a PerWorkerRwSem) goes straight through.
 *   - An async slow path goes on in later turns of the event loop. There it calls the wait queue's lock and
 *     unlock, which are wrapped to run inside, and it tries the lock after `waitForSlot` has said that there
 *     is room: that one try, which follows at once, is let through too.
 */
import { RobustRwSem } from "../rwsem/robust.ts";
import { SlotQueue } from "../rwsem/slot-queue.ts";
import { RwSem } from "../rwsem.ts";
import { WaitQueue } from "../wait-queue.ts";
import type { SlowPath } from "../waiting.ts";
import { type AsyncWaitOptions, deadlineOf, nowMs, type WaitOptions } from "../words.ts";
import type { ContentionEvent } from "./contention.ts";
import { FAMILIES, type Family, WAITS, type Wait } from "./families.ts";
import { type LockLike, placeOf } from "./lock-class.ts";
import type { LockEvents, SlowRun } from "./lock-events.ts";
import type { LockOrder, Wanted } from "./lock-order.ts";
import type { LockStat, StatMode } from "./lock-stat.ts";
import type { OwnerTable } from "./owner-table.ts";
import { method, type Patches } from "./patch.ts";
import { Site } from "./site.ts";

type Take = (this: LockLike, options?: WaitOptions) => boolean;
type TakeAsync = (this: LockLike, options?: AsyncWaitOptions) => Promise<boolean>;
type Release = (this: LockLike) => void;
type AnyWait = (this: LockLike, ...args: unknown[]) => unknown;
type AnyWaitAsync = (this: LockLike, ...args: unknown[]) => Promise<unknown>;

/** The books that are kept. */
export interface Books {
  readonly order: LockOrder;
  readonly stat: LockStat;
  readonly events: LockEvents;
  readonly owners: OwnerTable | undefined;
  readonly onContention: ((event: ContentionEvent) => void) | undefined;
}

/** What is wanted, and how it is written down. */
interface Wish extends Wanted {
  readonly flags: number;
  readonly statMode: StatMode;
}

/** A wait that has begun. */
interface Contention {
  readonly wish: Wish;
  readonly beginMs: number;
}

/** The instrumented locks of one agent, from construction until the patches are restored. */
export class Instrumentation {
  readonly #patches: Patches;
  readonly #books: Books;

  constructor(patches: Patches, books: Books) {
    this.#patches = patches;
    this.#books = books;
    for (const family of FAMILIES) this.#instrument(family);
    for (const wait of WAITS) this.#instrumentWait(wait);
    this.#instrumentDowngrade(RwSem.prototype, "RwSem");
    this.#instrumentDowngrade(RobustRwSem.prototype, "RobustRwSem");
    this.#instrumentQueue();
    books.events.install(patches);
  }

  #instrument(family: Family): void {
    const self = this;
    const { prototype } = family;
    const take = method<Take>(prototype, family.take);
    const tryTake =
      family.tryTake === undefined
        ? function (this: LockLike): boolean {
            return take.call(this, { timeoutMs: 0 });
          }
        : method<Take>(prototype, family.tryTake);
    if (family.tryTake !== undefined) this.#instrumentTry(family, family.tryTake, tryTake);
    this.#patches.replace<Take>(prototype, family.take, () => {
      return function (options) {
        if (self.#patches.isInside) return take.call(this, options);
        const wish = wishFor(family, this, family.take);
        if (options !== undefined) deadlineOf(wish.what, options); // a bad option comes before any report
        if (options?.timeoutMs === 0) return self.#try(wish, () => take.call(this, options));
        const run = self.#books.events.newRun(family.kind, family.mode, wish.place, false, this);
        return self.#take(
          wish,
          run,
          () => tryTake.call(this),
          () => take.call(this, options),
        );
      };
    });
    if (family.takeAsync !== undefined) this.#instrumentAsync(family, family.takeAsync);
    this.#instrumentRelease(family);
  }

  #instrumentTry(family: Family, name: string, tryTake: Take): void {
    const self = this;
    this.#patches.replace<Take>(family.prototype, name, () => {
      return function () {
        if (self.#isOwnTry()) return tryTake.call(this);
        return self.#try(wishFor(family, this, name), () => tryTake.call(this));
      };
    });
  }

  #instrumentAsync(family: Family, name: string): void {
    const self = this;
    this.#patches.replace<TakeAsync>(family.prototype, name, (takeAsync) => {
      return function (options) {
        if (self.#patches.isInside) return takeAsync.call(this, options);
        const wish = wishFor(family, this, name);
        const run = self.#books.events.newRun(family.kind, family.mode, wish.place, true, this);
        return self.#takeAsync(wish, run, () => takeAsync.call(this, options));
      };
    });
  }

  #instrumentRelease(family: Family): void {
    const self = this;
    this.#patches.replace<Release>(family.prototype, family.release, (release) => {
      return function () {
        if (self.#patches.isInside) release.call(this);
        else self.#release(family, wishFor(family, this, family.release), this, () => release.call(this));
      };
    });
  }

  #isOwnTry(): boolean {
    const isOwn = this.#patches.skipsTry || this.#patches.isInside;
    this.#patches.skipsTry = false;
    return isOwn;
  }

  #try(wish: Wish, attempt: () => boolean): boolean {
    if (!this.#patches.inside(attempt)) return false;
    this.#taken(wish, undefined, false, this.#books.order.task);
    return true;
  }

  #take(wish: Wish, run: SlowRun, attempt: () => boolean, take: () => boolean): boolean {
    const { order, events } = this.#books;
    order.beforeTake(wish, true);
    let waitedMs: number | undefined;
    if (!this.#patches.inside(attempt)) {
      const contention = this.#contended(wish);
      let isGot = false;
      try {
        isGot = this.#patches.inside(() => events.watch(run, take));
      } finally {
        events.ended(run, isGot);
        waitedMs = this.#uncontended(contention, isGot);
      }
      if (!isGot) return false;
    }
    this.#taken(wish, waitedMs, false, order.task);
    return true;
  }

  async #takeAsync(wish: Wish, run: SlowRun, take: () => Promise<boolean>): Promise<boolean> {
    const { order, events } = this.#books;
    const task = order.task;
    if (order.knowsTasks) order.beforeTake(wish, false);
    const promise = this.#patches.inside(() => events.watch(run, take));
    const [isGot, waitedMs] = await this.#settled(wish, promise, (got) => got);
    if (waitedMs !== undefined) events.ended(run, isGot);
    if (!isGot) return false;
    this.#taken(wish, waitedMs, !order.knowsTasks, task);
    return true;
  }

  /** Awaits the outcome, and keeps the books of the wait if there was one. @returns it and how long that took */
  async #settled<T>(
    wish: Wish,
    promise: Promise<T>,
    isGot: (outcome: T) => boolean,
  ): Promise<[T, number | undefined]> {
    const beginMs = nowMs();
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    // What is to be had at once is there before the call returns; the promise of what is not settles much later.
    for (let turn = 0; turn < 4 && !isSettled; turn++) await Promise.resolve();
    if (isSettled) return [await promise, undefined];
    const contention = { ...this.#contended(wish), beginMs };
    let got = false;
    try {
      const outcome = await promise;
      got = isGot(outcome);
      return [outcome, nowMs() - beginMs];
    } finally {
      this.#uncontended(contention, got);
    }
  }

  #release(family: Family, wish: Wish, lock: LockLike, release: () => void): void {
    const { order, stat, owners, events } = this.#books;
    const isUnknown = family.isPassedOn === true && !order.isHeld(wish.place, wish.mode);
    const held = isUnknown
      ? undefined
      : order.beforeRelease(wish, owners?.describe(wish.place.className) ?? "");
    const run = events.newRun(family.kind, family.mode, wish.place, false, lock);
    this.#patches.inside(() => events.watch(run, release));
    if (held === undefined) return;
    order.released(held);
    stat.released(held.place.className, held.mode, nowMs() - held.sinceMs);
  }

  #contended(wish: Wish): Contention {
    const { stat, owners, onContention } = this.#books;
    const { className } = wish.place;
    stat.contended(className, wish.statMode, wish.site.caller, owners?.isForeign(className) === true);
    onContention?.(eventOf("begin", wish, false, 0));
    return { wish, beginMs: nowMs() };
  }

  /** @returns how long the wait was */
  #uncontended({ wish, beginMs }: Contention, isGot: boolean): number {
    const waitedMs = nowMs() - beginMs;
    this.#books.onContention?.(eventOf("end", wish, isGot, waitedMs));
    return waitedMs;
  }

  #taken(wish: Wish, waitedMs: number | undefined, isLoose: boolean, task: unknown): void {
    const { order, stat, owners } = this.#books;
    const { className } = wish.place;
    stat.acquired(className, wish.statMode, waitedMs, owners?.taken(className) === true);
    order.taken(wish, nowMs(), isLoose, task);
  }

  /** Something that nobody holds is waited for: it may sleep, and the wait is counted. */
  #instrumentWait({ kind, prototype, wait, waitAsync, inVain }: Wait): void {
    const self = this;
    this.#patches.replace<AnyWait>(prototype, wait, (original) => {
      return function (...args) {
        if (self.#patches.isInside) return original.apply(this, args);
        const wish = waitWish(kind, this, wait);
        self.#books.order.beforeSleep(wish.what, wish.site);
        return self.#wait(wish, inVain, () => original.apply(this, args));
      };
    });
    this.#patches.replace<AnyWaitAsync>(prototype, waitAsync, (original) => {
      return async function (...args) {
        if (self.#patches.isInside) return await original.apply(this, args);
        const wish = waitWish(kind, this, waitAsync);
        const promise = self.#patches.inside(() => original.apply(this, args));
        const [outcome, waitedMs] = await self.#settled(wish, promise, (got) => got !== inVain);
        if (outcome !== inVain) self.#books.stat.acquired(wish.place.className, "wait", waitedMs, false);
        return outcome;
      };
    });
  }

  /** A condition is the user's code, so it is not run inside; a wait that has to sleep is a contended one. */
  #wait(wish: Wish, inVain: unknown, run: () => unknown): unknown {
    let contention: Contention | undefined;
    const was = this.#patches.beforeOwnSleep;
    this.#patches.beforeOwnSleep = () => {
      contention ??= this.#contended(wish);
    };
    let isGot = false;
    let waitedMs: number | undefined;
    try {
      const outcome = wish.what === "WaitQueueHead.waitFor" ? run() : this.#patches.inside(run);
      isGot = outcome !== inVain;
      return outcome;
    } finally {
      this.#patches.beforeOwnSleep = was;
      if (contention !== undefined) waitedMs = this.#uncontended(contention, isGot);
      if (isGot) this.#books.stat.acquired(wish.place.className, "wait", waitedMs, false);
    }
  }

  #instrumentDowngrade(prototype: object, kind: string): void {
    const self = this;
    const { order, stat, owners } = this.#books;
    this.#patches.replace<Release>(prototype, "downgradeWrite", (downgrade) => {
      return function () {
        const place = placeOf(this, kind);
        const what = `${kind}.downgradeWrite`;
        const site = new Site();
        const wanted: Wanted = { place, mode: "write", maySleep: false, what, site };
        const held = order.beforeRelease(wanted, owners?.describe(place.className) ?? "");
        self.#patches.inside(() => downgrade.call(this));
        if (held === undefined) return;
        const now = nowMs();
        order.downgraded(held, site, now);
        stat.released(place.className, "write", now - held.sinceMs);
        stat.acquired(place.className, "read", undefined, false);
      };
    });
  }

  #instrumentQueue(): void {
    const patches = this.#patches;
    for (const { prototype } of [WaitQueue, SlotQueue]) {
      for (const name of ["lock", "unlock"]) {
        patches.replace<(this: object) => void>(prototype, name, (original) => {
          return function () {
            patches.inside(() => original.call(this));
          };
        });
      }
    }
    patches.replace<(this: WaitQueue) => SlowPath>(WaitQueue.prototype, "waitForSlot", (original) => {
      return function* () {
        const hasRoom = yield* original.call(this);
        patches.skipsTry = hasRoom;
        // A semaphore of readers and writers does not try; what it did not use up is gone before any other code of this thread runs.
        if (hasRoom)
          void Promise.resolve().then(() => {
            patches.skipsTry = false;
          });
        return hasRoom;
      };
    });
  }
}

function wishFor(family: Family, lock: LockLike, name: string): Wish {
  const { kind, mode, maySleep, flags } = family;
  const place = placeOf(lock, kind);
  return { place, mode, maySleep, flags, statMode: mode, what: `${kind}.${name}`, site: new Site() };
}

function waitWish(kind: string, waited: LockLike, name: string): Wish {
  const place = placeOf(waited, kind);
  const what = `${kind}.${name}`;
  return { place, mode: "write", maySleep: true, flags: 0, statMode: "wait", what, site: new Site() };
}

function eventOf(
  phase: ContentionEvent["phase"],
  { place, what, flags }: Wish,
  isGot: boolean,
  waitedMs: number,
): ContentionEvent {
  return { phase, className: place.className, what, flags, isGot, waitedMs };
}
