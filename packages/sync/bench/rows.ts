/*
 * What is compared with what, and how good is good enough. A ratio is nsPerOp / referenceNsPerOp, so less is
 * better everywhere, and a goal is the largest ratio that meets it; `null` means shown for comparison only.
 */
import type { Backend } from "@faultline/sync";

/** One line of the report. */
export interface Row {
  readonly name: string;
  readonly backend: Backend;
  readonly nsPerOp: number;
  readonly reference: string;
  readonly referenceNsPerOp: number;
  readonly ratio: number;
  readonly goal: number | null;
}

/** Nanoseconds per operation by {@link keyOf}. */
export type Figures = ReadonlyMap<string, number>;

type Comparison = readonly [name: string, backend: Backend, reference: string, goal: number | null];

/** "At least 60 times faster". */
const SIXTIETH = 1 / 60;
/** Two readers do 1.9 times the work of one: each takes at most 2 / 1.9 as long per section. */
const TWO_READERS = 2 / 1.9;
/** A goal in nanoseconds is a ratio to this. */
const NANOSECOND = "1 ns";

/** Name of a figure: that of the case, and the backend if it is not the plain one. */
export function keyOf(name: string, backend: Backend): string {
  return backend === "js" ? name : `${name} (wasm)`;
}

/** Cases in which threads take a lock from each other or turns, measured as the median. */
export function isContended(key: string): boolean {
  return /round trip|(Mutex|SpinLock|mutex|bare lock).*, 2 (workers|threads)/.test(key);
}

const JS_FLOORS: readonly Comparison[] = [
  ["compareExchange + store", "js", "npm multithreading Mutex.lock", null],
  ["Atomics.load + two Atomics.store", "js", "two Atomics.store", null],
  ["a store to a field, twice", "js", NANOSECOND, null],
  ["bare lock that spins, 2 workers", "js", "C pthread_mutex, 2 threads", null],
  ["bare lock that sleeps, 2 workers", "js", "C pthread_mutex, 2 threads", null],
  ["Mutex, 1 worker", "js", "C pthread_mutex, 2 threads", null],
];

const WASM_FLOORS: readonly Comparison[] = [
  ["two empty calls", "wasm", "C pthread_spin", null],
  ["compareExchange + store", "wasm", "C pthread_spin", null],
  ["two adds", "wasm", "C pthread_rwlock read", null],
  ["two exchanges", "wasm", "RcuDomain mb read section", null],
  ["Mutex, 1 worker", "wasm", "C pthread_mutex, 2 threads", null],
];

const COMPARISONS: readonly Comparison[] = [
  ["SpinLock lock + unlock", "js", "compareExchange + store", 1.25],
  ["SpinLock lock + unlock", "js", "C pthread_spin", null],
  ["SpinLock lock + unlock", "wasm", "C pthread_spin", 1.8],
  ["Mutex lock + unlock", "js", "compareExchange + store", 1.3],
  ["Mutex lock + unlock", "js", "C pthread_mutex", null],
  ["Mutex lock + unlock", "js", "npm multithreading Mutex.lock", SIXTIETH],
  ["Mutex lock + unlock", "js", "npm multithreading Mutex.blockingLock", null],
  ["Mutex lock + unlock", "js", "npm async-mutex", null],
  ["Mutex lock + unlock", "wasm", "C pthread_mutex", 1.8],
  ["Mutex lock + unlock", "wasm", "npm multithreading Mutex.lock", SIXTIETH],
  ["Mutex lock + unlock", "wasm", "npm async-mutex", null],
  ["RwSem downWrite + upWrite", "js", "compareExchange + store", 1.3],
  ["RwSem downWrite + upWrite", "js", "C pthread_rwlock write", null],
  ["RwSem downWrite + upWrite", "js", "npm multithreading RwLock.write", SIXTIETH],
  ["RwSem downWrite + upWrite", "wasm", "C pthread_mutex", 1.8],
  ["RwSem downWrite + upWrite", "wasm", "C pthread_rwlock write", null],
  ["RwSem downWrite + upWrite", "wasm", "npm multithreading RwLock.write", SIXTIETH],
  ["RwSem downRead + upRead", "js", "two Atomics.add", 1.3],
  ["RwSem downRead + upRead", "js", "C pthread_rwlock read", null],
  ["RwSem downRead + upRead", "js", "npm multithreading RwLock.read", null],
  ["RwSem downRead + upRead", "wasm", "C pthread_rwlock read", 1.8],
  ["RwSem downRead + upRead", "wasm", "npm multithreading RwLock.read", null],
  ["Mutex, 2 workers", "js", "C pthread_mutex, 2 threads", 1.5],
  ["Mutex, 2 workers", "wasm", "C pthread_mutex, 2 threads", 1.5],
  ["Mutex, 2 workers", "js", "npm multithreading Mutex, 2 workers", null],
  ["SpinLock, 2 workers", "js", "C pthread_mutex, 2 threads", null],
  ["SpinLock, 2 workers", "wasm", "C pthread_mutex, 2 threads", null],
  ["RcuDomain qsbr read section", "js", NANOSECOND, 2],
  ["RcuDomain qsbr read section", "js", "C liburcu qsbr", null],
  ["RcuDomain mb read section", "js", "two Atomics.store", 1.2],
  ["RcuDomain mb read section", "js", "C liburcu mb", null],
  ["RcuDomain mb read section", "js", "C liburcu memb", null],
  ["RcuDomain mb read section", "wasm", "RcuDomain mb read section", 0.5],
  ["RcuDomain mb read section", "wasm", "C liburcu mb", null],
  ["RcuDomain mb read section", "wasm", "C liburcu memb", null],
  ["RcuDomain nested section", "js", "RcuDomain mb read section", null],
  ["RcuDomain synchronize, no readers", "js", "two Atomics.store", null],
  ["RcuDomain mb read section, 2 workers", "js", "RcuDomain mb read section, 1 worker", TWO_READERS],
  ["RcuDomain mb read section, 2 workers", "wasm", "RcuDomain mb read section, 1 worker (wasm)", TWO_READERS],
  ["RcuDomain qsbr read section, 2 workers", "js", "RcuDomain qsbr read section, 1 worker", TWO_READERS],
  ["SeqLock read, 2 workers", "js", "SeqLock read, 1 worker", TWO_READERS],
  ["RwSem read, 2 workers", "js", "RwSem read, 1 worker", null],
  ["RwSem read, 2 workers", "wasm", "RwSem read, 1 worker (wasm)", null],
  ["Mutex round trip, waiter asleep", "js", "Atomics.wait/notify round trip, waiter asleep", 1.2],
  ["Mutex round trip, waiter asleep", "wasm", "Atomics.wait/notify round trip, waiter asleep", 1.2],
  ["Mutex round trip", "js", "Atomics.wait/notify round trip", null],
  ["Mutex round trip", "js", "C futex round trip", null],
  ["Atomics.wait/notify round trip", "js", "C futex round trip", null],
  ...JS_FLOORS,
  ...WASM_FLOORS,
];

/** The rows for which both sides were measured. */
export function rowsOf(ns: Figures): Row[] {
  const figures = new Map([...ns, [NANOSECOND, 1]]);
  return COMPARISONS.flatMap(([name, backend, reference, goal]) => {
    const nsPerOp = figures.get(keyOf(name, backend));
    const referenceNsPerOp = figures.get(reference);
    if (nsPerOp === undefined || referenceNsPerOp === undefined) return [];
    const ratio = nsPerOp / referenceNsPerOp;
    return [{ name, backend, nsPerOp, reference, referenceNsPerOp, ratio, goal }];
  });
}

/** Is there a goal, and the ratio above it? */
export function isMissed({ ratio, goal }: Row): boolean {
  return goal !== null && ratio > goal;
}

function verdict(row: Row): string {
  return row.goal === null ? "" : isMissed(row) ? "missed" : "met";
}

/** As many digits as say something. */
export const digits = (value: number): string => value.toFixed(value < 0.1 ? 4 : value < 10 ? 2 : 1);

function cells(row: Row): string[] {
  const goal = row.goal === null ? "" : `<= ${digits(row.goal)}`;
  const numbers = [digits(row.nsPerOp), digits(row.referenceNsPerOp), digits(row.ratio)];
  return [row.name, row.backend, numbers[0], row.reference, numbers[1], numbers[2], goal, verdict(row)];
}

/** The rows as a Markdown table. */
export function tableOf(rows: readonly Row[]): string {
  const head = ["operation", "backend", "ns", "beside", "ns", "ratio", "goal", ""];
  const table = [head, ...rows.map(cells)];
  const widths = head.map((_, column) => Math.max(3, ...table.map((line) => line[column].length)));
  const lines = table.map((line) => `| ${line.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`);
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  return lines.join("\n");
}
