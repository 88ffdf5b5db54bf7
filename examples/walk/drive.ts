import type { Effect, Protocol, StepsExecutor } from "@faultline/mm";

/** Runs a protocol alone, every lock being free, and returns the effects it asked for. */
export function effectsOf(protocol: Protocol<unknown>): Effect[] {
  const effects: Effect[] = [];
  for (let next = protocol.next(); !next.done; ) {
    const effect = next.value;
    effects.push(effect);
    next = protocol.next(effect.op === "try-acquire" ? true : undefined);
  }
  return effects;
}

/** How often the effects write the word of a lock that `counts`. */
export function lockUpdates(effects: readonly Effect[], counts: (lock: LockOf) => boolean): number {
  return effects.filter((effect) => "lock" in effect && counts(effect.lock)).length;
}

type LockOf = Extract<Effect, { lock: unknown }>["lock"];

/** Steps `thread` until one of its events has a text that fits, and stands right behind it. */
export function stepPast(run: StepsExecutor, thread: string, text: RegExp): void {
  const start = run.events.length;
  while (!run.events.slice(start).some((event) => event.thread === thread && text.test(event.text))) {
    run.step(thread);
  }
}
