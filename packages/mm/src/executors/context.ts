import type { Effect } from "../protocol.ts";
import type { LockModel } from "./lock-model.ts";
import type { RcuModel } from "./rcu-model.ts";

/** A blocking call where none is allowed, as a debug kernel reports it. */
export class SleepError extends Error {
  /** The spinlock, or `RCU read section`. */
  readonly lock: string;
  /** The thread that holds it. */
  readonly holder: string;
  /** What would have blocked. */
  readonly call: string;

  constructor(lock: string, holder: string, call: string) {
    super(`sleeping in atomic context: ${holder} holds ${lock} and calls ${call}`);
    this.name = "SleepError";
    this.lock = lock;
    this.holder = holder;
    this.call = call;
  }
}

/** Nobody can go on. The message says who waits for what, and who holds it. */
export class DeadlockError extends Error {
  constructor(waits: readonly string[]) {
    super(`no runnable thread: deadlock; ${waits.join("; ")}`);
    this.name = "DeadlockError";
  }
}

/** What the effect is, for people. */
export function describeEffect(effect: Effect): string {
  switch (effect.op) {
    case "acquire":
      return `${effect.lock.name}: ${lockVerb(effect)}`;
    case "try-acquire":
      return `${effect.lock.name}: try ${lockVerb(effect)}`;
    case "release":
      return `${effect.lock.name}: ${effect.lock.kind === "spinlock" ? "" : `${effect.mode} `}unlock`;
    case "downgrade":
      return `${effect.lock.name}: downgrade to read`;
    case "rcu-lock":
      return "rcu_read_lock";
    case "rcu-unlock":
      return "rcu_read_unlock";
    case "rcu-defer":
      return `free ${effect.bytes} bytes after a grace period`;
    case "touch":
      return `${effect.access} ${effect.line.name}`;
    case "work":
      return effect.times === 1 ? effect.what : `${effect.what} x${effect.times}`;
    case "sleep":
      return `sleep: ${effect.what}`;
    case "shootdown":
      return `TLB shootdown, ${effect.pages} pages`;
    case "step":
      return effect.name;
  }
}

function lockVerb(effect: Effect & { op: "acquire" | "try-acquire" }): string {
  return effect.lock.kind === "spinlock" ? "lock" : `${effect.mode} lock`;
}

/**
 * Refuses an effect that may block if `thread` is in an RCU section or holds a spinlock, whether or not it would
 * block this time (kernel: might_sleep).
 *
 * @throws SleepError
 */
export function checkMaySleep(thread: string, effect: Effect, locks: LockModel, rcu: RcuModel): void {
  const sleeps = effect.op === "sleep" || (effect.op === "acquire" && effect.lock.kind !== "spinlock");
  if (!sleeps) return;
  const spinlock = locks.spinlockOf(thread);
  if (spinlock !== undefined) throw new SleepError(spinlock, thread, describeEffect(effect));
  if (rcu.isReading(thread)) throw new SleepError("RCU read section", thread, describeEffect(effect));
}
