import {
  AddressSpace,
  type FaultResult,
  MAP,
  mprotectProtocol,
  munmapProtocol,
  PROT,
  StepsExecutor,
} from "@faultline/mm";
import type { Chapter } from "../walk/chapter.ts";
import { effectsOf } from "../walk/drive.ts";
import type { Page } from "../walk/page.ts";

const PAGE = 4096;
const V = 0x7000_0000;
const OTHER = V + 64 * PAGE;
const HOLE = V + 2 * PAGE;

export const chapter: Chapter = {
  number: 12,
  title: "The writers' side",
  claims: [
    { id: "C4", who: "Yoo", says: "How could a lock that readers take for faults become a spinlock?" },
    { id: "later", who: "in the thread", says: "mmap_lock serves many purposes besides guarding the tree." },
  ],
  run: (page) => {
    munmapOfTheMiddle(page);
    oneReleaseForAll(page);
  },
};

function space(): AddressSpace {
  const mm = AddressSpace.create({ bytes: 2 ** 18, design: "per-vma-lock" });
  const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED;
  const prot = PROT.READ | PROT.WRITE;
  for (const addr of [V, OTHER]) {
    mm.mmap({ addr, length: 8 * PAGE, prot, flags });
    mm.fault(addr, "write");
  }
  return mm;
}

function munmapOfTheMiddle(page: Page): void {
  const mm = space();
  page.say(
    "munmap of two pages in the middle of V, step by step; after each of its first steps a fault in another VMA, and two in the hole:",
  );
  const run = new StepsExecutor();
  run.spawn("W", munmapProtocol(mm, HOLE, 2 * PAGE));
  const elsewhere: FaultResult[] = [];
  let waited = 0;
  for (let index = 0; index < 6; index++) {
    run.step("W");
    const name = `O${index}`;
    run.spawn(name, mm.design.fault(mm, OTHER + (index + 1) * PAGE, "write"));
    run.runThread(name);
    if (run.stateOf(name) !== "done") waited += 1;
    else elsewhere.push(run.result(name) as FaultResult);
  }
  const inHole = ["H0", "H1"].map((name, index) => {
    run.spawn(name, mm.design.fault(mm, HOLE + index * PAGE, "write"));
    run.runThread(name);
    return name;
  });
  run.runToEnd();
  mm.validate();
  for (const { thread, text, locksHeld } of run.events) {
    if (thread === "W") page.line(`  ${shown(text).padEnd(46)} ${locksHeld.map(shown).join(", ")}`.trimEnd());
  }
  const results = inHole.map((name) => run.result(name) as FaultResult);
  page.line(mapsOf(mm));
  page.check(
    waited === 0 && elsewhere.every(({ path, outcome }) => path === "vma-lock" && outcome === "ok"),
    `${elsewhere.length} of 6 faults in the other VMA are served at once, while mmap_lock is held for write`,
  );
  page.check(
    results.every(({ path, outcome }) => path === "mmap-lock" && outcome === "SIGSEGV"),
    "both faults in the hole fall back, wait, and find nothing mapped",
  );
  const texts = run.events.filter((event) => event.thread === "W").map((event) => event.text);
  const detached = texts.findIndex((text) => text.includes("detached"));
  const downgraded = texts.findIndex((text) => text.includes("downgrade"));
  page.check(
    detached >= 0 && detached < downgraded,
    "first nobody can find the VMA any more, then the lock is downgraded, then the pages go: zapping is long",
  );
}

function oneReleaseForAll(page: Page): void {
  page.part("mprotect over three VMAs");
  const mm = space();
  const flags = MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED;
  for (let index = 0; index < 3; index++) {
    const prot = index === 1 ? PROT.READ : PROT.READ | PROT.WRITE;
    mm.mmap({ addr: V + (100 + index) * PAGE, length: PAGE, prot, flags });
  }
  const before = mm.mmLockSeq;
  const effects = effectsOf(mprotectProtocol(mm, V + 100 * PAGE, 3 * PAGE, PROT.READ | PROT.EXEC));
  mm.validate();
  const stamps = new Set(
    effects.flatMap((effect) =>
      effect.op === "acquire" && effect.lock.kind === "vma" ? [effect.lock.word] : [],
    ),
  );
  page.line(
    `  ${stamps.size} VMAs stamped, mm_lock_seq moved by ${mm.mmLockSeq - before}: odd while it lasts, then even`,
  );
  page.check(
    stamps.size === 3,
    "three stamps, one release: moving the sequence on unlocks all of them at once",
  );
  page.say(
    "And C4: of all that mmap_lock did here, a spinlock for the tree would take over one thing, the single store into the tree. Faults never take it.",
  );
}

/** Addresses say little here; the names say which lock. */
function shown(text: string): string {
  return text.replace(/vma [0-9a-f]+-[0-9a-f]+/, "VMA");
}

function mapsOf(mm: AddressSpace): string {
  return mm
    .maps()
    .trimEnd()
    .split("\n")
    .map((line) => `    ${line.trimEnd()}`)
    .join("\n");
}
