/*
 * Turns over the async forms: some tasks of one thread at once, each with its own way to wait: as long as it takes, for
 * a limited time, or until its signal is aborted. A task may hold the lock across an await.
 *
 * The thread calls nothing that blocks meanwhile: it would stand in the way of its own tasks.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type AsyncWaitOptions, Mutex, RwSem, SpinLock } from "../src/index.ts";
import type { Actor } from "./actor.ts";
import { enterRead, enterWrite } from "./stations.ts";
import { MUTEX, SEM, SPIN, type Station } from "./words.ts";

/** A lock, by its async form. */
interface AsyncLock {
  readonly name: string;
  readonly at: Station;
  readonly take: (options?: AsyncWaitOptions) => Promise<boolean>;
  readonly give: () => void;
  readonly enter: (actor: Actor, name: string, at: Station) => () => void;
}

/** @param withSpin - without it only the locks that sleep: a broken spinlock has no async form */
export function asyncLocks(words: Int32Array, withSpin: boolean): AsyncLock[] {
  const spin = new SpinLock(words, SPIN.lock);
  const mutex = new Mutex(words, MUTEX.lock);
  const sem = new RwSem(words, SEM.lock);
  const writing = { enter: enterWrite };
  const locks: AsyncLock[] = [
    { name: "Mutex", at: MUTEX, take: (o) => mutex.lockAsync(o), give: () => mutex.unlock(), ...writing },
    { name: "RwSem", at: SEM, take: (o) => sem.downWriteAsync(o), give: () => sem.upWrite(), ...writing },
    { name: "RwSem", at: SEM, take: (o) => sem.downReadAsync(o), give: () => sem.upRead(), enter: enterRead },
  ];
  if (withSpin) {
    const take = (options?: AsyncWaitOptions) => spin.lockAsync(options);
    locks.push({ name: "SpinLock", at: SPIN, take, give: () => spin.unlock(), ...writing });
  }
  return locks;
}

/** A few tasks at once; resolves when all are through. */
export async function asyncTurn(actor: Actor, locks: readonly AsyncLock[]): Promise<void> {
  const tasks = Array.from({ length: 2 + actor.roll(3) }, () =>
    oneTask(actor, locks[actor.roll(locks.length)]),
  );
  await Promise.all(tasks);
}

async function oneTask(actor: Actor, lock: AsyncLock): Promise<void> {
  if (!(await takeInSomeWay(actor, lock))) return;
  const leave = lock.enter(actor, lock.name, lock.at);
  if (actor.oneIn(3)) await sleep(actor.roll(2));
  leave();
  lock.give();
  actor.count(`${lock.name} taken by a task`);
}

async function takeInSomeWay(actor: Actor, { name, take }: AsyncLock): Promise<boolean> {
  const way = actor.roll(4);
  if (way < 2) return take();
  if (way === 2) {
    const isGot = await take({ timeoutMs: actor.roll(4) });
    if (!isGot) actor.count(`${name} async timeouts`);
    return isGot;
  }
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), actor.roll(4));
  try {
    return await take({ signal: controller.signal });
  } catch (error) {
    if ((error as { code?: unknown }).code !== "EINTR") throw error;
    actor.count(`${name} aborts`);
    return false;
  } finally {
    clearTimeout(timer);
  }
}
