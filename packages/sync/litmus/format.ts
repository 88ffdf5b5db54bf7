/*
 * What litmus.json says, as types, and the conditions in it as trees.
 *
 * The file lists the litmus tests of Linux 6.12 in a small language of operations. A condition compares
 * registers (`1:r0=1`, the register r0 of thread 1) and final values of locations (`x=2`) with numbers or
 * with handles (`&x`); `&` binds tighter than `|`.
 */
import { readFileSync } from "node:fs";

/** A branch: the operations in `then` run if the register compares so with the number. */
interface Branch {
  readonly if: readonly [register: string, operator: "==" | "!=", value: number];
  readonly then: readonly Operation[];
}

/** One step of a thread; the words are explained under `ops` in litmus.json. */
export type Operation = string | Branch;

/** One litmus test. */
export interface LitmusTest {
  readonly name: string;
  /** What the Linux-kernel memory model says about `exists`. */
  readonly lkmm: string;
  /** Initial values that are not zero; `&x` is a handle of location x. */
  readonly init: Readonly<Record<string, number | string>>;
  readonly threads: readonly (readonly Operation[])[];
  readonly exists: string;
  /** Only executions with this end state count. */
  readonly filter?: string;
  readonly js: {
    readonly atomics: "Never" | "NoFilterMatch";
    readonly plain: "Never" | "Permitted" | "NotApplicable" | "ThinAir";
  };
}

/** What a condition looks at: a register of a thread, or a location after all threads have ended. */
export interface Observable {
  /** As in the file: `1:r0` or `x`. */
  readonly name: string;
  /** Which thread's register, or `undefined` for a location. */
  readonly thread: number | undefined;
}

/** A condition as a disjunction of conjunctions of comparisons `[observable, value]`. */
type Condition = readonly (readonly (readonly [name: string, value: string])[])[];

/** Reads all tests from litmus.json, in the order of the file. */
export function readTests(): readonly LitmusTest[] {
  const text = readFileSync(new URL("./litmus.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { tests: LitmusTest[] }).tests;
}

/** The test called `name`, looked up without regard to case. */
export function findTest(name: string): LitmusTest {
  const test = readTests().find((each) => each.name.toLowerCase() === name.toLowerCase());
  if (test === undefined) throw new RangeError(`no litmus test is called ${name}; --list shows the names`);
  return test;
}

/** Every operation of a thread, those of branches too. */
export function flatten(operations: readonly Operation[]): string[] {
  return operations.flatMap((op) => (typeof op === "string" ? [op] : flatten(op.then)));
}

/** Operations whose first operand is a location, and which of their operands is a register they set. */
const LOCATIONS = new Set([
  "W",
  "Wrel",
  "Wr",
  "Wrelr",
  "Wp",
  "R",
  "Racq",
  "Rp",
  "inc",
  "incret",
  "addUnless",
  "cas",
]);
const RESULTS: Readonly<Record<string, number>> = {
  R: 2,
  Racq: 2,
  Rp: 2,
  "R*": 2,
  islocked: 2,
  incret: 2,
  cas: 4,
};

/** Names of the locations of a test, in order of appearance. */
export function locationsOf(test: LitmusTest): string[] {
  const pointees = Object.values(test.init).filter((value) => typeof value === "string");
  const names = new Set([...Object.keys(test.init), ...pointees.map((handle) => handle.slice(1))]);
  for (const op of test.threads.flatMap(flatten)) {
    const [code, location, target] = op.split(" ");
    if (LOCATIONS.has(code)) names.add(location);
    if (code === "Wp") names.add(target);
  }
  return [...names];
}

/** Names of the locks of a test. */
export function locksOf(test: LitmusTest): string[] {
  const uses = test.threads.flatMap(flatten).map((op) => op.split(" "));
  return [
    ...new Set(uses.filter(([code]) => code === "lock" || code === "islocked").map(([, lock]) => lock)),
  ];
}

/** Names of the registers a thread sets. */
export function registersOf(operations: readonly Operation[]): string[] {
  const names = flatten(operations).map((op) => {
    const parts = op.split(" ");
    return parts[RESULTS[parts[0]] ?? -1];
  });
  return [...new Set(names.filter((name) => name !== undefined))];
}

/** All registers, and the locations whose final value the condition asks for. */
export function observablesOf(test: LitmusTest): Observable[] {
  const registers = test.threads.flatMap((operations, thread) =>
    registersOf(operations).map((register) => ({ name: `${thread}:${register}`, thread })),
  );
  const asked = new Set(parseCondition(test.exists).flatMap((all) => all.map(([name]) => name)));
  const locations = locationsOf(test).filter((name) => asked.has(name));
  return [...registers, ...locations.map((name) => ({ name, thread: undefined }))];
}

function parseCondition(text: string): Condition {
  return text.split("|").map((all) =>
    all.split(" & ").map((comparison) => {
      const [name, value] = comparison.trim().split("=");
      return [name, value] as const;
    }),
  );
}

function holds(condition: Condition, outcome: ReadonlyMap<string, string>): boolean {
  return condition.some((all) => all.every(([name, value]) => outcome.get(name) === value));
}

/** Is this end state the one the test forbids (or, in Linux, allows)? */
export function isTarget(test: LitmusTest, outcome: ReadonlyMap<string, string>): boolean {
  const isFiltered = test.filter === undefined || holds(parseCondition(test.filter), outcome);
  // RM-broken: the verdict is about the filter itself, which no execution may satisfy.
  if (test.js.atomics === "NoFilterMatch") return isFiltered;
  return isFiltered && holds(parseCondition(test.exists), outcome);
}
