/* Runs parts of stress-parts.ts in real threads over the same words, and collects what they have seen. */
import { Worker } from "node:worker_threads";
import { type PostedWords, posted, sharedWords } from "./memory.ts";
import type { PartName } from "./stress-parts.ts";

export interface StressOrder {
  readonly part: PartName;
  readonly posted: PostedWords;
  /** Which of the threads this is, `0..n-1`. */
  readonly index: number;
  readonly rounds: number;
}

/** A thread that has not reported by then is stuck; generous because the machine may be busy. */
const LIMIT_MS = 60_000;
const WORDS = 4096;

/**
 * Runs one thread per name in `team`; the result of each, in order, and the words they left behind. `prepare`
 * sees the words before the threads do.
 */
export async function stress(
  team: readonly PartName[],
  rounds: number,
  prepare: (words: Int32Array) => void = () => {},
): Promise<{ results: number[]; words: Int32Array }> {
  const words = sharedWords(WORDS);
  prepare(words);
  Atomics.store(words, 0, team.length);
  const workers = team.map((part, index) => {
    const workerData: StressOrder = { part, posted: posted(words), index, rounds };
    return new Worker(new URL("./stress.worker.ts", import.meta.url), { workerData });
  });
  let timer: NodeJS.Timeout | undefined;
  const stuck = new Promise<never>((_, reject) => {
    const complain = () => reject(new Error(`${team.join(", ")}: stuck for ${LIMIT_MS} ms`));
    timer = setTimeout(complain, LIMIT_MS);
  });
  const reports = workers.map(
    (worker) =>
      new Promise<number>((resolve, reject) => {
        worker.once("message", resolve);
        worker.once("error", reject);
      }),
  );
  try {
    return { results: await Promise.race([Promise.all(reports), stuck]), words };
  } finally {
    clearTimeout(timer);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
