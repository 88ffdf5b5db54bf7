import { PAGE_SIZE } from "@faultline/mm";
import { checkInteger } from "../errors.ts";
import type { Workload } from "./workload.ts";

/**
 * Workload B, after will-it-scale page_fault1 in thread mode: each thread maps a range, touches each of
 * its pages and unmaps it. The benchmark uses 32,768 pages; the default here is less, so that a short
 * run sees many mapping changes. Threads start at random pages, so that they are out of step. Each maps in an
 * area of its own, apart from the others, so that the mappings are not joined to one.
 */
export function pageFault1(pages = 4096): Workload {
  checkInteger("pageFault1: pages", pages, 1, 1 << 24);
  return {
    name: "page-fault1",
    title: "one mapping per thread: map, touch every page, unmap, again",
    prepare(world) {
      const starts = world.engine.stream("page-fault1 start");
      return function* (agent, index) {
        const area = world.areaOf(index, pages);
        let page = starts.below(pages);
        for (;;) {
          yield* world.map(agent, area, pages);
          for (; page < pages; page++) yield* world.fault(agent, area + page * PAGE_SIZE);
          yield* world.unmap(agent, area, pages);
          page = 0;
        }
      };
    },
  };
}
