/*
 * How the checks get to see every lock, although the locks know nothing of them.
 *
 * While the checks are on, the methods on the prototypes of the lock classes are replaced by ones that check,
 * call the original and keep the books; `restore` puts the originals back. So the shipped lock has no field,
 * no branch and no hook for it: with the checks off, the fast path is the same code as if this folder did not
 * exist. Guards and `withLock` call the methods by name and so are seen as well.
 *
 * What the package does inside is not the user's locking and must not drown his report:
 *   - An instrumented method calls its original with `#isInside` set; whatever that calls in turn (a try in a
 *     spin loop, the wait queue's own spinlock) goes straight through.
 *   - An async slow path goes on in later turns of the event loop. There it calls the wait queue's lock and
 *     unlock, which are wrapped to run inside, and it tries the lock after `waitForSlot` has said that there
 *     is room: that one try, which follows at once, is let through too.
 *   - The callbacks that `synchronize` runs are the user's code, so it is not run inside; only the
 *     `waitCookie` it makes is not checked a second time.
 */
import { Mutex } from "../mutex.ts";
import { RcuDomain } from "../rcu.ts";
import { RobustMutex } from "../robust/mutex.ts";
import { RobustSpinLock } from "../robust/spin-lock.ts";
import { RobustRwSem } from "../rwsem/robust.ts";
import { SlotQueue } from "../rwsem/slot-queue.ts";
import { RwSem } from "../rwsem.ts";
import { SpinLock } from "../spinlock.ts";
import { WaitQueue } from "../wait-queue.ts";
import type { SlowPath } from "../waiting.ts";
import { type AsyncWaitOptions, deadlineOf, nowMs, type WaitOptions } from "../words.ts";
import { type LockLike, placeOf } from "./lock-class.ts";
import type { LockMode, LockOrder, Wanted } from "./lock-order.ts";
import type { LockStat } from "./lock-stat.ts";
import { Site } from "./site.ts";

type Take = (this: LockLike, options?: WaitOptions) => boolean;
type TakeAsync = (this: LockLike, options?: AsyncWaitOptions) => Promise<boolean>;
type Release = (this: LockLike) => void;

/** The four methods by which a class takes and gives back a lock in one mode. */
interface Family {
  readonly kind: string;
  readonly prototype: object;
  readonly mode: LockMode;
  readonly maySleep: boolean;
  readonly take: string;
  readonly tryTake: string;
  readonly takeAsync: string;
  readonly release: string;
}

const EXCLUSIVE = {
  mode: "write",
  take: "lock",
  tryTake: "tryLock",
  takeAsync: "lockAsync",
  release: "unlock",
} as const;

/** Every lock class of the package; a new one is a row here. */
const FAMILIES: readonly Family[] = [
  { kind: "SpinLock", prototype: SpinLock.prototype, maySleep: false, ...EXCLUSIVE },
  { kind: "Mutex", prototype: Mutex.prototype, maySleep: true, ...EXCLUSIVE },
  { kind: "RobustSpinLock", prototype: RobustSpinLock.prototype, maySleep: false, ...EXCLUSIVE },
  { kind: "RobustMutex", prototype: RobustMutex.prototype, maySleep: true, ...EXCLUSIVE },
  {
    kind: "RwSem",
    prototype: RwSem.prototype,
    mode: "read",
    maySleep: true,
    take: "downRead",
    tryTake: "tryDownRead",
    takeAsync: "downReadAsync",
    release: "upRead",
  },
  {
    kind: "RwSem",
    prototype: RwSem.prototype,
    mode: "write",
    maySleep: true,
    take: "downWrite",
    tryTake: "tryDownWrite",
    takeAsync: "downWriteAsync",
    release: "upWrite",
  },
  {
    kind: "RobustRwSem",
    prototype: RobustRwSem.prototype,
    mode: "read",
    maySleep: true,
    take: "downRead",
    tryTake: "tryDownRead",
    takeAsync: "downReadAsync",
    release: "upRead",
  },
  {
    kind: "RobustRwSem",
    prototype: RobustRwSem.prototype,
    mode: "write",
    maySleep: true,
    take: "downWrite",
    tryTake: "tryDownWrite",
    takeAsync: "downWriteAsync",
    release: "upWrite",
  },
];

/** The instrumented methods of one agent, from construction to `restore`. */
export class Instrumentation {
  readonly #order: LockOrder;
  readonly #stat: LockStat;
  readonly #undo: (() => void)[] = [];
  #isInside = false;
  /** The next try is the package's own; see the top of the file. */
  #skipsTry = false;
  #skipsWaitCheck = false;

  constructor(order: LockOrder, stat: LockStat) {
    this.#order = order;
    this.#stat = stat;
    for (const family of FAMILIES) this.#instrument(family);
    this.#instrumentDowngrade(RwSem.prototype, "RwSem");
    this.#instrumentDowngrade(RobustRwSem.prototype, "RobustRwSem");
    this.#instrumentQueue();
    this.#instrumentRcu();
  }

  /** Puts every original back. */
  restore(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }

  #instrument(family: Family): void {
    const self = this;
    const { prototype, mode, maySleep } = family;
    const wanted = (lock: LockLike, method: string): Wanted => {
      const what = `${family.kind}.${method}`;
      return { place: placeOf(lock, family.kind), mode, maySleep, what, site: new Site() };
    };
    const tryTake = method<Take>(prototype, family.tryTake);
    const release = method<Release>(prototype, family.release);
    this.#replace<Take>(prototype, family.tryTake, () => {
      return function () {
        if (self.#isOwnTry()) return tryTake.call(this);
        return self.#try(wanted(this, family.tryTake), () => tryTake.call(this));
      };
    });
    this.#replace<Take>(prototype, family.take, (take) => {
      return function (options) {
        if (self.#isInside) return take.call(this, options);
        const want = wanted(this, family.take);
        if (options !== undefined) deadlineOf(want.what, options); // a bad option comes before any report
        if (options?.timeoutMs === 0) return self.#try(want, () => take.call(this, options));
        return self.#take(
          want,
          () => tryTake.call(this),
          () => take.call(this, options),
        );
      };
    });
    this.#replace<TakeAsync>(prototype, family.takeAsync, (takeAsync) => {
      return function (options) {
        if (self.#isInside) return takeAsync.call(this, options);
        return self.#takeAsync(wanted(this, family.takeAsync), () => takeAsync.call(this, options));
      };
    });
    this.#replace<Release>(prototype, family.release, () => {
      return function () {
        if (self.#isInside) release.call(this);
        else self.#release(wanted(this, family.release), () => release.call(this));
      };
    });
  }

  #isOwnTry(): boolean {
    const isOwn = this.#skipsTry || this.#isInside;
    this.#skipsTry = false;
    return isOwn;
  }

  #try(wanted: Wanted, attempt: () => boolean): boolean {
    if (!this.#inside(attempt)) return false;
    this.#taken(wanted, undefined, false, this.#order.task);
    return true;
  }

  #take(wanted: Wanted, attempt: () => boolean, take: () => boolean): boolean {
    this.#order.beforeTake(wanted, true);
    let waitedMs: number | undefined;
    if (!this.#inside(attempt)) {
      this.#contended(wanted);
      const beginMs = nowMs();
      if (!this.#inside(take)) return false;
      waitedMs = nowMs() - beginMs;
    }
    this.#taken(wanted, waitedMs, false, this.#order.task);
    return true;
  }

  async #takeAsync(wanted: Wanted, take: () => Promise<boolean>): Promise<boolean> {
    const order = this.#order;
    const task = order.task;
    if (order.knowsTasks) order.beforeTake(wanted, false);
    const beginMs = nowMs();
    let isSettled = false;
    // A lock that is free is taken before the call returns; the promise of one that is not settles much later.
    const promise = this.#inside(take).finally(() => {
      isSettled = true;
    });
    for (let turn = 0; turn < 4 && !isSettled; turn++) await Promise.resolve();
    if (!isSettled) this.#contended(wanted);
    const hasWaited = !isSettled;
    if (!(await promise)) return false;
    this.#taken(wanted, hasWaited ? nowMs() - beginMs : undefined, !order.knowsTasks, task);
    return true;
  }

  #release(wanted: Wanted, release: () => void): void {
    const held = this.#order.beforeRelease(wanted);
    this.#inside(release);
    if (held === undefined) return;
    this.#order.released(held);
    this.#stat.released(held.place.className, held.mode, nowMs() - held.sinceMs);
  }

  #contended({ place, mode, site }: Wanted): void {
    this.#stat.contended(place.className, mode, site.caller);
  }

  #taken(wanted: Wanted, waitedMs: number | undefined, isLoose: boolean, task: unknown): void {
    this.#order.taken(wanted, nowMs(), isLoose, task);
    this.#stat.acquired(wanted.place.className, wanted.mode, waitedMs);
  }

  #instrumentDowngrade(prototype: object, kind: string): void {
    const self = this;
    this.#replace<Release>(prototype, "downgradeWrite", (downgrade) => {
      return function () {
        const place = placeOf(this, kind);
        const what = `${kind}.downgradeWrite`;
        const site = new Site();
        const held = self.#order.beforeRelease({ place, mode: "write", maySleep: false, what, site });
        self.#inside(() => downgrade.call(this));
        if (held === undefined) return;
        const now = nowMs();
        self.#order.downgraded(held, site, now);
        self.#stat.released(place.className, "write", now - held.sinceMs);
        self.#stat.acquired(place.className, "read", undefined);
      };
    });
  }

  #instrumentQueue(): void {
    const self = this;
    for (const { prototype } of [WaitQueue, SlotQueue]) {
      for (const name of ["lock", "unlock"]) {
        this.#replace<(this: object) => void>(prototype, name, (original) => {
          return function () {
            self.#inside(() => original.call(this));
          };
        });
      }
    }
    this.#replace<(this: WaitQueue) => SlowPath>(WaitQueue.prototype, "waitForSlot", (original) => {
      return function* () {
        const hasRoom = yield* original.call(this);
        self.#skipsTry = hasRoom;
        // A semaphore of readers and writers does not try; what it did not use up is gone before any other code of this thread runs.
        if (hasRoom)
          void Promise.resolve().then(() => {
            self.#skipsTry = false;
          });
        return hasRoom;
      };
    });
  }

  #instrumentRcu(): void {
    const self = this;
    this.#replace<(this: RcuDomain) => void>(RcuDomain.prototype, "readLock", (readLock) => {
      return function () {
        readLock.call(this);
        self.#order.enterSection(new Site());
      };
    });
    this.#replace<(this: RcuDomain) => void>(RcuDomain.prototype, "readUnlock", (readUnlock) => {
      return function () {
        readUnlock.call(this);
        self.#order.leaveSection();
      };
    });
    for (const name of ["synchronize", "barrier"]) {
      this.#replace<(this: RcuDomain) => void>(RcuDomain.prototype, name, (original) => {
        return function () {
          self.#order.beforeSleep(`RcuDomain.${name}`, new Site());
          // Its first call is waitCookie, if it has anything to wait for.
          self.#skipsWaitCheck = true;
          try {
            original.call(this);
          } finally {
            self.#skipsWaitCheck = false;
          }
        };
      });
    }
    this.#replace<(this: RcuDomain, cookie: number) => void>(
      RcuDomain.prototype,
      "waitCookie",
      (original) => {
        return function (cookie) {
          const isChecked = self.#skipsWaitCheck;
          self.#skipsWaitCheck = false;
          if (this.poll(cookie)) return;
          if (!isChecked) self.#order.beforeSleep("RcuDomain.waitCookie", new Site());
          original.call(this, cookie);
        };
      },
    );
  }

  /** Runs a part of the package itself: the locks it takes are not the user's. Must return before any await. */
  #inside<T>(run: () => T): T {
    const was = this.#isInside;
    this.#isInside = true;
    try {
      return run();
    } finally {
      this.#isInside = was;
      if (!was) this.#skipsTry = false;
    }
  }

  /** Puts a method in front of one that the prototype has or inherits. */
  #replace<M extends (...args: never[]) => unknown>(
    prototype: object,
    name: string,
    wrap: (original: M) => M,
  ): void {
    const own = Object.getOwnPropertyDescriptor(prototype, name);
    const value = wrap(method<M>(prototype, name));
    Object.defineProperty(prototype, name, { value, configurable: true, writable: true, enumerable: false });
    this.#undo.push(() => {
      if (own === undefined) Reflect.deleteProperty(prototype, name);
      else Object.defineProperty(prototype, name, own);
    });
  }
}

function method<M>(prototype: object, name: string): M {
  return (prototype as Record<string, unknown>)[name] as M;
}
