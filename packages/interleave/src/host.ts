/*
 * Between the replaced globals and whoever runs the code under test. Nothing here schedules: every access goes
 * to the `Host` that runs at the moment.
 */
import { type AnyView, elementOf, NativeSharedArrayBuffer } from "./natives.ts";
import type { ElementName, Op, OpKind, Value } from "./op.ts";

/** Who runs the code under test. */
export interface Host {
  /** Does a shared operation and returns its result. May throw `Suspend`. */
  access(op: Op): unknown;
  /**
   * The result of an operation that the thread has done before, {@link NOT_DONE} if it has not. Most operations
   * of a re-executed thread end here, so that none is made an object of.
   */
  repeat(
    kind: OpKind,
    type: ElementName,
    buffer: number,
    offset: number,
    value: Value,
    replacement: Value,
    timeoutMs: number,
  ): unknown;
  /** Number of the buffer, `-1` for one that is private to the running thread. */
  idOf(buffer: ArrayBufferLike): number;
  allocate(bytes: number, options?: { maxByteLength?: number }): SharedArrayBuffer;
  /** Virtual time of the running thread, in ms. */
  now(): number;
  /** Refuses what would make the model nondeterministic. */
  refuse(what: string): never;
  /** Capture stacks? */
  readonly traced: boolean;
}

/** What {@link Host.repeat} returns for an operation that is new. */
export const NOT_DONE: unique symbol = Symbol("not done");

/** The one that runs; `undefined` outside executions, where the replaced globals act as the real ones. */
export let host: Host | undefined;

/** Makes `next` the one that runs. */
export function setHost(next: Host | undefined): void {
  host = next;
}

/** A view as accesses need it. */
export interface Facts {
  readonly view: AnyView;
  readonly type: ElementName;
  readonly size: number;
  readonly start: number;
  readonly length: number;
  readonly isShared: boolean;
  /** Whom {@link buffer} was asked of. */
  host: Host | undefined;
  /** Number of its buffer. */
  buffer: number;
}

/**
 * Under this name a proxy gives the facts of its view. A WeakMap would do, but what it holds outlives the short
 * collections: it made checks half as fast.
 */
export const FACTS: unique symbol = Symbol("facts");
let lastGiven: object | undefined;
let lastFacts: Facts | undefined;

/** Facts of a real view. */
export function factsOfView(view: AnyView): Facts {
  return {
    view,
    type: elementOf(view),
    size: view.BYTES_PER_ELEMENT,
    start: view.byteOffset,
    length: view.length,
    isShared: isShared(view.buffer),
    host: undefined,
    buffer: -1,
  };
}

interface Wrapped {
  readonly [FACTS]: Facts;
}

/** The real view of what the code under test has; anything that is no proxy itself. */
export function unwrap(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return (value as Partial<Wrapped>)[FACTS]?.view ?? value;
}

/** Facts of a view or of its proxy. Code mostly uses one view again and again, so the last one is kept. */
export function factsOf(given: AnyView): Facts {
  if (given === lastGiven) return lastFacts!;
  const facts = (given as Partial<Wrapped>)[FACTS] ?? factsOfView(given);
  lastGiven = given;
  lastFacts = facts;
  return facts;
}

/** Number of the view's buffer for the running host, `-1` if it is private. */
export function bufferOf(facts: Facts, running: Host): number {
  if (facts.host !== running) {
    facts.buffer = running.idOf(facts.view.buffer);
    facts.host = running;
  }
  return facts.buffer;
}

/** Does a shared operation, or repeats it. */
export function perform(
  running: Host,
  kind: OpKind,
  type: ElementName,
  buffer: number,
  offset: number,
  size: number,
  value: Value,
  replacement: Value,
  timeoutMs: number,
): unknown {
  const known = running.repeat(kind, type, buffer, offset, value, replacement, timeoutMs);
  if (known !== NOT_DONE) return known;
  const op: Op = { kind, type, buffer, offset, size, value, replacement, timeoutMs };
  return running.access(running.traced ? { ...op, stack: stackHere() } : op);
}

function stackHere(): string {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, stackHere);
  return holder.stack ?? "";
}

/** Is it shared memory? */
export function isShared(buffer: unknown): boolean {
  return buffer instanceof NativeSharedArrayBuffer;
}
