import { describe, expect, it } from "vitest";
import { Barrier, Completion, type Recoverable, SeqCount, WaitQueueHead } from "../src/index.ts";

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 3));
const shared = () => new Int32Array(new SharedArrayBuffer(64));

/** A wait, and what the one who would have ended it had done when it died: everything but the wake-up. */
const WAITS: Record<string, (words: Int32Array) => [Recoverable, Promise<unknown>, () => void]> = {
  Completion: (words) => {
    const completion = new Completion(words, 0);
    return [completion, completion.waitAsync(), () => Atomics.store(words, 0, 1)];
  },
  Barrier: (words) => {
    const barrier = new Barrier(words, 0, 2);
    return [barrier, barrier.waitAsync(), () => Atomics.store(words, 1, 1 << 12)];
  },
  SeqCount: (words) => {
    const count = new SeqCount(words, 0);
    count.writeBegin();
    return [count, count.beginAsync(), () => Atomics.store(words, 0, 2)];
  },
  "WaitQueueHead, exclusive": (words) => {
    const queue = new WaitQueueHead(words, 0);
    const waiting = queue.waitForAsync(() => Atomics.load(words, 8) === 1, { exclusive: true });
    return [queue, waiting, () => Atomics.store(words, 8, 1)];
  },
};

describe.each(Object.entries(WAITS))("%s", (_name, begin) => {
  it("has those who wait look again when somebody has died", async () => {
    const words = shared();
    const [recoverable, waiting, halfDone] = begin(words);
    let isOver = false;
    waiting.then(() => {
      isOver = true;
    });
    await turn();
    recoverable.agentDied(1024);
    await turn();
    expect(isOver).toBe(false);
    halfDone();
    await turn();
    expect(isOver).toBe(false);
    expect(recoverable.agentDied(1024)).toBe(false);
    await waiting;
  });
});
