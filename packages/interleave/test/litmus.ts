/*
 * The op language of data/litmus.json as models: every shared access by Atomics, or plain where Linux has no
 * order. Results of threads are their registers.
 */
import { readFileSync } from "node:fs";
import type { Model } from "../src/index.ts";

/** One entry of the file. */
export interface Litmus {
  readonly name: string;
  readonly init: Readonly<Record<string, number | string>>;
  readonly threads: readonly (readonly Instruction[])[];
  readonly exists: string;
  /** Executions that do not match do not count. */
  readonly filter?: string;
  readonly js: { readonly atomics: string; readonly plain: string };
}

type Instruction =
  | string
  | { readonly if: readonly [string, string, number]; readonly then: readonly Instruction[] };

/** All of them. */
export const LITMUS: readonly Litmus[] = (
  JSON.parse(readFileSync(new URL("./data/litmus.json", import.meta.url), "utf8")) as { tests: Litmus[] }
).tests;

type Registers = Record<string, number>;

/** Locations are words; a handle of location n is the number n + 100, so that it is never a small constant. */
const HANDLE = 100;

function namesOf(test: Litmus): string[] {
  const names = new Set<string>(Object.keys(test.init));
  const visit = (code: readonly Instruction[]): void => {
    for (const instruction of code) {
      if (typeof instruction !== "string") visit(instruction.then);
      else
        for (const word of instruction.split(" ").slice(1))
          if (/^[a-z]/.test(word) && !/^r\d*$/.test(word)) names.add(word);
    }
  };
  for (const value of Object.values(test.init)) if (typeof value === "string") names.add(value.slice(1));
  test.threads.forEach(visit);
  return [...names];
}

/** Outcome clauses, one list per alternative of `|`. */
function clausesOf(condition: string): { thread: number | undefined; name: string; value: string }[][] {
  return condition.split(" | ").map((part) =>
    part.split(" & ").map((clause) => {
      const match = /^(?:(\d+):)?(\w+)=(.+)$/.exec(clause.trim())!;
      return {
        thread: match[1] === undefined ? undefined : Number(match[1]),
        name: match[2]!,
        value: match[3]!,
      };
    }),
  );
}

/** The model of a litmus test; `onOutcome` is told of each execution that its filter lets pass whether it
 * showed what `exists` asks for. */
export function modelOf(
  test: Litmus,
  plain: boolean,
  onOutcome: (shown: boolean) => void,
): Model<Int32Array> {
  const names = namesOf(test);
  const place = (name: string): number => {
    const at = names.indexOf(name);
    if (at < 0) throw new Error(`${test.name}: no location ${name}`);
    return at;
  };
  const readers = test.threads.length;
  const numberOf = (text: string | number): number =>
    typeof text === "number" ? text : text.startsWith("&") ? HANDLE + place(text.slice(1)) : Number(text);

  /** Words: locations, then one flag per thread for its read-side section. */
  const setup = (): Int32Array => {
    const words = new Int32Array(new SharedArrayBuffer(4 * (names.length + readers)));
    for (const [name, value] of Object.entries(test.init)) words[place(name)] = numberOf(value);
    return words;
  };

  const load = (words: Int32Array, at: number, ordered: boolean): number =>
    plain && !ordered ? words[at]! : Atomics.load(words, at);
  const store = (words: Int32Array, at: number, value: number, ordered: boolean): void => {
    if (plain && !ordered) words[at] = value;
    else Atomics.store(words, at, value);
  };

  const run = (words: Int32Array, me: number, registers: Registers, code: readonly Instruction[]): void => {
    for (const instruction of code) {
      if (typeof instruction === "string") step(words, me, registers, instruction.split(" "));
      else {
        const [name, operator, value] = instruction.if;
        const is = (registers[name] ?? 0) === value;
        if (operator === "==" ? is : !is) run(words, me, registers, instruction.then);
      }
    }
  };

  const step = (words: Int32Array, me: number, registers: Registers, parts: readonly string[]): void => {
    const [kind, a = "", b = "", c = "", d = ""] = parts;
    const section = names.length + me;
    switch (kind) {
      case "W":
      case "Wrel":
        return store(words, place(a), Number(b), kind === "Wrel");
      case "Wr":
      case "Wrelr":
        return store(words, place(a), registers[b] ?? 0, kind === "Wrelr");
      case "Wp":
        return store(words, place(a), HANDLE + place(b), true);
      case "R":
      case "Racq":
        registers[b] = load(words, place(a), kind === "Racq");
        return;
      case "Rp":
        registers[b] = load(words, place(a), true);
        return;
      case "R*": {
        const handle = registers[a] ?? 0;
        registers[b] = load(words, handle - HANDLE, false);
        return;
      }
      case "lock":
        while (Atomics.compareExchange(words, place(a), 0, 1) !== 0) Atomics.pause?.();
        return;
      case "unlock":
        Atomics.store(words, place(a), 0);
        return;
      case "islocked":
        registers[b] = Atomics.load(words, place(a));
        return;
      case "inc":
        Atomics.add(words, place(a), 1);
        return;
      case "incret":
        registers[b] = Atomics.add(words, place(a), 1) + 1;
        return;
      case "cas":
        registers[d] = Atomics.compareExchange(words, place(a), Number(b), Number(c));
        return;
      case "addUnless":
        return addUnless(words, place(a), Number(b), Number(c));
      // A grace period orders both ways, so both sides are read-modify-writes.
      case "rcu+":
        Atomics.add(words, section, 1);
        return;
      case "rcu-":
        Atomics.sub(words, section, 1);
        return;
      case "sync":
        for (let other = 0; other < readers; other++) {
          while (Atomics.add(words, names.length + other, 0) !== 0) Atomics.pause?.();
        }
        return;
      case "mb":
      case "wmb":
      case "rmb":
      case "mbAfterLock":
      case "mbAfterAtomic":
        return;
      default:
        throw new Error(`${test.name}: unknown ${parts.join(" ")}`);
    }
  };

  return {
    setup,
    threads: test.threads.map((code, me) => (words) => {
      const registers: Registers = {};
      run(words, me, registers, code);
      return registers;
    }),
    after: (words, results) => {
      const matches = (condition: string): boolean =>
        clausesOf(condition).some((all) =>
          all.every(({ thread, name, value }) => {
            const got =
              thread === undefined ? words[place(name)] : ((results[thread] as Registers)[name] ?? 0);
            return got === numberOf(value);
          }),
        );
      if (test.filter === undefined || matches(test.filter)) onOutcome(matches(test.exists));
    },
  };
}

function addUnless(words: Int32Array, at: number, add: number, unless: number): void {
  for (;;) {
    const seen = Atomics.load(words, at);
    if (seen === unless || Atomics.compareExchange(words, at, seen, seen + add) === seen) return;
  }
}
