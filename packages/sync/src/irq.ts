/*
 * Simulated interrupt contexts of one thread.
 *
 * Nothing interrupts JavaScript between two statements, so there are no interrupts to mask. There are simulators and
 * tests of code that is written for them. `raiseIrq` runs a handler as an interrupt of this thread: at once if
 * interrupts are on, else when they are switched on again, in order of arrival. Softirqs run when no interrupt
 * and no other softirq of the thread does, and neither is switched off. With `enableLockDebug()` the lock checks
 * know in which context a lock is taken, and report a class that an interrupt could find taken below it.
 *
 * Who runs when:
 *   hardirq   interrupts on; runs with them off, so no other hardirq comes in between
 *   softirq   interrupts on, softirqs on, the thread in neither kind of handler; a hardirq may come in between
 *
 * State is per thread, in this module, as the kernel's is per CPU. Source: Linux local_irq_save(),
 * local_bh_disable(), spin_lock_irqsave().
 */
import { SyncError } from "./errors.ts";

/** What kind of code runs in this thread. */
export type IrqContext = "task" | "softirq" | "hardirq";

/** What {@link irqSave} returns: 0 interrupts were on, 1 they were off. */
export type IrqFlags = 0 | 1;

/** A lock that code in interrupt context can take: a spinlock. */
export interface IrqLock {
  lock(): boolean;
  tryLock(): boolean;
  unlock(): void;
}

type Handler = () => void;

let context: IrqContext = "task";
let areIrqsOff = false;
let bhDepth = 0;
const hardirqs: Handler[] = [];
const softirqs: Handler[] = [];

/** In which context does this thread run? */
export function irqContext(): IrqContext {
  return context;
}

/** Are interrupts off in this thread? They are in a hardirq. */
export function irqsDisabled(): boolean {
  return areIrqsOff;
}

/** Could a softirq come here? Not with interrupts off, nor in a handler. */
export function softirqsEnabled(): boolean {
  return !areIrqsOff && bhDepth === 0 && context === "task";
}

/** Switches interrupts off. @returns what {@link irqRestore} wants; calls nest */
export function irqSave(): IrqFlags {
  const flags = areIrqsOff ? 1 : 0;
  areIrqsOff = true;
  return flags;
}

/** Makes interrupts what they were, and runs the handlers that came meanwhile if they are on. */
export function irqRestore(flags: IrqFlags): void {
  if (flags !== 0 && flags !== 1) {
    throw new RangeError(`irqRestore: flags must be a result of irqSave(), got ${flags}`);
  }
  areIrqsOff = flags === 1;
  deliver();
}

/** Switches softirqs off; calls nest. */
export function bhDisable(): void {
  bhDepth++;
}

/**
 * Ends {@link bhDisable}, and runs the softirqs that came meanwhile.
 *
 * @throws SyncError `EPERM` if they are not off
 */
export function bhEnable(): void {
  if (bhDepth === 0) throw new SyncError("EPERM", "bhEnable: softirqs are not off");
  bhDepth--;
  deliver();
}

/**
 * Runs `handler` as an interrupt of this thread, now or when interrupts are on again. If it throws, the error goes
 * to whoever let it run; handlers that wait stay where they are.
 */
export function raiseIrq(handler: () => void): void {
  hardirqs.push(handler);
  deliver();
}

/** Runs `handler` as a softirq of this thread, now or as soon as one may run. */
export function raiseSoftirq(handler: () => void): void {
  softirqs.push(handler);
  deliver();
}

/** Switches interrupts off, then takes the lock. @returns what {@link unlockIrqRestore} wants */
export function lockIrqSave(lock: IrqLock): IrqFlags {
  const flags = irqSave();
  try {
    lock.lock();
  } catch (error) {
    irqRestore(flags);
    throw error;
  }
  return flags;
}

/** As {@link lockIrqSave} if that needs no waiting. @returns `undefined` if it does; interrupts are as before */
export function tryLockIrqSave(lock: IrqLock): IrqFlags | undefined {
  const flags = irqSave();
  let isTaken = false;
  try {
    isTaken = lock.tryLock();
  } finally {
    if (!isTaken) irqRestore(flags);
  }
  return isTaken ? flags : undefined;
}

/** Gives the lock back, then makes interrupts what they were. */
export function unlockIrqRestore(lock: IrqLock, flags: IrqFlags): void {
  lock.unlock();
  irqRestore(flags);
}

/** Switches softirqs off, then takes the lock. */
export function lockBh(lock: IrqLock): void {
  bhDisable();
  try {
    lock.lock();
  } catch (error) {
    bhEnable();
    throw error;
  }
}

/** Gives the lock back, then ends {@link lockBh}. */
export function unlockBh(lock: IrqLock): void {
  lock.unlock();
  bhEnable();
}

function deliver(): void {
  while (!areIrqsOff) {
    const isSoft = hardirqs.length === 0;
    if (isSoft && !softirqsEnabled()) return;
    const handler = (isSoft ? softirqs : hardirqs).shift();
    if (handler === undefined) return;
    run(handler, isSoft ? "softirq" : "hardirq");
  }
}

function run(handler: Handler, as: IrqContext): void {
  const was = context;
  context = as;
  areIrqsOff = as === "hardirq";
  try {
    handler();
  } finally {
    context = was;
    areIrqsOff = false; // a handler only begins with interrupts on
  }
}
