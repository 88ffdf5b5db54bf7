/* Runs parts of team-parts.ts in real threads over the same words, and collects what they have seen. */
import { Worker } from "node:worker_threads";
import { type PostedWords, posted, sharedWords } from "./memory.ts";
import type { PartName } from "./team-parts.ts";

export interface TeamOrder {
  readonly part: PartName;
  readonly posted: PostedWords;
  readonly index: number;
  readonly size: number;
  readonly rounds: number;
}

/** A thread that has not reported by then is stuck; generous because the machine may be busy. */
const LIMIT_MS = 60_000;
const WORDS = 4096;

/** Words for a team to share, zeroed: set up the primitive under test, then run the team on them. */
export function teamWords(): Int32Array<SharedArrayBuffer> {
  return sharedWords(WORDS);
}

/** Runs one thread per name in `team` on `words`; the result of each, in order. */
export async function runTeam(
  words: Int32Array<SharedArrayBuffer>,
  team: readonly PartName[],
  rounds: number,
): Promise<number[]> {
  Atomics.store(words, 0, team.length);
  const workers = team.map((part, index) => {
    const workerData: TeamOrder = { part, posted: posted(words), index, size: team.length, rounds };
    return new Worker(new URL("./team.worker.ts", import.meta.url), { workerData });
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
    return await Promise.race([Promise.all(reports), stuck]);
  } finally {
    clearTimeout(timer);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** How many teams are set on a broken primitive before it counts as not caught. */
const TEAMS_MAX = 50;

/**
 * Sets teams on a broken primitive until one of its threads has seen what it must not. Threads that share a core
 * with others overlap seldom, so how many it takes depends on the machine.
 *
 * @param makeWords - makes the words of each team
 * @param watcher - the part whose results are violations
 * @returns what the watchers of the last team have seen, together
 */
export async function searchWithTeams(
  makeWords: () => Int32Array<SharedArrayBuffer>,
  team: readonly PartName[],
  watcher: PartName,
  rounds: number,
): Promise<number> {
  for (let teams = 1; ; teams++) {
    const results = await runTeam(makeWords(), team, rounds);
    const seen = results.reduce((sum, count, index) => sum + (team[index] === watcher ? count : 0), 0);
    if (seen > 0 || teams === TEAMS_MAX) return seen;
  }
}
