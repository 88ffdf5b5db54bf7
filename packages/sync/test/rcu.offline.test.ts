/*
 * A thread that sleeps in a blocking call of this package holds up no grace period of a qsbr domain, whichever
 * call it is. Every blocking call is a row; a new one belongs here.
 */
import { beforeEach, describe, expect, it } from "vitest";
import {
  Barrier,
  Completion,
  McsLock,
  Mutex,
  PerWorkerRwSem,
  RcuDomain,
  RobustMutex,
  RobustSemaphore,
  RobustSpinLock,
  RwSem,
  Semaphore,
  SeqCount,
  SeqLock,
  SpinLock,
  SrcuDomain,
  TestAndSetLock,
  TicketLock,
  WaitQueueHead,
} from "../src/index.ts";
import { anotherAgent } from "./support/agents.ts";
import { FakeAgents } from "./support/fake-agents.ts";

// Long enough to get past the looks before the first sleep also where the machine is busy with something else.
const late = { timeoutMs: 150 };
const newWords = () => new Int32Array(new SharedArrayBuffer(8192));

const repair = () => {};

/** Waits for a robust lock that another agent, which lives, holds. */
function whileHeld(make: (agents: FakeAgents) => RobustMutex | RobustSpinLock): boolean {
  const agents = new FakeAgents();
  const lock = make(agents);
  agents.as(4096, () => lock.lock());
  return agents.as(2048, () => lock.lock(late));
}

/** Blocks until the time is over. Each makes sure first that it has to wait. */
const sleeps: Record<string, () => unknown> = {
  "Mutex.lock": () => {
    const mutex = new Mutex(newWords(), 0);
    return mutex.lock() && mutex.lock(late);
  },
  "RwSem.downRead": () => {
    const sem = new RwSem(newWords(), 0);
    return sem.downWrite() && sem.downRead(late);
  },
  "RwSem.downWrite": () => {
    const sem = new RwSem(newWords(), 0);
    return sem.downRead() && sem.downWrite(late);
  },
  "Semaphore.down": () => new Semaphore(newWords(), 0).down(late),
  "Completion.wait": () => new Completion(newWords(), 0).wait(late),
  "Barrier.wait": () => new Barrier(newWords(), 0, 2).wait(late) === "passed",
  "WaitQueueHead.waitFor": () => new WaitQueueHead(newWords(), 0).waitFor(() => false, late),
  "SpinLock.lock": () => {
    const lock = new SpinLock(newWords(), 0);
    return lock.lock() && lock.lock(late);
  },
  "TestAndSetLock.lock": () => {
    const lock = new TestAndSetLock(newWords(), 0);
    return lock.lock() && lock.lock(late);
  },
  "TicketLock.lock": () => {
    const lock = new TicketLock(newWords(), 0);
    return lock.lock() && lock.lock(late);
  },
  "McsLock.lock": () => {
    const lock = new McsLock(newWords(), 0);
    return lock.lock() && lock.lock(late);
  },
  "SeqCount.begin": () => {
    const count = new SeqCount(newWords(), 0);
    count.writeBegin();
    expect(() => count.begin(late)).toThrow("timed out");
    return false;
  },
  "SeqLock.writeLock": () => {
    const lock = new SeqLock(newWords(), 0);
    return lock.readExclLock() && lock.writeLock(late);
  },
  "RobustMutex.lock": () => whileHeld((agents) => new RobustMutex(newWords(), 0, { agents, repair })),
  "RobustSpinLock.lock": () => whileHeld((agents) => new RobustSpinLock(newWords(), 0, { agents, repair })),
  "RobustSemaphore.down": () => {
    const agents = new FakeAgents();
    const semaphore = new RobustSemaphore(newWords(), 0, { agents, permits: 1 });
    agents.as(4096, () => semaphore.down());
    return agents.as(2048, () => semaphore.down(late));
  },
  "PerWorkerRwSem.downRead": () => {
    const words = newWords();
    const sem = new PerWorkerRwSem(words, 1024, new RcuDomain(words, 0));
    return sem.downWrite() && sem.downRead(late);
  },
  "PerWorkerRwSem.downWrite": () => {
    const words = newWords();
    const sem = new PerWorkerRwSem(words, 1024, new RcuDomain(words, 0));
    return sem.downRead() && sem.downWrite(late);
  },
  "RcuDomain.waitCookie": () => {
    const words = newWords();
    new RcuDomain(anotherAgent(words), 0).readLock();
    const rcu = new RcuDomain(words, 0);
    return rcu.waitCookie(rcu.cookie(), late);
  },
  "SrcuDomain.waitCookie": () => {
    const words = newWords();
    new SrcuDomain(anotherAgent(words), 0).readLock();
    const srcu = new SrcuDomain(words, 0);
    return srcu.waitCookie(srcu.cookie(), late);
  },
};

describe("a thread that reads in flavour qsbr and sleeps in", () => {
  let rcu: RcuDomain;
  let writer: RcuDomain;

  beforeEach(() => {
    const words = newWords();
    rcu = new RcuDomain(words, 0, { flavour: "qsbr" });
    writer = new RcuDomain(anotherAgent(words), 0);
  });

  it.each(Object.keys(sleeps))("%s holds nobody up", (name) => {
    rcu.read(() => {});
    const cookie = writer.cookie();
    expect(writer.poll(cookie)).toBe(false);
    expect(sleeps[name]()).toBe(false);
    expect(writer.poll(cookie)).toBe(true);
  });

  it.each(Object.keys(sleeps))("%s, inside a section, is still protected by it", (name) => {
    rcu.readLock();
    const cookie = writer.cookie();
    sleeps[name]();
    expect(writer.poll(cookie)).toBe(false);
    rcu.readUnlock();
    rcu.quiescentState();
    expect(writer.poll(cookie)).toBe(true);
  });
});
