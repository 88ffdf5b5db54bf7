import { SimVma } from "../designs/world.ts";
import type { Workload } from "./workload.ts";

const PART_PAGES = 1 << 20;

/** Workload A: all threads fault in disjoint parts of one anonymous mapping. */
export const pft: Workload = {
  name: "pft",
  title: "one mapping shared by all threads, each faults in a part of its own",
  prepare(world, threads) {
    const vma = new SimVma(world, 0, threads * PART_PAGES);
    vma.hasAnonVma = true;
    return function* (agent, index) {
      for (let page = 0; page < PART_PAGES; page++) yield* world.fault(agent, vma, index * PART_PAGES + page);
    };
  },
};
