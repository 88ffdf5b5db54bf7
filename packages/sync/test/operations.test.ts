import { describe, expect, it } from "vitest";
import {
  McsLock,
  Mutex,
  PerWorkerRwSem,
  QSpinLock,
  RcuDomain,
  RobustMutex,
  RobustSpinLock,
  RwSem,
  SeqLock,
  SpinLock,
  TestAndSetLock,
  TicketLock,
} from "../src/index.ts";
import { FakeAgents } from "./support/fake-agents.ts";

const words = (): Int32Array => new Int32Array(new SharedArrayBuffer(4 * 4096));

/** Atomics operations of `fn`, once whatever is made at the first call has been made. */
function count(fn: () => void): number {
  fn();
  const names = [
    "load",
    "store",
    "add",
    "sub",
    "and",
    "or",
    "xor",
    "exchange",
    "compareExchange",
    "notify",
  ] as const;
  const originals = names.map((name) => [name, Atomics[name]] as const);
  let operations = 0;
  const table = Atomics as unknown as Record<string, unknown>;
  for (const [name, original] of originals) {
    table[name] = (...parameters: unknown[]): unknown => {
      operations++;
      return (original as (...parameters: unknown[]) => unknown)(...parameters);
    };
  }
  try {
    fn();
  } finally {
    for (const [name, original] of originals) table[name] = original;
  }
  return operations;
}

const agents = new FakeAgents();
agents.self = 1024;
const robust = { agents, repair: "manual" } as const;

// The column "Atomics operations" of the README's table of guarantees and costs.
describe("an uncontended lock and unlock", () => {
  const exclusive: [string, number, { lock(): boolean; unlock(): void }][] = [
    ["TestAndSetLock", 2, new TestAndSetLock(words(), 0)],
    ["SpinLock", 2, new SpinLock(words(), 0)],
    ["QSpinLock with nodes", 2, new QSpinLock(words(), 0, { nodes: 64, nodesMax: 8 })],
    ["TicketLock", 6, new TicketLock(words(), 0)],
    ["McsLock", 11, new McsLock(words(), 0)],
    ["Mutex", 2, new Mutex(words(), 0)],
    ["RobustSpinLock", 2, new RobustSpinLock(words(), 0, robust)],
    ["RobustMutex", 2, new RobustMutex(words(), 0, robust)],
  ];
  it.each(exclusive)("of %s is %i Atomics operations", (_, operations, lock) => {
    expect(
      count(() => {
        lock.lock();
        lock.unlock();
      }),
    ).toBe(operations);
  });

  const others: [string, number, () => void][] = [
    ["RwSem, read", 2, section(new RwSem(words(), 0), "downRead", "upRead")],
    ["RwSem, write", 2, section(new RwSem(words(), 0), "downWrite", "upWrite")],
    [
      "PerWorkerRwSem, read",
      6,
      section(new PerWorkerRwSem(words(), 0, new RcuDomain(words(), 0)), "downRead", "upRead"),
    ],
    ["RcuDomain, mb", 2, section(new RcuDomain(words(), 0), "readLock", "readUnlock")],
    ["RcuDomain, qsbr", 0, section(new RcuDomain(words(), 0, { flavour: "qsbr" }), "readLock", "readUnlock")],
    ["SeqLock, read", 2, seqRead(new SeqLock(words(), 0))],
    ["SeqLock, write", 7, seqWrite(new SeqLock(words(), 0))],
  ];
  it.each(others)("of %s is %i Atomics operations", (_, operations, run) => {
    expect(count(run)).toBe(operations);
  });
});

function section<K extends string, L extends string>(
  lock: Record<K | L, () => unknown>,
  enter: K,
  leave: L,
): () => void {
  return () => {
    lock[enter]();
    lock[leave]();
  };
}

function seqRead(lock: SeqLock): () => void {
  return () => void lock.read(() => 0);
}

function seqWrite(lock: SeqLock): () => void {
  return () => lock.write(() => {});
}
