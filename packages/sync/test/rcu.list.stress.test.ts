import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { RcuDomain, RcuList } from "../src/index.ts";
import { LIST, LIST_WORDS, markOf } from "./support/rcu-list.ts";

/** Changes the list `rounds` times, or until the reader has found something; poisons what it removes. */
function update(words: Int32Array, rounds: number, wait: (rcu: RcuDomain) => void): void {
  const rcu = new RcuDomain(words, LIST.domain);
  const list = new RcuList(words, LIST.head, LIST.link);
  const free = Array.from({ length: LIST.elements }, (_, index) => LIST.pool + index * LIST.stride);
  const linked: number[] = [];
  for (let round = 0; round < rounds && Atomics.load(words, LIST.stop) === 0; round++) {
    const fresh = free.shift() as number;
    words[fresh] = markOf(fresh);
    if (linked.length < 30) {
      if (round % 2 === 0) list.addFirst(fresh);
      else list.addLast(fresh);
      linked.push(fresh);
      continue;
    }
    const [old] = linked.splice((round * 7) % linked.length, 1);
    if (round % 2 === 0) list.remove(old);
    else list.replace(old, fresh);
    if (round % 2 === 0) free.push(fresh);
    else linked.push(fresh);
    wait(rcu);
    words.fill(-1, old, old + LIST.stride);
    free.push(old);
    if (round % 64 === 0) expect(list.validate()).toBe(linked.length);
  }
  Atomics.store(words, LIST.stop, 1);
  rcu.close();
}

async function run(rounds: number, wait: (rcu: RcuDomain) => void) {
  const words = new Int32Array(new SharedArrayBuffer(LIST_WORDS * 4));
  new RcuDomain(words, LIST.domain, { agentsMax: 4 }).close();
  const url = new URL("./support/rcu-list.worker.ts", import.meta.url);
  const worker = new Worker(url, { workerData: words.buffer });
  try {
    await new Promise((ready) => worker.once("message", ready));
    const report = new Promise<{ violations: number; walks: number }>((done) => worker.once("message", done));
    update(words, rounds, wait);
    return await report;
  } finally {
    await worker.terminate();
  }
}

describe("RcuList with a reader in another thread", () => {
  it("shows it whole elements only, while elements come, go and are replaced", async () => {
    const { violations, walks } = await run(20_000, (rcu) => rcu.synchronize());
    expect(violations).toBe(0);
    expect(walks).toBeGreaterThan(0);
  });

  it("is caught if the updater does not wait for a grace period", async () => {
    expect((await run(50_000_000, () => {})).violations).toBeGreaterThan(0);
  });
});
