import { acquire, type LockRef, type Protocol, type RwPolicy, release, TimedExecutor } from "@faultline/mm";
import type { Chapter } from "../walk/chapter.ts";
import type { Page } from "../walk/page.ts";

const MMAP_LOCK: LockRef = { kind: "rwsem", word: 0, name: "mmap_lock" };
const VMA_LOCK: LockRef = { kind: "vma", word: 16, name: "lock of another VMA" };

/** Nanoseconds to hand a cache line over on a two-socket server of 2016: within a socket, and between them. */
const HAND_OVER = { socket: 45.2, remote: 127.5 } as const;
/** A read lock is one atomic update of the lock word, and the unlock another. */
const UPDATES_PER_FAULT = 2;

export const chapter: Chapter = {
  number: 1,
  title: "One lock in front of everything",
  claims: [
    { id: "C1", who: "Yoo", says: "What still forces the kernel to take mmap_lock around the maple tree?" },
  ],
  run: (page) => {
    page.say(
      "R0 faults on a page that is on disk and holds its lock from 0 to 8. W wants to munmap something else at 1, for 3 ticks. R1 to R4 fault at 2, 3, 4 and 5, for 1 tick each.",
    );
    const alone = measure("no writer", "linux", MMAP_LOCK, false);
    const fair = measure("mmap_lock, fair", "linux", MMAP_LOCK, true);
    const greedy = measure("mmap_lock, readers pass", "reader-pref", MMAP_LOCK, true);
    const perVma = measure("a lock per VMA", "linux", VMA_LOCK, true);
    const rows = [alone, fair, greedy, perVma];
    page.table(
      ["lock", "R1 R2 R3 R4 took", "mean", "W waited"],
      rows.map(({ name, latencies, mean, waited }) => [
        name,
        latencies.join(" "),
        mean.toFixed(1),
        waited ?? "-",
      ]),
    );
    page.check(
      fair.mean === 8.5 && fair.waited === 7,
      "behind one short writer that itself waits, four faults take 8.5 ticks instead of 1",
    );
    page.check(greedy.mean === 1, "if readers may pass the waiting writer they are not held up ...");
    starvation(page);
    page.check(
      perVma.mean === 1 && perVma.waited === 0,
      "with a lock per VMA, W and the faults do not meet at all",
    );
    ceilings(page);
  },
};

function* hold(lock: LockRef, mode: "read" | "write", ticks: number): Protocol<void> {
  yield* acquire(lock, mode);
  yield { op: "sleep", what: "work", ns: ticks };
  yield* release(lock, mode);
}

interface Measured {
  readonly name: string;
  readonly latencies: readonly number[];
  readonly mean: number;
  readonly waited: number | undefined;
}

function measure(name: string, policy: RwPolicy, faultLock: LockRef, withWriter: boolean): Measured {
  const run = new TimedExecutor({ policy });
  run.spawn("R0", hold(faultLock, "read", 8), 0);
  if (withWriter) run.spawn("W", hold(MMAP_LOCK, "write", 3), 1);
  for (let reader = 1; reader <= 4; reader++) {
    run.spawn(`R${reader}`, hold(faultLock, "read", 1), reader + 1);
  }
  const threads = run.run();
  const latencies = threads.filter((thread) => /R[1-4]/.test(thread.name)).map((thread) => thread.latency);
  const mean = latencies.reduce((sum, latency) => sum + latency, 0) / latencies.length;
  return { name, latencies, mean, waited: threads.find((thread) => thread.name === "W")?.waited };
}

function starvation(page: Page): void {
  const end = 1000;
  const run = new TimedExecutor({ policy: "reader-pref" });
  run.spawn("W", hold(MMAP_LOCK, "write", 3), 1);
  for (let at = 0; at < end; at++) run.spawn(`R${at}`, hold(MMAP_LOCK, "read", 2), at);
  const writer = run.run(end).find((thread) => thread.name === "W");
  page.check(
    writer?.finish === undefined,
    `... but with a reader of 2 ticks arriving every tick, W still waits at t=${end}: hence the fairness`,
  );
}

function ceilings(page: Page): void {
  page.part("And without any writer: every fault signs the same guest book twice");
  for (const [where, ns] of Object.entries(HAND_OVER)) {
    const ceiling = 1e3 / (UPDATES_PER_FAULT * ns);
    page.line(
      `  ${where.padEnd(7)} ${ns} ns to hand the line over: at most ${ceiling.toFixed(2)} million faults/s`,
    );
  }
  page.check(
    UPDATES_PER_FAULT === lockWords(),
    "two updates of the lock's word per fault, counted on the protocol",
  );
}

function lockWords(): number {
  return [...hold(MMAP_LOCK, "read", 1)].filter((effect) => "lock" in effect).length;
}
