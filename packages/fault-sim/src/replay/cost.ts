/*
 * What a recorded activity costs under a design: every simulated thread repeats the recording's mapping
 * calls in an area of its own, all in one address space. strace does not show faults, so they are made
 * up by a stated rule: a share of the pages of each mapping is touched right after it appears. With
 * smaps in the recording the share is the one measured at exit, else 0.25.
 */
import type { SimVma, World } from "../designs/world.ts";
import type { Agent, Steps } from "../engine/agent.ts";
import type { Workload } from "../workloads/workload.ts";
import type { Recording } from "./recording.ts";
import type { Activity } from "./replay.ts";

const DEFAULT_SHARE = 0.25;
const FAULTS_PER_MAPPING_MAX = 512;

/** The share of mapped pages that get touched, 0..1, and where it comes from. */
export function touchShare(recording: Recording): { share: number; source: "smaps" | "assumed" } {
  let resident = 0;
  let pages = 0;
  for (const process of recording.maps?.final ?? []) {
    resident += process.touched?.resident ?? 0;
    pages += process.touched?.pages ?? 0;
  }
  if (pages === 0) return { share: DEFAULT_SHARE, source: "assumed" };
  return { share: Math.min(1, resident / pages), source: "smaps" };
}

/** The workload that repeats `activity`; at most 512 faults follow one call. RangeError unless `share` is in 0..1. */
export function replayWorkload(activity: readonly Activity[], share: number): Workload {
  if (!(share >= 0 && share <= 1))
    throw new RangeError(`replayWorkload: share must be in 0..1, got ${share}`);
  if (activity.length === 0) throw new RangeError("replayWorkload: the recording has no mapping calls");
  return {
    name: "replay",
    title: "each thread repeats the recorded mapping calls, with synthesised faults",
    prepare(world) {
      const starts = world.engine.stream("replay start");
      return function* (agent, index) {
        let at = starts.below(activity.length);
        const mapped = new Map<number, SimVma>();
        for (;;) {
          for (; at < activity.length; at++)
            yield* perform(world, agent, index, activity[at]!, mapped, share);
          for (const vma of mapped.values()) yield* world.unmap(agent, vma);
          mapped.clear();
          at = 0;
        }
      };
    },
  };
}

function* perform(
  world: World,
  agent: Agent,
  index: number,
  one: Activity,
  mapped: Map<number, SimVma>,
  share: number,
): Steps {
  const found = mapped.get(one.start);
  if (one.kind === "map") {
    if (found) yield* world.unmap(agent, found);
    const vma = yield* world.map(agent, index * 8 + (mapped.size % 8), one.pages);
    mapped.set(one.start, vma);
    if (one.accessible) yield* touch(world, agent, vma, one.pages, share);
  } else if (found) {
    if (one.kind === "unmap") {
      mapped.delete(one.start);
      yield* world.unmap(agent, found);
    } else if (one.kind === "protect") yield* world.protect(agent, found);
    else yield* world.discard(agent, found);
  } else if (one.kind === "protect") {
    // A part of something mapped before: a VMA of its own from here on.
    const vma = yield* world.map(agent, index * 8 + (mapped.size % 8), one.pages);
    mapped.set(one.start, vma);
    yield* world.protect(agent, vma);
    if (one.accessible) yield* touch(world, agent, vma, one.pages, share);
  }
}

function* touch(world: World, agent: Agent, vma: SimVma, pages: number, share: number): Steps {
  const count = Math.min(FAULTS_PER_MAPPING_MAX, Math.ceil(pages * share));
  for (let page = 0; page < count; page++) yield* world.fault(agent, vma, page);
}
