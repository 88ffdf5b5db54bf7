/*
 * From the operations of a test to functions that run it.
 *
 * One run works on INSTANCES copies of the test at once, as litmus7 does: each location is an array with one
 * word per instance, and a thread walks over all instances in one loop, so that the threads meet somewhere
 * on the way however unevenly they start. The functions are compiled from source text, since an interpreter
 * would spend a hundred times longer between two accesses than the races last.
 *
 *   words      meaning
 *   0          barrier: how many have arrived
 *   16         barrier: generation
 *   32 …       RcuDomain
 *   then       locks, INSTANCES x SpinLock.WORDS each
 *   then       locations, then registers, INSTANCES words each
 *
 * Form `atomics`: every access is an Atomics operation. Form `plain`: what Linux calls READ_ONCE, WRITE_ONCE
 * and reads through a handle are plain typed-array accesses; acquire, release, publication and
 * read-modify-writes stay Atomics. Fences are nothing in both.
 */
import { RcuDomain, SpinLock } from "../src/index.ts";
import {
  type LitmusTest,
  locationsOf,
  locksOf,
  type Observable,
  type Operation,
  observablesOf,
  registersOf,
} from "./format.ts";

/** Copies of a test that are run between two barriers. */
export const INSTANCES = 1024;

/** How the ordinary accesses of a test are made. */
export type Form = "atomics" | "plain";

/** First word of the RCU domain; the barrier is below it. */
export const DOMAIN_WORD = 32;
/** Agent slots of the domain: no test has more threads. */
export const AGENTS_MAX = 8;

/** Where things are in the words of one test. */
export interface Layout {
  readonly locks: ReadonlyMap<string, number>;
  readonly locations: ReadonlyMap<string, number>;
  /** By `thread:register`. */
  readonly registers: ReadonlyMap<string, number>;
  readonly wordCount: number;
}

/** What the compiled operations call. */
export interface Primitives {
  readonly locks: Readonly<Record<string, readonly Pick<SpinLock, "lock" | "unlock" | "isLocked">[]>>;
  readonly rcu: Pick<RcuDomain, "readLock" | "readUnlock" | "synchronize">;
}

/** Lays a test out in memory. */
export function layoutOf(test: LitmusTest): Layout {
  let next = DOMAIN_WORD + RcuDomain.words(AGENTS_MAX);
  const place = (names: readonly string[], wordsEach: number): Map<string, number> =>
    new Map(
      names.map((name) => {
        // Each array starts on a cache line of its own.
        const at = Math.ceil(next / 16) * 16;
        next = at + wordsEach * INSTANCES;
        return [name, at] as const;
      }),
    );
  const locks = place(locksOf(test), SpinLock.WORDS);
  const locations = place(locationsOf(test), 1);
  const names = test.threads.flatMap((ops, thread) => registersOf(ops).map((name) => `${thread}:${name}`));
  const registers = place(names, 1);
  return { locks, locations, registers, wordCount: next };
}

/** Compiles one thread of a test to a function that runs it on every instance. */
export function compileThread(test: LitmusTest, thread: number, form: Form, layout: Layout): string {
  const registers = registersOf(test.threads[thread]);
  const body = translate(test.threads[thread], form, layout);
  const declare = registers.length === 0 ? "" : `let ${registers.map((name) => `${name} = 0`).join(", ")};`;
  const save = registers.map((name) => `m[${layout.registers.get(`${thread}:${name}`)} + i] = ${name};`);
  return `for (let i = 0; i < ${INSTANCES}; i++) {\n${[declare, ...body, ...save].join("\n")}\n}`;
}

/** Makes the text of {@link compileThread} a function. */
export function link(source: string, words: Int32Array, primitives: Primitives): () => void {
  const make = new Function("m", "locks", "rcu", `"use strict"; return () => {\n${source}\n};`);
  return make(words, primitives.locks, primitives.rcu) as () => void;
}

function translate(operations: readonly Operation[], form: Form, layout: Layout): string[] {
  return operations.flatMap((op) => {
    if (typeof op === "string") return translateOne(op.split(" "), form, layout);
    const [register, operator, value] = op.if;
    return [`if (${register} ${operator} ${value}) {`, ...translate(op.then, form, layout), "}"];
  });
}

function translateOne([code, a, b, c, d]: readonly string[], form: Form, layout: Layout): string {
  const at = (name: string): string => `${layout.locations.get(name)} + i`;
  const load = (index: string): string => (form === "plain" ? `m[${index}]` : `Atomics.load(m, ${index})`);
  const store = (index: string, value: string): string =>
    form === "plain" ? `m[${index}] = ${value};` : `Atomics.store(m, ${index}, ${value});`;
  switch (code) {
    case "W":
    case "Wr":
      return store(at(a), b);
    case "Wrel":
    case "Wrelr":
      return `Atomics.store(m, ${at(a)}, ${b});`;
    case "Wp":
      return `Atomics.store(m, ${at(a)}, ${layout.locations.get(b)});`;
    case "R":
      return `${b} = ${load(at(a))};`;
    case "Racq":
    case "Rp":
      return `${b} = Atomics.load(m, ${at(a)});`;
    case "R*":
      return `${b} = ${load(`${a} + i`)};`;
    case "lock":
    case "unlock":
      return `locks.${a}[i].${code}();`;
    case "islocked":
      return `${b} = locks.${a}[i].isLocked ? 1 : 0;`;
    case "inc":
      return `Atomics.add(m, ${at(a)}, 1);`;
    case "incret":
      return `${b} = Atomics.add(m, ${at(a)}, 1) + 1;`;
    case "addUnless":
      return `for (let v = Atomics.load(m, ${at(a)}); v !== ${c}; ) { const was = Atomics.compareExchange(m, ${at(a)}, v, v + ${b}); if (was === v) break; v = was; }`;
    case "cas":
      return `${d} = Atomics.compareExchange(m, ${at(a)}, ${b}, ${c});`;
    case "rcu+":
      return "rcu.readLock();";
    case "rcu-":
      return "rcu.readUnlock();";
    case "sync":
      return "rcu.synchronize();";
    case "mb":
    case "wmb":
    case "rmb":
    case "mbAfterLock":
    case "mbAfterAtomic":
      return "";
    default:
      throw new Error(`litmus.json: unknown operation ${code}`);
  }
}

/** Bits of an outcome's key that hold one observable. */
const BITS = 4;
/** Codes from here on are handles, in the order of the locations. */
const HANDLE = 8;

/** Counts end states of a slice of the instances, and puts the initial values back. */
export class Collector {
  /** How often each key was seen. */
  readonly counts: Map<number, number> = new Map();
  readonly #words: Int32Array;
  readonly #observed: readonly number[];
  readonly #initial: readonly (readonly [word: number, value: number])[];
  readonly #codes: ReadonlyMap<number, number>;

  constructor(test: LitmusTest, layout: Layout, words: Int32Array) {
    this.#words = words;
    this.#observed = observablesOf(test).map((each) => wordOf(each, layout));
    const bases = [...layout.locations.values()];
    this.#codes = new Map(bases.map((base, index) => [base, HANDLE + index]));
    this.#initial = [...layout.locations].map(([name, word]) => {
      const value = test.init[name] ?? 0;
      return [word, typeof value === "number" ? value : layout.locations.get(value.slice(1))!] as const;
    });
  }

  /** The barriers around this call order the plain accesses here. */
  collect(from: number, to: number): void {
    for (let i = from; i < to; i++) {
      let key = 0;
      for (const word of this.#observed) key = (key << BITS) | this.#codeOf(this.#words[word + i]);
      this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    }
    this.reset(from, to);
  }

  /** Puts the initial values into the instances `from..to - 1`. */
  reset(from: number, to: number): void {
    for (const [word, value] of this.#initial) this.#words.fill(value, word + from, word + to);
  }

  #codeOf(value: number): number {
    const code = value < HANDLE ? value : this.#codes.get(value);
    if (code === undefined || code < 0) throw new Error(`litmus: a value that no thread writes, ${value}`);
    return code;
  }
}

function wordOf(observable: Observable, layout: Layout): number {
  const table = observable.thread === undefined ? layout.locations : layout.registers;
  return table.get(observable.name)!;
}

/** Turns a key of {@link Collector} into names and values as the conditions spell them. */
export function decode(test: LitmusTest, key: number): Map<string, string> {
  const names = locationsOf(test);
  const observables = observablesOf(test);
  return new Map(
    observables.map(({ name }, index) => {
      const code = (key >>> ((observables.length - 1 - index) * BITS)) & ((1 << BITS) - 1);
      return [name, code < HANDLE ? String(code) : `&${names[code - HANDLE]}`] as const;
    }),
  );
}
