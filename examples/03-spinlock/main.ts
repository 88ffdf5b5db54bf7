import {
  AddressSpace,
  acquire,
  type DesignName,
  type Effect,
  type LockRef,
  MAP,
  munmapProtocol,
  PROT,
  type Protocol,
  release,
  TimedExecutor,
} from "@faultline/mm";
import type { Chapter } from "../walk/chapter.ts";
import { effectsOf, lockUpdates } from "../walk/drive.ts";
import type { Page } from "../walk/page.ts";

const TREE_LOCK: LockRef = { kind: "spinlock", word: 32, name: "tree lock" };
const DISK_TICKS = 100;
const PAGE = 4096;
const V = 0x7000_0000;

export const chapter: Chapter = {
  number: 3,
  title: "Why not a spinlock, then?",
  claims: [
    {
      id: "C3",
      who: "Wilcox",
      says: "The goal is larger still: the VMA tree under a spinlock instead of a sleeping lock.",
    },
    { id: "C4", who: "Yoo", says: "How can that be, if readers can take it for a page fault?" },
    {
      id: "C5",
      who: "Wilcox; Yoo agrees",
      says: "Too large a change for now, and less important than RCU readers: one step at a time.",
    },
  ],
  run: (page) => {
    heldAcrossADisk(page);
    onlyTheLookUp(page);
    neverByFaults(page);
  },
};

function* hold(ticks: number): Protocol<void> {
  yield* acquire(TREE_LOCK, "write");
  if (ticks > 0) yield { op: "sleep", what: "a page from disk", ns: ticks };
  yield* release(TREE_LOCK, "write");
}

function twoThreads(options: { cores?: number; checkSleep?: boolean }): TimedExecutor {
  const run = new TimedExecutor(options);
  run.spawn("core 0", hold(DISK_TICKS));
  run.spawn("core 1", hold(0));
  return run;
}

function heldAcrossADisk(page: Page): void {
  page.say(
    `Yoo's doubt first: a fault that holds the tree's spinlock while it waits ${DISK_TICKS} ticks for a disk.`,
  );
  const burned = twoThreads({}).run()[1]?.burned ?? 0;
  page.line(`  two cores: core 1 burned ${burned} ticks`);
  page.check(burned === DISK_TICKS, "whoever wants the lock meanwhile does nothing but spin");
  const deadlock = messageOf(() => twoThreads({ cores: 1 }).run());
  page.say(`one core: ${deadlock}`, 2);
  page.check(deadlock.includes("deadlock"), "on one core nobody is left who could release it");
  const refused = messageOf(() => twoThreads({ checkSleep: true }).run());
  page.say(`with checks on: ${refused}`, 2);
  page.check(
    refused.startsWith("sleeping in atomic context"),
    "a spinlock promises not to sleep; the check says who broke it",
  );
}

function onlyTheLookUp(page: Page): void {
  page.part("Hold it for the look-up only, then");
  const { tree, vma } = updates("tree-spinlock-naive");
  page.line(`  per fault: ${tree} updates of the tree lock, ${vma} of the VMA's lock`);
  page.check(
    tree === 2,
    "correct, but two updates of one line of the process: the same roof as mmap_lock (chapter 13)",
  );
}

function neverByFaults(page: Page): void {
  page.part("What Wilcox means: faults find the VMA by RCU, only writers take the spinlock");
  const { tree, vma, taken, held } = updates("tree-spinlock");
  page.line(`  per fault: ${tree} updates of the tree lock, ${vma} of the VMA's lock`);
  page.line(`  munmap: takes it ${taken} time(s), with ${held.length} point(s) at which another CPU may run`);
  page.check(tree === 0, "faults take it 0 times: that is how it is possible");
  page.check(
    taken > 0 && held.every((effect) => effect.op !== "sleep" && effect.op !== "acquire"),
    "while it is held nothing sleeps and no other lock is waited for: each time it covers one store into the tree",
  );
}

interface Updates {
  readonly tree: number;
  readonly vma: number;
  /** How often munmap takes the tree lock. */
  readonly taken: number;
  /** What munmap yields to the executor while it holds the tree lock. */
  readonly held: readonly Effect[];
}

function updates(design: DesignName): Updates {
  const mm = AddressSpace.create({ bytes: 2 ** 17, design });
  const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED;
  mm.mmap({ addr: V, length: 4 * PAGE, prot: PROT.READ | PROT.WRITE, flags });
  mm.fault(V, "write");
  const { word } = mm.treeLock;
  const fault = effectsOf(mm.design.fault(mm, V + PAGE, "write"));
  const munmap = effectsOf(munmapProtocol(mm, V, 2 * PAGE));
  const isTreeLock = (effect: Effect): boolean => "lock" in effect && effect.lock.word === word;
  const from = munmap.findIndex(isTreeLock);
  const to = munmap.findIndex((effect) => isTreeLock(effect) && effect.op === "release");
  return {
    tree: lockUpdates(fault, (lock) => lock.word === word),
    vma: lockUpdates(fault, (lock) => lock.kind === "vma"),
    taken: munmap.filter((effect) => isTreeLock(effect) && effect.op === "acquire").length,
    held: from < 0 ? [] : munmap.slice(from + 1, to),
  };
}

function messageOf(run: () => unknown): string {
  try {
    run();
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
