/*
 * What is compared with what, and how good is good enough. A ratio is nsPerOp / referenceNsPerOp, so less is
 * better everywhere, and a goal is the largest ratio that meets it; `null` means shown for comparison only.
 */

/** One line of the report. */
export interface Row {
  readonly name: string;
  readonly backend: "js";
  readonly nsPerOp: number;
  readonly reference: string;
  readonly referenceNsPerOp: number;
  readonly ratio: number;
  readonly goal: number | null;
}

type Comparison = readonly [name: string, reference: string, goal: number | null];

/** "At least 60 times faster". */
const SIXTIETH = 1 / 60;
/** Two readers do 1.9 times the work of one: each takes at most 2 / 1.9 as long per section. */
const TWO_READERS = 2 / 1.9;

/** Cases in which threads take a lock from each other or turns, measured as the median. */
export const CONTENDED: ReadonlySet<string> = new Set([
  "Mutex, 2 workers",
  "SpinLock, 2 workers",
  "npm multithreading Mutex, 2 workers",
  "C pthread_mutex, 2 threads",
  "Mutex round trip",
  "Mutex round trip, waiter asleep",
  "Atomics.wait/notify round trip",
  "Atomics.wait/notify round trip, waiter asleep",
  "C futex round trip",
]);

const COMPARISONS: readonly Comparison[] = [
  ["SpinLock lock + unlock", "compareExchange + store", 1.25],
  ["SpinLock lock + unlock", "C pthread_spin", null],
  ["Mutex lock + unlock", "compareExchange + store", 1.3],
  ["Mutex lock + unlock", "C pthread_mutex", null],
  ["Mutex lock + unlock", "npm multithreading Mutex.lock", SIXTIETH],
  ["Mutex lock + unlock", "npm multithreading Mutex.blockingLock", null],
  ["Mutex lock + unlock", "npm async-mutex", null],
  ["RwSem downWrite + upWrite", "compareExchange + store", 1.3],
  ["RwSem downWrite + upWrite", "C pthread_rwlock write", null],
  ["RwSem downWrite + upWrite", "npm multithreading RwLock.write", SIXTIETH],
  ["RwSem downRead + upRead", "two Atomics.add", 1.3],
  ["RwSem downRead + upRead", "C pthread_rwlock read", null],
  ["RwSem downRead + upRead", "npm multithreading RwLock.read", null],
  ["Mutex, 2 workers", "C pthread_mutex, 2 threads", 1.5],
  ["Mutex, 2 workers", "npm multithreading Mutex, 2 workers", null],
  ["SpinLock, 2 workers", "C pthread_mutex, 2 threads", null],
  ["RcuDomain mb read section", "two Atomics.store", 1.2],
  ["RcuDomain mb read section", "C liburcu mb", null],
  ["RcuDomain mb read section", "C liburcu memb", null],
  ["RcuDomain mb read section", "C liburcu qsbr", null],
  ["RcuDomain qsbr read section", "RcuDomain mb read section", null],
  ["RcuDomain qsbr read section", "C liburcu qsbr", null],
  ["RcuDomain nested section", "RcuDomain mb read section", null],
  ["RcuDomain synchronize, no readers", "two Atomics.store", null],
  ["RcuDomain mb read section, 2 workers", "RcuDomain mb read section, 1 worker", TWO_READERS],
  ["RwSem read, 2 workers", "RwSem read, 1 worker", null],
  ["Mutex round trip, waiter asleep", "Atomics.wait/notify round trip, waiter asleep", 1.2],
  ["Mutex round trip", "Atomics.wait/notify round trip", null],
  ["Mutex round trip", "C futex round trip", null],
];

/** The rows for which both sides were measured. */
export function rowsOf(ns: ReadonlyMap<string, number>): Row[] {
  return COMPARISONS.flatMap(([name, reference, goal]) => {
    const nsPerOp = ns.get(name);
    const referenceNsPerOp = ns.get(reference);
    if (nsPerOp === undefined || referenceNsPerOp === undefined) return [];
    const ratio = nsPerOp / referenceNsPerOp;
    return [{ name, backend: "js", nsPerOp, reference, referenceNsPerOp, ratio, goal } as const];
  });
}

function verdict({ ratio, goal }: Row): string {
  return goal === null ? "" : ratio <= goal ? "met" : "missed";
}

const digits = (value: number): string => value.toFixed(value < 0.1 ? 4 : value < 10 ? 2 : 1);

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
