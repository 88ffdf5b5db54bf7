/* One persistent thread of the litmus runner: it takes part in one test after the other. See run.ts. */
import { parentPort } from "node:worker_threads";
import { RcuDomain, SpinLock } from "../src/index.ts";
import { barrier } from "./barrier.ts";
import { BrokenLock, BrokenRcu } from "./broken.ts";
import {
  AGENTS_MAX,
  Collector,
  compileThread,
  DOMAIN_WORD,
  INSTANCES,
  type Layout,
  layoutOf,
  link,
  type Primitives,
} from "./compile.ts";
import { findTest } from "./format.ts";
import type { Counts, Order } from "./run.ts";

function locksFor(order: Order, layout: Layout, words: Int32Array): Primitives["locks"] {
  const of = (base: number, instance: number) =>
    order.broken ? new BrokenLock() : new SpinLock(words, base + instance * SpinLock.WORDS);
  const locks = [...layout.locks].map(([name, base]) => {
    return [name, Array.from({ length: INSTANCES }, (_, instance) => of(base, instance))] as const;
  });
  return Object.fromEntries(locks);
}

/** Between two barriers either all threads run the test, or each collects its share of the instances. */
function run(order: Order): Counts {
  const { thread, threadCount, batches } = order;
  const test = findTest(order.test);
  const layout = layoutOf(test);
  const words = new Int32Array(order.buffer);
  const domain = new RcuDomain(words, DOMAIN_WORD, { agentsMax: AGENTS_MAX });
  const primitives = { locks: locksFor(order, layout, words), rcu: order.broken ? new BrokenRcu() : domain };
  const body = link(compileThread(test, thread, order.form, layout), words, primitives);
  const collector = new Collector(test, layout, words);
  const from = Math.floor((INSTANCES * thread) / threadCount);
  const to = Math.floor((INSTANCES * (thread + 1)) / threadCount);
  collector.reset(from, to);
  for (let batch = 0; batch < batches; batch++) {
    barrier(words, threadCount);
    body();
    barrier(words, threadCount);
    collector.collect(from, to);
  }
  domain.close();
  return [...collector.counts];
}

parentPort?.on("message", (order: Order) => parentPort?.postMessage(run(order)));
