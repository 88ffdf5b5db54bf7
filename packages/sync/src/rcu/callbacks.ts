/*
 * Callbacks that wait for grace periods, in batches: all that were queued while the same grace period was in
 * progress wait for the same one, so they share one cookie and one poll. At most three batches are unfinished
 * at a time, however many callbacks there are: done, waiting for the grace period in progress, for the next.
 */

interface Batch {
  readonly cookie: number;
  readonly fns: (() => void)[];
  /** Callbacks of the batch that have been started. */
  started: number;
}

/** One agent's callbacks in the order of `call`. */
export class CallbackQueue {
  #batches: Batch[] = [];
  #length = 0;
  #isRunning = false;

  /** Callbacks that have not been started. */
  get length(): number {
    return this.#length;
  }

  /** Is a callback on the stack? */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Cookie of the callback queued last, `undefined` if none waits. */
  get lastCookie(): number | undefined {
    return this.#batches.at(-1)?.cookie;
  }

  /** Batches that have callbacks left: what the agent pays for, in polls. */
  get batchCount(): number {
    return this.#batches.length;
  }

  push(cookie: number, fn: () => void): void {
    const last = this.#batches.at(-1);
    if (last?.cookie === cookie) last.fns.push(fn);
    else this.#batches.push({ cookie, fns: [fn], started: 0 });
    this.#length++;
  }

  /**
   * Starts callbacks whose grace period has elapsed, at most `limit`. One that throws is dropped, the others
   * stay queued, and the error goes to the caller. Called from a callback it does nothing.
   *
   * @returns how many have run
   */
  run(isElapsed: (cookie: number) => boolean, limit: number): number {
    if (this.#isRunning) return 0;
    this.#isRunning = true;
    let count = 0;
    try {
      for (let batch = this.#batches[0]; batch !== undefined && count < limit; batch = this.#batches[0]) {
        if (!isElapsed(batch.cookie)) break;
        const end = Math.min(batch.fns.length, batch.started + limit - count);
        for (; batch.started < end; count++) this.#start(batch);
      }
    } finally {
      this.#isRunning = false;
    }
    return count;
  }

  /** A batch is taken off before its last callback runs: one that throws leaves no empty batch behind. */
  #start(batch: Batch): void {
    const fn = batch.fns[batch.started++];
    this.#length--;
    if (batch.started === batch.fns.length) this.#batches.shift();
    fn();
  }
}
