// Is this the platform the other tests are about? And do the packages' entry points lead to one module each?
import { Mutex, RcuDomain, RwSem, SpinLock } from "@faultline/sync";
import { Mutex as MutexOfSubpath } from "@faultline/sync/mutex";
import { RcuDomain as RcuOfSubpath } from "@faultline/sync/rcu";
import { RwSem as RwSemOfSubpath } from "@faultline/sync/rwsem";
import { SpinLock as SpinLockOfSubpath } from "@faultline/sync/spinlock";
import { equal, startWorker, test, thrownBy } from "./harness.mjs";

test("the page and its workers are cross-origin isolated, and only workers may block", async () => {
  equal(crossOriginIsolated, true, "crossOriginIsolated");
  const error = await thrownBy(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1));
  equal(error.name, "TypeError", "what Atomics.wait throws on the main thread");
  equal(await startWorker().call("platform"), { crossOriginIsolated: true, canWait: "not-equal" });
});

test("every subpath of @faultline/sync gives the class that its index gives", async () => {
  const pairs = [MutexOfSubpath === Mutex, RcuOfSubpath === RcuDomain, RwSemOfSubpath === RwSem];
  equal([...pairs, SpinLockOfSubpath === SpinLock], [true, true, true, true]);
});
