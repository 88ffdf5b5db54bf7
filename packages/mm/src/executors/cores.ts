/*
 * Drives a protocol on a simulated core. What locks, lines and work cost is the port's business: it turns each
 * effect into the actions of its engine. The protocol's own state changes happen when the engine resumes it, so in
 * the order of virtual time.
 */
import type { LineRef, LockRef, Protocol, WorkKind } from "../protocol.ts";

/** The simulator's side of an effect. `A` is an action of its engine; what the engine sends back is the port's own. */
export interface CorePort<A> {
  acquire(lock: LockRef, mode: "read" | "write"): Generator<A, void, unknown>;
  tryAcquire(lock: LockRef, mode: "read" | "write"): Generator<A, boolean, unknown>;
  release(lock: LockRef, mode: "read" | "write"): Generator<A, void, unknown>;
  downgrade(lock: LockRef): Generator<A, void, unknown>;
  rcuLock(): Generator<A, void, unknown>;
  rcuUnlock(): Generator<A, void, unknown>;
  /** Calls `free` after a grace period. */
  rcuDefer(bytes: number, free: () => void): Generator<A, void, unknown>;
  touch(access: "read" | "write" | "rmw", line: LineRef): Generator<A, void, unknown>;
  work(what: WorkKind, times: number): Generator<A, void, unknown>;
  sleep(what: string, ns: number): Generator<A, void, unknown>;
  shootdown(pages: number): Generator<A, void, unknown>;
}

/** The actions of `protocol` on the core behind `port`; returns what the protocol returns, and throws what it throws. */
export function* onCores<A, T>(protocol: Protocol<T>, port: CorePort<A>): Generator<A, T, unknown> {
  let answer: boolean | undefined;
  for (;;) {
    const { done, value: effect } = protocol.next(answer);
    if (done === true) return effect;
    answer = undefined;
    switch (effect.op) {
      case "acquire":
        yield* port.acquire(effect.lock, effect.mode);
        break;
      case "try-acquire":
        answer = yield* port.tryAcquire(effect.lock, effect.mode);
        break;
      case "release":
        yield* port.release(effect.lock, effect.mode);
        break;
      case "downgrade":
        yield* port.downgrade(effect.lock);
        break;
      case "rcu-lock":
        yield* port.rcuLock();
        break;
      case "rcu-unlock":
        yield* port.rcuUnlock();
        break;
      case "rcu-defer":
        yield* port.rcuDefer(effect.bytes, effect.free);
        break;
      case "touch":
        yield* port.touch(effect.access, effect.line);
        break;
      case "work":
        yield* port.work(effect.what, effect.times);
        break;
      case "sleep":
        yield* port.sleep(effect.what, effect.ns);
        break;
      case "shootdown":
        yield* port.shootdown(effect.pages);
        break;
      case "step":
        break;
    }
  }
}
