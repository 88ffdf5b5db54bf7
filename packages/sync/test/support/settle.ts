/** A few turns of the event loop: whoever has been woken has gone on after them. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Turns of the event loop until `condition` holds, then a few more, in which nothing must happen any more. */
export async function settleUntil(condition: () => boolean): Promise<void> {
  const end = performance.now() + 15_000;
  while (!condition() && performance.now() < end) await new Promise((resolve) => setImmediate(resolve));
  await settle();
}
