/*
 * A shared operation: what a thread is about to do, and the step that it becomes once it is done.
 *
 * Two steps depend on each other if swapping them, when adjacent, could be noticed: they touch a common byte
 * and one of them writes, or they touch one wait list. A compareExchange that failed is a read, as in the
 * ECMAScript memory model; every other read-modify-write counts as a write even if it stored what was there,
 * because it synchronises.
 */

/** Name of a typed array's element type, such as `"Int32"`. */
export type ElementName =
  | "Int8"
  | "Uint8"
  | "Uint8Clamped"
  | "Int16"
  | "Uint16"
  | "Int32"
  | "Uint32"
  | "Float32"
  | "Float64"
  | "BigInt64"
  | "BigUint64";

/** Value of an element. */
export type Value = number | bigint;

/** What an operation does; all but `read` and `write` are Atomics methods. */
export type OpKind =
  | "read"
  | "write"
  | "load"
  | "store"
  | "add"
  | "sub"
  | "and"
  | "or"
  | "xor"
  | "exchange"
  | "compareExchange"
  | "wait"
  | "waitAsync"
  | "notify";

/** One shared operation, before its outcome is known. */
export interface Op {
  readonly kind: OpKind;
  readonly type: ElementName;
  /** Number of the buffer, in the order in which `setup` made them. */
  readonly buffer: number;
  /** First byte inside the buffer. */
  readonly offset: number;
  /** Bytes touched. */
  readonly size: number;
  /** Value to store, to add, to expect (`wait`, `compareExchange`), or the count of `notify`. */
  readonly value: Value;
  /** `compareExchange`: the replacement. */
  readonly replacement: Value;
  /** `wait`: milliseconds, `Infinity` if it waits forever. */
  readonly timeoutMs: number;
  /** Where the code under test stood; only in traced executions. */
  readonly stack?: string;
}

/** What a thread does when it is scheduled: its operation, or something that happens to it. */
export type Action = "run" | "timeout" | "kill" | number | `promise ${string}`;

/** The value that a plain read returns although it is written later, `undefined` for other actions. */
export function promisedBy(action: Action): Value | undefined {
  if (typeof action !== "string" || !action.startsWith("promise ")) return undefined;
  const text = action.slice(8);
  return text.endsWith("n") ? BigInt(text.slice(0, -1)) : Number(text);
}

/** Which thread goes next, and what it does. A number is the rank of a stale value. */
export interface Choice {
  readonly thread: number;
  readonly action: Action;
}

/** What a step was. `enter` is the first half of a wait that sleeps, `wake` its second half; a `waitAsync` that
 * sleeps is an `op`, and a `wake` or `timeout` later. `late` is a timeout that fires because nobody else can run. */
export type StepKind = "op" | "enter" | "wake" | "timeout" | "late" | "kill";

/** A thread that a notify woke: from `Atomics.wait` if `sleep` is `-1`, else from that one of its `waitAsync`. */
export interface Woken {
  readonly thread: number;
  readonly sleep: number;
}

/** An operation that was done. */
export interface Step {
  readonly choice: Choice;
  readonly kind: StepKind;
  readonly op: Op;
  /** What the operation returned. */
  readonly result: unknown;
  /** Did memory change? */
  readonly changed: boolean;
  /** The element's value afterwards. */
  readonly after: Value;
  /** Who was woken by a notify, in order. */
  readonly woken: readonly Woken[];
  /** Of the end of a `waitAsync`, and of a death in one: which sleep of the thread; else `-1`. */
  readonly sleep: number;
}

/** Does the step write, as far as dependence goes? */
export function writes(step: Step): boolean {
  switch (step.op.kind) {
    case "read":
    case "load":
    case "wait":
    case "waitAsync":
    case "notify":
      return false;
    case "compareExchange":
      return step.changed || step.result === step.op.value;
    default:
      return step.kind === "op";
  }
}

/** Does the operation use a wait list? */
export function usesWaitList(op: Op): boolean {
  return op.kind === "wait" || op.kind === "waitAsync" || op.kind === "notify";
}

/** Do the operations touch a common byte? */
export function overlaps(a: Op, b: Op): boolean {
  return a.buffer === b.buffer && a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

/** Did `earlier`, a notify, end the sleep whose end is `later`? */
export function wakes(earlier: Step, later: Step): boolean {
  if (later.kind !== "wake") return false;
  return earlier.woken.some(({ thread, sleep }) => thread === later.choice.thread && sleep === later.sleep);
}

/**
 * An agent is told of its sleeps' ends in the order of the notifies, and may be told of a timeout before or
 * after one.
 */
function meetsAgent(a: Step, b: Step): boolean {
  return a.woken.some(
    ({ thread, sleep }) =>
      sleep >= 0 &&
      (b.woken.some((other) => other.thread === thread && other.sleep >= 0) ||
        (b.choice.thread === thread && isTimeout(b))),
  );
}

function isTimeout(step: Step): boolean {
  return step.kind === "timeout" || step.kind === "late";
}

/** Could it be noticed if the two steps, when adjacent, were swapped? */
export function dependent(a: Step, b: Step): boolean {
  if (a.woken.length > 0 && meetsAgent(a, b)) return true;
  if (b.woken.length > 0 && meetsAgent(b, a)) return true;
  // Each takes from what the execution may spend on timeouts.
  if (a.kind === "timeout" && b.kind === "timeout") return true;
  // With an agent its sleeps leave their lists, whatever it was about to do.
  if (a.kind === "kill" && a.sleep >= 0) return usesWaitList(b.op);
  if (b.kind === "kill" && b.sleep >= 0) return usesWaitList(a.op);
  if (!overlaps(a.op, b.op) || a.kind === "wake" || b.kind === "wake") return false;
  if (a.kind === "kill" || b.kind === "kill") return usesWaitList(a.op) && usesWaitList(b.op);
  return writes(a) || writes(b) || (usesWaitList(a.op) && usesWaitList(b.op));
}

/** Does the operation leave memory as it is, given the value there? */
export function isSilent(op: Op, value: Value): boolean {
  switch (op.kind) {
    case "read":
    case "load":
      return true;
    case "compareExchange":
      return value !== op.value || op.value === op.replacement;
    case "exchange":
      return value === op.value;
    case "or":
      return (BigInt(value) | BigInt(op.value)) === BigInt(value);
    case "add":
    case "sub":
    case "xor":
      return Number(op.value) === 0;
    case "wait":
    case "waitAsync":
      return value !== op.value;
    default:
      return false;
  }
}

/** The word that the operation touches, as a key. */
export function keyOf(op: Op): number {
  return op.buffer * 2 ** 32 + op.offset;
}

/** Is it an operation of `Atomics`, hence sequentially consistent? */
export function isAtomic(op: Op): boolean {
  return op.kind !== "read" && op.kind !== "write";
}

/** Are they the same operation, as far as a re-executed thread must repeat it? */
export function sameOp(a: Op, b: Op): boolean {
  return (
    a.kind === b.kind &&
    a.buffer === b.buffer &&
    a.offset === b.offset &&
    a.type === b.type &&
    Object.is(a.value, b.value) &&
    Object.is(a.replacement, b.replacement) &&
    a.timeoutMs === b.timeoutMs
  );
}

/** The operation as a reader would write it, such as `Int32[4].add(1)`. */
export function describeOp(op: Op): string {
  const place = `${op.type}${op.buffer === 0 ? "" : `#${op.buffer}`}[${op.offset / op.size}]`;
  switch (op.kind) {
    case "read":
      return `${place}`;
    case "write":
      return `${place} = ${op.value}`;
    case "load":
      return `load ${place}`;
    case "compareExchange":
      return `compareExchange ${place} ${op.value} -> ${op.replacement}`;
    default:
      return `${op.kind} ${place} ${op.value}`;
  }
}

/** An operation that a thread has done, to be replayed; or the end of one of its sleeps, if `sleep >= 0`. */
export interface Logged {
  readonly op: Op;
  readonly result: unknown;
  readonly sleep: number;
}
