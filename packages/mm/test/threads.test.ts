import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import {
  AddressSpace,
  type DesignName,
  designs,
  type FaultCounters,
  MAP,
  PROT,
  type Protocol,
} from "../src/index.ts";

const PAGE = 4096;
const BASE = 0x7000_0000;
const PAGES = 64;
const DESIGNS = Object.keys(designs) as DesignName[];

interface Report {
  readonly counts: Readonly<Record<string, number>>;
  readonly faults: FaultCounters;
}

function startWorker(workerData: object): Promise<Report> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./faulting.worker.ts", import.meta.url), {
      workerData,
      execArgv: ["--conditions=@faultline/source"],
    });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

/** Lets workers with these roles loose on one address space; what each has counted. */
async function stress(mm: AddressSpace, roles: readonly string[], rounds: number): Promise<Report[]> {
  const start = mm.arena.allocWords(1);
  const handle = mm.handle();
  const common = { handle, rounds, base: BASE, pages: PAGES, start, threads: roles.length };
  return await Promise.all(roles.map((role, index) => startWorker({ ...common, role, seed: 7 + index })));
}

describe("workers on one address space", () => {
  test.each(DESIGNS)(
    "%s: faults and changes of mappings leave no page outside of a mapping",
    async (design) => {
      const mm = AddressSpace.create({ shared: true, design });
      mm.mmap({
        addr: BASE,
        length: PAGES * PAGE,
        prot: PROT.READ | PROT.WRITE,
        flags: MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED,
      });
      const [faults, maps] = await stress(mm, ["faults", "maps"], 6000);
      mm.validate();
      mm.arena.validate();
      expect(faults!.counts["ok"]).toBeGreaterThan(0);
      expect(faults!.counts["SIGSEGV"]).toBeGreaterThan(0);
      expect(maps!.counts["munmap"]).toBeGreaterThan(0);
      const { success, retry, abort, mmapLock } = faults!.faults;
      expect(success + mmapLock).toBe(6000);
      expect(mmapLock).toBe(design === "mmap-lock" ? 6000 : abort + retry);
    },
  );

  test("per-vma-lock: three faulting threads and one that maps", async () => {
    const mm = AddressSpace.create({ shared: true, design: "per-vma-lock" });
    await stress(mm, ["faults", "faults", "faults", "maps"], 3000);
    mm.validate();
    expect(mm.vmas().length).toBeGreaterThan(0);
    mm.munmap(BASE, PAGES * PAGE);
    mm.validate();
  });
});

describe("the threads executor", () => {
  test("refuses to sleep in an RCU section", () => {
    function* sleepInSection(): Protocol<void> {
      yield { op: "rcu-lock" };
      try {
        yield { op: "sleep", what: "page from disk", ns: 1 };
      } finally {
        yield { op: "rcu-unlock" };
      }
    }
    const mm = AddressSpace.create();
    expect(() => mm.run(sleepInSection())).toThrow("page from disk");
  });

  test("runs what was deferred after the protocol, without locks in hand", () => {
    const order: string[] = [];
    function* defer(): Protocol<void> {
      yield { op: "rcu-lock" };
      yield { op: "rcu-defer", bytes: 4, free: () => order.push("freed") };
      order.push("deferred");
      yield { op: "rcu-unlock" };
      order.push("end");
    }
    AddressSpace.create().run(defer());
    expect(order).toEqual(["deferred", "end", "freed"]);
  });
});
