/*
 * Makes a failing schedule easier to read: fewer switches between threads, by trial. A run of steps of one
 * thread is moved next to another run of that thread; what still fails in the same way, with fewer switches,
 * is kept.
 */
import type { Choice } from "./op.ts";

/** Most candidates that are tried. */
const TRIES = 2000;

/** Runs of consecutive steps of one thread. */
function runsOf(choices: readonly Choice[]): Choice[][] {
  const runs: Choice[][] = [];
  for (const choice of choices) {
    const last = runs[runs.length - 1];
    if (last?.[0]?.thread === choice.thread) last.push(choice);
    else runs.push([choice]);
  }
  return runs;
}

/**
 * @param fails - runs a schedule; returns what was run if it fails in the same way
 * @returns a schedule that fails, with no more switches than `choices`
 */
export async function minimise(
  choices: readonly Choice[],
  fails: (candidate: readonly Choice[]) => Promise<readonly Choice[] | undefined>,
): Promise<readonly Choice[]> {
  let best = choices;
  let tries = 0;
  for (let better = true; better && tries < TRIES; ) {
    better = false;
    for (const candidate of candidates(best)) {
      if (++tries > TRIES) break;
      const ran = await fails(candidate);
      if (ran === undefined || !isSimpler(ran, best)) continue;
      best = ran;
      better = true;
      break;
    }
  }
  return best;
}

function isSimpler(a: readonly Choice[], b: readonly Choice[]): boolean {
  const switches = runsOf(a).length - runsOf(b).length;
  return switches < 0 || (switches === 0 && a.length < b.length);
}

function* candidates(choices: readonly Choice[]): Generator<readonly Choice[]> {
  const runs = runsOf(choices);
  for (let i = 0; i < runs.length; i++) {
    // Let the schedule end early: the rest runs without preemption.
    yield runs.slice(0, i).flat();
    for (let j = i + 2; j < runs.length; j++) {
      if (runs[j]![0]!.thread !== runs[i]![0]!.thread) continue;
      yield [...runs.slice(0, i + 1), runs[j]!, ...runs.slice(i + 1, j), ...runs.slice(j + 1)].flat();
      yield [...runs.slice(0, i), ...runs.slice(i + 1, j), runs[i]!, ...runs.slice(j)].flat();
      break;
    }
  }
}
