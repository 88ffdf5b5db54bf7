import { Worker } from "node:worker_threads";
import { RcuDomain } from "@faultline/sync";
import type { Chapter } from "../walk/chapter.ts";
import type { Page } from "../walk/page.ts";
import { everySchedule, type Model, type ModelThread } from "../walk/schedules.ts";
import { Command, DOMAIN, ON_SHOW, order, PICTURES, POISON } from "./museum.ts";

const [OLD, NEW] = PICTURES;
/** When each reader is inside: from its first tick to its last. */
const VISITS = [
  { enters: 1, leaves: 5 },
  { enters: 3, leaves: 9 },
  { enters: 6, leaves: 8 },
] as const;
const RETIRED_AT = 4;

export const chapter: Chapter = {
  number: 4,
  title: "RCU: readers who own nothing",
  claims: [
    {
      id: "C10",
      who: "Wilcox",
      says: "As with any RCU structure, freeing is put off while a reader may still hold a reference.",
    },
  ],
  run: (page) => {
    threeReaders(page);
    freeTooEarly(page);
  },
};

/** Three real workers, led through their visits tick by tick, so that the run is the same every time. */
function threeReaders(page: Page): void {
  const words = new Int32Array(new SharedArrayBuffer(4 * (DOMAIN + RcuDomain.words(8))));
  const rcu = new RcuDomain(words, DOMAIN, { agentsMax: 8 });
  words[OLD] = 1;
  words[NEW] = 2;
  Atomics.store(words, ON_SHOW, OLD);
  const visitors = VISITS.map((_, visitor) => startVisitor(words, visitor));
  const seen: number[] = [];
  let cookie: number | undefined;
  let freedAt = 0;
  for (let tick = 1; tick <= 10 && freedAt === 0; tick++) {
    for (const [visitor, { enters, leaves }] of VISITS.entries()) {
      if (tick === enters) {
        seen[visitor] = order(words, visitor, Command.enter);
        page.line(`  t=${tick}  R${visitor + 1} enters and sees v${seen[visitor]}`);
      }
      if (tick === leaves) {
        const still = order(words, visitor, Command.look);
        order(words, visitor, Command.leave);
        page.line(`  t=${tick}  R${visitor + 1} still sees v${still}, and leaves`);
      }
    }
    if (tick === RETIRED_AT) {
      Atomics.store(words, ON_SHOW, NEW);
      cookie = rcu.cookie();
      page.line(`  t=${tick}  the writer publishes v2 and retires v1: a grace period begins`);
    }
    if (cookie !== undefined && rcu.poll(cookie)) {
      words[OLD] = POISON;
      freedAt = tick;
      page.line(`  t=${tick}  the grace period has ended: v1 is freed`);
    }
  }
  for (const [visitor, worker] of visitors.entries()) {
    order(words, visitor, Command.goHome);
    void worker.terminate();
  }
  page.check(seen.join() === "1,1,2", "R1 and R2 keep v1 for their whole visit, R3 sees v2");
  page.check(
    freedAt === 9,
    "v1 is freed at 9: when R2 leaves, who was inside at 4; R3, who came later, is not waited for",
  );
}

function startVisitor(words: Int32Array, visitor: number): Worker {
  return new Worker(new URL("./visitor.worker.ts", import.meta.url), { workerData: { words, visitor } });
}

function freeTooEarly(page: Page): void {
  page.part("The same without waiting, in every order of the two threads' steps");
  const early = everySchedule(() => oneReaderOneWriter("at once"));
  const deferred = everySchedule(() => oneReaderOneWriter("after a grace period"));
  const wrong = (found: typeof early): number => found.wrong.get("freed memory was read") ?? 0;
  page.table(
    ["v1 is freed", "orders", "read freed memory"],
    [
      ["at once", early.schedules, wrong(early)],
      ["after a grace period", deferred.schedules, wrong(deferred)],
    ],
  );
  page.line("  the shortest order that goes wrong:");
  for (const line of early.shortest ?? []) page.line(`    ${line}`);
  page.check(wrong(early) > 0, "free at once: some reader reads memory that is no longer v1's");
  page.check(wrong(deferred) === 0, "free after a grace period: in no order");
}

/** R: enter, load the pointer, read, leave. W: publish, wait or not, free. On the package's own RcuDomain. */
function oneReaderOneWriter(when: "at once" | "after a grace period"): Model {
  const words = new Int32Array(DOMAIN + RcuDomain.words(2));
  const rcu = new RcuDomain(words, DOMAIN, { agentsMax: 2 });
  words[OLD] = 1;
  words[NEW] = 2;
  words[ON_SHOW] = OLD;
  let read = 0;
  function* reader(): ModelThread {
    rcu.readLock();
    yield { does: "enters a read section" };
    const picture = Atomics.load(words, ON_SHOW);
    yield { does: `loads the pointer: v${picture === OLD ? 1 : 2}` };
    read = words[picture] ?? 0;
    yield { does: read === POISON ? "reads 0x6b6b6b6b: freed memory" : `reads v${read}` };
    rcu.readUnlock();
    yield { does: "leaves" };
  }
  function* writer(): ModelThread {
    Atomics.store(words, ON_SHOW, NEW);
    const cookie = rcu.cookie();
    const ended = (): boolean => rcu.poll(cookie);
    yield { does: "publishes v2", ...(when === "at once" ? {} : { until: ended }) };
    words[OLD] = POISON;
    yield { does: "frees v1" };
  }
  return {
    threads: [
      { name: "R", steps: reader() },
      { name: "W", steps: writer() },
    ],
    verdict: () => (read === POISON ? "freed memory was read" : undefined),
  };
}
