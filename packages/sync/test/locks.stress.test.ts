import { describe, expect, it } from "vitest";
import { Mutex, RwSem, SpinLock } from "../src/index.ts";
import { stress } from "./support/stress.ts";
import { COPY, COUNTER, LOCK } from "./support/stress-parts.ts";

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);

describe("locks under three and more threads", () => {
  it("SpinLock loses no increment", async () => {
    const { results, words } = await stress(["spin", "spin", "spin"], 30_000);
    expect(words[COUNTER]).toBe(sum(results));
    expect(new SpinLock(words, LOCK).isLocked).toBe(false);
  });

  it("Mutex loses no increment", async () => {
    const { results, words } = await stress(["mutex", "mutex", "mutex"], 20_000);
    expect(words[COUNTER]).toBe(sum(results));
    const mutex = new Mutex(words, LOCK);
    mutex.validate();
    expect(String(mutex)).toBe("Mutex(free, waiting: 0)");
  });

  it("a lock that excludes nobody is caught by the same test", async () => {
    const { results, words } = await stress(["busted", "busted", "busted"], 300_000);
    expect(words[COUNTER]).toBeLessThan(sum(results));
  });

  for (const part of ["spinImpatient", "mutexImpatient"] as const) {
    it(`${part}: waiters that give up leave the lock usable and lose no increment`, async () => {
      const { results, words } = await stress([part, part, part], 4000);
      expect(words[COUNTER]).toBe(sum(results));
      const lock = part === "spinImpatient" ? new SpinLock(words, LOCK) : new Mutex(words, LOCK);
      lock.validate();
      expect(lock.tryLock()).toBe(true);
    });
  }

  for (const policy of ["linux", "fair-fifo", "reader-pref", "writer-pref"] as const) {
    it(`RwSem with policy ${policy}: readers never see a writer at work, and nobody is stuck`, async () => {
      // Strict order costs a wake-up for each change of hands, so it gets fewer of them.
      const rounds = policy === "fair-fifo" ? 3000 : 10_000;
      const prepare = (words: Int32Array) => void new RwSem(words, LOCK, { policy });
      const { results, words } = await stress(["rwWrite", "rwRead", "rwWrite", "rwRead"], rounds, prepare);
      expect(results).toEqual([0, 0, 0, 0]);
      expect([words[COUNTER], words[COPY]]).toEqual([2 * rounds, 2 * rounds]);
      const sem = new RwSem(words, LOCK);
      sem.validate();
      expect(String(sem)).toBe("RwSem(free, waiting: nobody)");
    });
  }
});
