/*
 * Where a goal is missed, the floor: what the same run measured of the parts that no implementation of the operation
 * can leave out. One paragraph for each goal that may be missed; shown only if it is.
 */
import { digits, type Figures, isMissed, type Row } from "./rows.ts";

type Show = (key: string) => string;
type Paragraph = (ns: Show, row: Row) => string;

const npmFloor: Paragraph = (ns, row) =>
  `The floor is the two bare builtin calls without any lock around them: ${ns("compareExchange + store")} ns, where a ` +
  `sixtieth of ${row.reference} is ${digits(row.referenceNsPerOp / 60)} ns. The wasm rows show the same lock without those calls.`;

const contendedFloor: Paragraph = (ns, row) =>
  `Alone, without a second thread, the same loop costs ${ns(row.backend === "js" ? "Mutex, 1 worker" : "Mutex, 1 worker (wasm)")} ns a section. ` +
  `Between two threads a lock of one word that only spins costs ${ns("bare lock that spins, 2 workers")} ns, and one of ` +
  `three states that sleeps at once and keeps no order ${ns("bare lock that sleeps, 2 workers")} ns: C's mutex is of the ` +
  "latter kind, and its holder takes it thousands of times before the other one has woken up. `Mutex` owes the lock to a " +
  "waiter that was overtaken once (`handoffAfter`), so the cache line changes hands more often.";

const PARAGRAPHS: Readonly<Record<string, Paragraph>> = {
  "js Mutex lock + unlock, npm multithreading Mutex.lock": npmFloor,
  "js RwSem downWrite + upWrite, npm multithreading RwLock.write": npmFloor,
  "wasm RwSem downWrite + upWrite, npm multithreading RwLock.write": (ns, row) =>
    `The floor is ${ns("compareExchange + store (wasm)")} ns, two calls with one instruction each; a sixtieth of ` +
    `${row.reference} is ${digits(row.referenceNsPerOp / 60)} ns.`,
  "js Mutex, 2 workers, C pthread_mutex, 2 threads": contendedFloor,
  "wasm Mutex, 2 workers, C pthread_mutex, 2 threads": contendedFloor,
  "wasm SpinLock lock + unlock, C pthread_spin": (ns) =>
    `Two empty WebAssembly calls cost ${ns("two empty calls (wasm)")} ns, and with one instruction each ` +
    `${ns("compareExchange + store (wasm)")} ns.`,
  "js RcuDomain mb read section, two Atomics.store": (ns) =>
    "A section is two exchanges, which cost what two stores do; the rest are the checks that sections nest and that " +
    `the agent has a slot. With a load of GP_SEQ on entering, the floor would be ${ns("Atomics.load + two Atomics.store")} ns.`,
  "wasm RcuDomain mb read section, RcuDomain mb read section": (ns) =>
    `The floor is ${ns("two exchanges (wasm)")} ns, two calls with one exchange each, of which ${ns("two empty calls (wasm)")} ns ` +
    "are the empty calls. The goal is a ratio to the JavaScript section, which is itself close to its floor of " +
    `${ns("two Atomics.store")} ns: it loads no GP_SEQ.`,
  "js RcuDomain qsbr read section, 1 ns": (ns) =>
    "A section is two tests and two stores to a field of the agent's record. The loop with these alone, compiled into " +
    `one function, costs ${ns("a store to a field, twice")} ns.`,
};

/** A list of the missed goals, each with its floor. */
export function floorsOf(rows: readonly Row[], figures: Figures): string {
  const ns: Show = (key) => {
    const value = figures.get(key);
    return value === undefined ? "?" : digits(value);
  };
  const missed = rows.filter(isMissed).map((row) => {
    const { name, backend, reference, ratio, goal } = row;
    const paragraph = PARAGRAPHS[`${backend} ${name}, ${reference}`];
    const why = paragraph === undefined ? "Measure again on an idle machine." : paragraph(ns, row);
    return `- **${name}, ${backend}**: ${digits(ratio)} × ${reference}, goal ${digits(goal ?? 0)}. ${why}`;
  });
  return missed.length === 0 ? "Every goal is met." : missed.join("\n");
}
