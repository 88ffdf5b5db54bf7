/*
 * The floors: the same loops without a lock. In JavaScript the bare Atomics calls, in WebAssembly bare functions
 * with one instruction each, assembled here from floor.wat.
 */
import { readFileSync } from "node:fs";
import type { SharedMemory } from "@faultline/sync";
import loadWabt from "wabt";
import type { WasmMemory, WasmPlatform } from "../src/wasm/platform.ts";

interface FloorExports {
  nothing(word: number): number;
  compareExchange(word: number): number;
  store(word: number): void;
  add(word: number, value: number): number;
  exchange(word: number, value: number): number;
}

/** A measured loop. */
export type Loop = (ops: number) => void | Promise<void>;

/** Pairs of operations on word 0. */
export function bareAtomics(words: Int32Array): Record<string, Loop> {
  return {
    "compareExchange + store": (ops) => {
      for (let op = 0; op < ops; op++) {
        Atomics.compareExchange(words, 0, 0, 1);
        Atomics.store(words, 0, 0);
      }
    },
    "two Atomics.add": (ops) => {
      for (let op = 0; op < ops; op++) {
        Atomics.add(words, 0, 1);
        Atomics.add(words, 0, -1);
      }
    },
    "two Atomics.store": (ops) => {
      for (let op = 0; op < ops; op++) {
        Atomics.store(words, 0, 1);
        Atomics.store(words, 0, 0);
      }
    },
    "Atomics.load + two Atomics.store": (ops) => {
      for (let op = 0; op < ops; op++) {
        Atomics.load(words, 16);
        Atomics.store(words, 0, 1);
        Atomics.store(words, 0, 0);
      }
    },
    "a store to a field, twice": (ops) => {
      const field = { depth: 0 };
      for (let op = 0; op < ops; op++) {
        if (field.depth === 0) field.depth = 1;
        if (field.depth === 1) field.depth = 0;
      }
      if (field.depth !== 0) throw new Error("unreachable, so that the stores are of use");
    },
  };
}

/** The same in functions of a module over `memory`. */
export async function bareWasm(memory: SharedMemory): Promise<Record<string, Loop>> {
  const { nothing, compareExchange, store, add, exchange } = await floorExports(memory);
  const word = 0;
  return {
    "two empty calls": (ops) => {
      for (let op = 0; op < ops; op++) {
        nothing(word);
        nothing(word);
      }
    },
    "compareExchange + store": (ops) => {
      for (let op = 0; op < ops; op++) {
        compareExchange(word);
        store(word);
      }
    },
    "two adds": (ops) => {
      for (let op = 0; op < ops; op++) {
        add(word, 1);
        add(word, -1);
      }
    },
    "two exchanges": (ops) => {
      for (let op = 0; op < ops; op++) {
        exchange(word, 1);
        exchange(word, 0);
      }
    },
  };
}

async function floorExports(memory: SharedMemory): Promise<FloorExports> {
  const wabt = await loadWabt();
  const text = readFileSync(new URL("./floor.wat", import.meta.url), "utf8");
  const parsed = wabt.parseWat("floor.wat", text, { threads: true });
  const bytes = parsed.toBinary({}).buffer;
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: WasmPlatform }).WebAssembly;
  const handle = memory.handle() as { memory: WasmMemory };
  return new Instance(new Module(bytes), { sync: handle }).exports as unknown as FloorExports;
}
