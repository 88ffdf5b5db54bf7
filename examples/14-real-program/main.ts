import { fileURLToPath } from "node:url";
import {
  designByName,
  formatDifference,
  machineByName,
  mmSpaces,
  readRecording,
  replay,
  replayWorkload,
  runOnce,
  touchShare,
} from "@faultline/fault-sim";
import type { Chapter } from "../walk/chapter.ts";
import type { Page } from "../walk/page.ts";

const PROGRAMS = ["true", "bash-loop", "python-threads"] as const;
const THREADS = [1, 4, 16, 64] as const;
const DESIGNS = ["mmap-lock", "per-vma-lock"] as const;

export const chapter: Chapter = {
  number: 14,
  title: "A real program",
  claims: [
    {
      id: "C2",
      who: "Yoo",
      says: "The goal is to read the tree without mmap_lock. What does that do to a program that exists?",
    },
  ],
  run: (page) => {
    page.say(
      "Three programs were recorded with strace on a running kernel, with their maps after execve and before exit. Their calls are replayed on an AddressSpace:",
    );
    for (const program of PROGRAMS) replayed(page, program);
    cost(page, "python-threads");
    page.say(
      "Your own program: strace -f -y -o prog.strace -e trace=%memory,clone,clone3,fork,vfork,execve,exit_group ./prog, then pnpm fault-sim replay prog.strace --maps prog.maps.json.",
    );
  },
};

function recordingOf(program: string): string {
  return fileURLToPath(new URL(`./recordings/${program}.strace.gz`, import.meta.url));
}

function replayed(page: Page, program: string): void {
  const { calls, processes, compared, differences } = replay(readRecording(recordingOf(program)), mmSpaces);
  const total = Object.values(calls).reduce((sum, count) => sum + count, 0);
  page.check(
    compared > 0 && differences.length === 0,
    `${program}: ${total} calls, ${processes} process(es); the final maps are the kernel's at every address`,
  );
  for (const difference of differences.slice(0, 1)) page.line(`    ${formatDifference(difference)}`);
}

/** What the program's activity would cost if every one of so many threads did it at the same time. */
function cost(page: Page, program: string): void {
  page.part(`What ${program} costs when every core does the same, on icelake-128`);
  const recording = readRecording(recordingOf(program));
  const { activity } = replay(recording, mmSpaces);
  const workload = replayWorkload(activity, touchShare(recording).share);
  const machine = machineByName("icelake-128");
  const results = DESIGNS.flatMap((name) =>
    THREADS.map((threads) =>
      runOnce({ machine, design: designByName(name), workload, threads, microseconds: 5000, seed: 1 }),
    ),
  );
  page.table(
    ["design", "threads", "faults/s", "most waited for", "of all time"],
    results.map(({ design, threads, faultsPerSecond, locks, breakdown }) => {
      const [worst] = locks;
      const time = Object.values(breakdown).reduce((sum, part) => sum + part, 0);
      const share = worst === undefined ? 0 : Math.round((100 * worst.waiting) / time);
      return [design, threads, `${(faultsPerSecond / 1e3).toFixed(0)} k`, worst?.name ?? "-", `${share} %`];
    }),
  );
  const rate = (design: string, threads: number): number =>
    results.find((result) => result.design === design && result.threads === threads)?.faultsPerSecond ?? 0;
  page.check(
    rate("per-vma-lock", 16) > rate("mmap-lock", 16),
    "per-vma-lock serves more faults at 16 threads",
  );
}
