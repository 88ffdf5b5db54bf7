import { PAGE_SIZE } from "@faultline/mm";
import type { Workload } from "./workload.ts";

const PART_PAGES = 1 << 20;

/** Workload A: all threads fault in disjoint parts of one anonymous mapping. */
export const pft: Workload = {
  name: "pft",
  title: "one mapping shared by all threads, each faults in a part of its own",
  prepare(world, threads) {
    const start = world.prepareMapping(threads * PART_PAGES);
    return function* (agent, index) {
      const part = start + index * PART_PAGES * PAGE_SIZE;
      for (let page = 0; page < PART_PAGES; page++) yield* world.fault(agent, part + page * PAGE_SIZE);
    };
  },
};
