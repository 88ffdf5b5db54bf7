import { AddressSpace, MAP, PROT, type Protocol, TimedExecutor } from "@faultline/mm";
import type { Chapter } from "../walk/chapter.ts";
import type { Page } from "../walk/page.ts";

const SLEEP_US = 10_000;
const MUNMAP_EVERY_US = 10;
const NODE_BYTES = 256;
const PAGE = 4096;
const V = 0x7000_0000;

export const chapter: Chapter = {
  number: 9,
  title: "A fault may sleep",
  claims: [
    { id: "C2", who: "Yoo", says: "Readers shall walk the tree under RCU." },
    {
      id: "C8",
      who: "Yoo",
      says: "The question is what comes after the walk: a page fault cannot be handled inside an RCU read section.",
    },
  ],
  run: (page) => {
    heldBreath(page);
    refused(page);
    noSleepOrFallBack(page);
  },
};

function* sleepInSection(): Protocol<void> {
  yield { op: "rcu-lock" };
  yield { op: "sleep", what: "a page from disk", ns: SLEEP_US };
  yield { op: "rcu-unlock" };
}

function* retire(): Protocol<void> {
  yield { op: "rcu-defer", bytes: NODE_BYTES, free: () => undefined };
}

function heldBreath(page: Page): void {
  page.say(
    `A fault sleeps ${SLEEP_US} us inside its read section; a munmap every ${MUNMAP_EVERY_US} us retires one tree node.`,
  );
  const run = new TimedExecutor();
  run.spawn("fault", sleepInSection());
  for (let at = 0; at < SLEEP_US; at += MUNMAP_EVERY_US) run.spawn(`munmap ${at}`, retire(), at);
  run.run();
  const { maxCallbacks, maxBytes, pending } = run.rcu;
  page.line(`  nodes that wait to be freed: ${maxCallbacks}, ${maxBytes} bytes`);
  page.check(
    maxCallbacks === SLEEP_US / MUNMAP_EVERY_US && pending === 0,
    "not one of them is freed before the sleeper leaves: one grace period lasts as long as the sleep",
  );
}

function refused(page: Page): void {
  const run = new TimedExecutor({ checkSleep: true });
  run.spawn("fault", sleepInSection());
  let message = "";
  try {
    run.run();
  } catch (error) {
    message = error instanceof Error ? error.message : String(error);
  }
  page.say(`with checks on: ${message}`, 2);
  page.check(message.includes("sleep"), "so it is not allowed, and the check names the thread and the call");
}

/** The walk under RCU, the work under the VMA's lock, and whatever must wait for a disk under mmap_lock. */
function noSleepOrFallBack(page: Page): void {
  page.part("What works: pin the VMA, leave the section, fall back when it takes long");
  const rows = [100, 90, 50].map((hitRate) => [`${hitRate} %`, `${servedFast(hitRate)} %`] as const);
  page.table(["pages found in memory", "faults served without mmap_lock"], rows);
  page.check(
    rows.every(([hits, fast]) => hits === fast),
    "every fault that need not wait stays on the fast road, every other one falls back and is served",
  );
}

function servedFast(hitRate: number): number {
  const mm = AddressSpace.create({ bytes: 2 ** 20, design: "per-vma-lock" });
  const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED;
  mm.mmap({ addr: V, length: 101 * PAGE, prot: PROT.READ | PROT.WRITE, flags });
  mm.fault(V + 100 * PAGE, "write");
  let fast = 0;
  for (let index = 0; index < 100; index++) {
    // 37 and 100 have no common divisor: the misses are spread over the hundred pages.
    const isHit = (index * 37) % 100 < hitRate;
    const { outcome, path } = mm.fault(V + index * PAGE, "write", isHit ? {} : { ioNs: 1 });
    if (outcome === "ok" && path === "vma-lock") fast += 1;
  }
  mm.validate();
  return fast;
}
