// What a Web Worker does for the tests. Every function may block: that is what makes it a worker's.
import { joinWebAgent, Mutex, RcuDomain, SharedMemory, SrcuDomain, ThreadRegistry } from "@faultline/sync";
import { lockOf, signal, Word } from "./shared.mjs";
import { holdTree, readTree, writeTree } from "./tree-agents.mjs";

const functions = {
  /** Can a worker see that it may block, and that memory is shared? */
  platform: () => ({
    crossOriginIsolated,
    canWait: Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1),
  }),

  /** Holds a lock until it is told to let go; it says so in a word since its event loop stands still. */
  hold({ words, kind }) {
    const lock = lockOf(kind, words);
    lock.lock();
    signal(words, Word.Held);
    Atomics.wait(words, Word.Release, 0);
    Atomics.store(words, Word.Seen, 1);
    lock.unlock();
  },

  /** Adds to a plain counter under a lock, in step with the other workers. */
  count({ words, kind, times, workers, isPlanted }) {
    const lock = isPlanted ? { lock() {}, unlock() {} } : lockOf(kind, words);
    startTogether(words, workers);
    for (let time = 0; time < times; time++) {
      lock.lock();
      const was = words[Word.Counter]; // plain: the lock is what orders it
      // Time for another agent to come in between, if the lock lets it.
      for (let look = 0; look < 20; look++) Atomics.load(words, Word.Ready);
      words[Word.Counter] = was + 1;
      lock.unlock();
    }
  },

  /** Adds to a plain counter under a mutex in a memory it attaches to. @returns what ran its fast path */
  countInMemory({ handle, times }) {
    const words = SharedMemory.attach(handle).words();
    const mutex = new Mutex(words, Word.Lock);
    for (let time = 0; time < times; time++) mutex.withLock(() => void words[Word.Counter]++);
    return mutex.backend;
  },

  /** A read section that lasts until it is told to end. */
  readSection({ words }) {
    using domain = new RcuDomain(words, Word.Rcu);
    domain.readLock();
    signal(words, Word.Held);
    Atomics.wait(words, Word.Release, 0);
    Atomics.store(words, Word.Seen, 1);
    domain.readUnlock();
  },

  /** Sees that somebody else's read section holds up a blocking grace period. */
  synchronize({ words }) {
    using domain = new RcuDomain(words, Word.Rcu);
    signal(words, Word.Ready);
    domain.synchronize();
    return Atomics.load(words, Word.Seen);
  },

  /** Joins as an agent, enters sections, and never comes back: it sleeps, computes or ends. */
  async agentInSection({ words, seat, act }) {
    const registry = new ThreadRegistry(words, Word.Registry);
    await joinWebAgent(registry, seat);
    if (act === "leave") registry.leave();
    if (act === "leave") return close();
    new RcuDomain(words, Word.Rcu).readLock();
    new SrcuDomain(words, Word.Srcu).readLock();
    signal(words, Word.Held);
    if (act === "close") close();
    if (act === "throw")
      setTimeout(() => {
        throw new Error("in the section");
      });
    if (act === "sleep") Atomics.wait(words, Word.Release, 0);
    if (act === "spin") for (;;);
  },

  holdTree,
  writeTree,
  readTree,
};

/**
 * Nobody begins before all are there: two loops one after the other would show nothing. Waking a sleeper takes
 * as long as many turns of the loop, so those who are there first look again and again.
 */
function startTogether(words, workers) {
  Atomics.add(words, Word.Ready, 1);
  while (Atomics.load(words, Word.Ready) < workers);
}

addEventListener("message", async ({ data: { name, argument } }) => {
  try {
    const result = functions[name](argument);
    // Not awaited unless need be: what is not async answers in the same turn.
    postMessage({ result: result instanceof Promise ? await result : result });
  } catch (error) {
    postMessage({ error: `in ${name}: ${error.stack}` });
  }
});
