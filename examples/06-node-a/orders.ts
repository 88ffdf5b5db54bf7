import { Arena } from "@faultline/arena";
import { TEACHING_GEOMETRY } from "@faultline/maple-tree";
import {
  lookupSteps,
  mailTree,
  POISON,
  type ReplaceEffect,
  replaceLeafInOrder,
  WildNodeError,
} from "@faultline/maple-tree/testing";
import { everySchedule, type Model, type ModelThread } from "../walk/schedules.ts";

/** What can go wrong when a leaf is replaced in this order, in any interleaving with one reader of index 175. */
export function problemsOf(order: readonly ReplaceEffect[]): { schedules: number; problems: string[] } {
  const { schedules, wrong } = everySchedule(() => oneReaderOneWriter(order));
  return { schedules, problems: [...wrong.keys()] };
}

function oneReaderOneWriter(order: readonly ReplaceEffect[]): Model {
  const arena = Arena.create({ bytes: 1 << 14 });
  const { tree, names } = mailTree(arena, { geometry: TEACHING_GEOMETRY, gaps: true, rcu: true });
  const a = names.node("A");
  let problem: string | undefined;
  let effects = 0;

  function* reader(): ModelThread {
    arena.rcu.readLock();
    const steps = lookupSteps(tree, 175);
    let effectsAtRestart = -1;
    let leaf = 0;
    try {
      let next = steps.next();
      for (; !next.done; next = steps.next()) {
        const step = next.value;
        if (step.what === "slot") leaf = step.node;
        if (step.what === "restart") {
          // The same dead node twice, and the writer did nothing in between: so it would go on.
          if (effects === effectsAtRestart) {
            problem ??= "spin on a dead node";
            break;
          }
          effectsAtRestart = effects;
        }
        // A scan of pivots is no point of its own: the pivots of a published node never change.
        if (step.what === "slot" || step.what === "dead-test") yield { does: step.what };
      }
      if (next.done && next.value !== 4 && next.value !== 0) problem ??= strange(leaf);
    } catch (error) {
      if (!(error instanceof WildNodeError)) throw error;
      problem ??= strange(leaf);
    } finally {
      arena.rcu.readUnlock();
    }
  }

  function strange(leaf: number): string {
    return leaf === a ? "read freed memory" : "read a half-built node";
  }

  function* writer(): ModelThread {
    for (const step of replaceLeafInOrder(tree, { first: 150, last: 199, entry: 0 }, order)) {
      effects += 1;
      if (step.wroteFreed) problem ??= "find the mark in freed memory";
      yield { does: step.effect };
    }
  }

  return {
    threads: [
      { name: "R", steps: reader() },
      { name: "W", steps: writer() },
    ],
    verdict: () => problem ?? (tree.load(175) === POISON ? "read a half-built node" : undefined),
  };
}
