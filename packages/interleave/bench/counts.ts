/*
 * `pnpm bench:interleave`: executions and steps per second, and what reduction saves, on the classic counter.
 */
import { check, type Model, type Report } from "../src/index.ts";

/** Threads that each add one by a load and a compareExchange, again until it succeeds. */
function incrementers(threads: number): Model<Int32Array> {
  const increment = (words: Int32Array): void => {
    for (;;) {
      const seen = Atomics.load(words, 0);
      if (Atomics.compareExchange(words, 0, seen, seen + 1) === seen) return;
    }
  };
  return {
    setup: () => new Int32Array(new SharedArrayBuffer(4)),
    threads: Array.from({ length: threads }, () => increment),
    after: (words) => {
      if (words[0] !== threads) throw new Error(`${threads} increments made ${words[0]}`);
    },
  };
}

/** Two threads of many steps each on one word. */
function long(steps: number): Model<Int32Array> {
  const walk = (words: Int32Array): void => {
    for (let i = 0; i < steps; i++) Atomics.add(words, 0, 1);
  };
  return { setup: () => new Int32Array(new SharedArrayBuffer(4)), threads: [walk, walk] };
}

function line(name: string, report: Report): void {
  const perSecond = (count: number): string =>
    Math.round((count / Math.max(1, report.elapsedMs)) * 1000).toLocaleString("en");
  console.log(
    `${name.padEnd(44)} ${String(report.executions).padStart(8)} executions ${String(report.elapsedMs).padStart(6)} ms` +
      `  ${perSecond(report.executions).padStart(9)} executions/s  ${perSecond(report.points).padStart(9)} steps/s`,
  );
}

await check(incrementers(3), { reduction: false });
for (const threads of [2, 3, 4]) {
  // Without `freeReads`, the look after a failed compareExchange counts as spinning: the classic count.
  const full = await check(incrementers(threads), { reduction: false, freeReads: 0 });
  const reduced = await check(incrementers(threads), { freeReads: 0 });
  line(`${threads} incrementers, every order`, full);
  line(`${threads} incrementers, reduced`, reduced);
  console.log(`${"".padEnd(44)} reduction ${(full.executions / reduced.executions).toFixed(1)} x`);
}
line("2 threads of 8 steps, every order", await check(long(8), { reduction: false }));
for (const steps of [20, 200]) {
  const report = await check(long(steps), { bound: 2, maxExecutions: 20_000 });
  line(`2 threads of ${steps} steps, 2 preemptions`, report);
}
line("2 threads of 200 steps, random", await check(long(200), { strategy: "random", maxExecutions: 200 }));
