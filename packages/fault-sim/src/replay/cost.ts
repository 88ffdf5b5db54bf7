/*
 * What a recorded activity costs under a design: every simulated thread repeats the recording's mapping
 * calls in an area of its own, all in one address space. strace does not show faults, so they are made
 * up by a stated rule: a share of the pages of each range is touched right after it becomes accessible, for
 * writing if that is allowed. With smaps in the recording the share is the one measured at exit, else 0.25.
 * All memory is private and anonymous here.
 */
import { PAGE_SIZE, PROT, readPte } from "@faultline/mm";
import type { Agent, Steps } from "../engine/agent.ts";
import type { Workload } from "../workloads/workload.ts";
import type { World } from "../world/world.ts";
import { CompactLayout } from "./layout.ts";
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
      const layout = new CompactLayout(activity);
      return function* (agent, index) {
        const area = world.areaOf(index, layout.pages);
        let at = starts.below(activity.length);
        for (;;) {
          for (; at < activity.length; at++) {
            const one = activity[at]!;
            yield* perform(world, agent, one, area + layout.pageOf(one.start) * PAGE_SIZE, share);
          }
          yield* world.unmap(agent, area, layout.pages);
          at = 0;
        }
      };
    },
  };
}

/** Repeats one call at `start`. What the recording changes without having mapped it is mapped first. */
function* perform(world: World, agent: Agent, one: Activity, start: number, share: number): Steps {
  const { kind, pages, prot } = one;
  if (kind === "unmap") {
    yield* world.unmap(agent, start, pages);
    return;
  }
  if (kind === "map" || !isMapped(world, start, pages)) yield* world.map(agent, start, pages, prot);
  else if (kind === "protect") yield* world.protect(agent, start, pages, prot);
  if (kind === "discard") yield* world.discard(agent, start, pages);
  else if ((prot & (PROT.READ | PROT.WRITE)) !== 0) yield* touch(world, agent, start, one, share);
}

function isMapped(world: World, start: number, pages: number): boolean {
  const end = start + pages * PAGE_SIZE;
  for (let at = start; at < end; ) {
    const vma = world.mm.tree.at(at);
    if (vma === undefined) return false;
    at = vma.vmEnd;
  }
  return true;
}

function* touch(world: World, agent: Agent, start: number, one: Activity, share: number): Steps {
  const access = (one.prot & PROT.WRITE) !== 0 ? "write" : "read";
  const count = Math.min(FAULTS_PER_MAPPING_MAX, Math.ceil(one.pages * share));
  for (let page = 0; page < count; page++) {
    const address = start + page * PAGE_SIZE;
    if (readPte(world.mm, address) === 0) yield* world.fault(agent, address, access);
  }
}
