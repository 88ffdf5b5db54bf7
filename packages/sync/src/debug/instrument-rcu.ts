/*
 * RCU as the checks see it: sections, what may not be done in them, and loads that need one.
 *
 * The callbacks that `synchronize` runs are the user's code, so it is not run inside; only the `waitCookie` it
 * makes is not checked a second time.
 *
 * A load of a published word needs a section, but nobody can tell of which domain: any open one will do. Updaters
 * use `loadProtected`. RcuList is walked by updaters too, under their lock, so its loads are not checked.
 */

import { RcuRef } from "../rcu/ref.ts";
import { SrcuDomain } from "../rcu/srcu.ts";
import { RcuDomain } from "../rcu.ts";
import type { WaitOptions } from "../words.ts";
import type { LockOrder } from "./lock-order.ts";
import type { Patches } from "./patch.ts";
import { Site } from "./site.ts";

type Updater = RcuDomain | SrcuDomain;

/** Instruments both kinds of domain, and RcuRef, until the patches are restored. */
export function instrumentRcu(patches: Patches, order: LockOrder): void {
  instrumentSections(patches, order);
  instrumentSrcuSections(patches, order);
  instrumentUpdater(patches, order, "RcuDomain", RcuDomain.prototype);
  instrumentUpdater(patches, order, "SrcuDomain", SrcuDomain.prototype);
  patches.replace<(this: RcuRef) => number>(RcuRef.prototype, "load", (load) => {
    return function () {
      if (!patches.isInside) order.beforeLoad("RcuRef.load", new Site());
      return load.call(this);
    };
  });
}

function instrumentSections(patches: Patches, order: LockOrder): void {
  patches.replace<(this: RcuDomain) => void>(RcuDomain.prototype, "readLock", (readLock) => {
    return function () {
      patches.inside(() => readLock.call(this)); // the first of an agent calls itself once more
      if (!patches.isInside) order.enterSection(new Site());
    };
  });
  patches.replace<(this: RcuDomain) => void>(RcuDomain.prototype, "readUnlock", (readUnlock) => {
    return function () {
      patches.inside(() => readUnlock.call(this));
      if (!patches.isInside) order.leaveSection();
    };
  });
}

/** Sections of SRCU may sleep and await, so it is enough to know that there are some. */
function instrumentSrcuSections(patches: Patches, order: LockOrder): void {
  patches.replace<(this: SrcuDomain) => 0 | 1>(SrcuDomain.prototype, "readLock", (readLock) => {
    return function () {
      const index = readLock.call(this);
      order.countSrcu(1);
      return index;
    };
  });
  patches.replace<(this: SrcuDomain, index: number) => void>(
    SrcuDomain.prototype,
    "readUnlock",
    (readUnlock) => {
      return function (index) {
        readUnlock.call(this, index);
        order.countSrcu(-1);
      };
    },
  );
}

function instrumentUpdater(patches: Patches, order: LockOrder, kind: string, prototype: Updater): void {
  /** Its own waitCookie follows, which has been checked. */
  let skipsWaitCheck = false;
  patches.replace<(this: Updater) => void>(prototype, "synchronizeExpedited", (original) => {
    return function () {
      if (!patches.isInside) order.beforeSleep(`${kind}.synchronizeExpedited`, new Site());
      patches.inside(() => original.call(this));
    };
  });
  for (const name of ["synchronize", "barrier"]) {
    patches.replace<(this: Updater) => void>(prototype, name, (original) => {
      return function () {
        if (!patches.isInside) order.beforeSleep(`${kind}.${name}`, new Site());
        skipsWaitCheck = true;
        try {
          original.call(this);
        } finally {
          skipsWaitCheck = false;
        }
      };
    });
  }
  patches.replace<(this: Updater, cookie: number, options?: WaitOptions) => boolean>(
    prototype,
    "waitCookie",
    (original) => {
      return function (cookie, options) {
        const isChecked = skipsWaitCheck || patches.isInside;
        skipsWaitCheck = false;
        if (this.poll(cookie)) return true;
        if (!isChecked) order.beforeSleep(`${kind}.waitCookie`, new Site());
        return patches.inside(() => original.call(this, cookie, options));
      };
    },
  );
  instrumentCall(patches, order, kind, prototype);
}

/** A function stands for what the kernel's rcu_head does: queued twice, it is most often a double free. */
function instrumentCall(patches: Patches, order: LockOrder, kind: string, prototype: Updater): void {
  const pending = new WeakMap<object, Set<() => void>>();
  patches.replace<(this: Updater, fn: () => void) => void>(prototype, "call", (call) => {
    return function (fn) {
      let fns = pending.get(this);
      if (fns === undefined) {
        fns = new Set();
        pending.set(this, fns);
      }
      if (fns.has(fn)) order.calledTwice(`${kind}.call`, new Site());
      fns.add(fn);
      call.call(this, () => {
        fns.delete(fn);
        fn();
      });
    };
  });
}
