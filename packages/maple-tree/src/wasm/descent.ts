/*
 * Which trees read in WebAssembly: those in an arena that was made with `wasm`, in an engine that has it. The functions
 * and the argument why they are right are in descent.wat; without them walk.ts does the same with Atomics.
 */
import type { Arena } from "@faultline/arena";
import { DESCENT_HEX } from "./descent.generated.ts";

/** Words of the list that `leafFrom` writes. */
const LIST_WORDS = 144;
/** Where in the list, counted in its own type, first indices, last indices and entries begin. */
export const LIST_FIRST = 1;
export const LIST_LAST = 29;
export const LIST_ENTRY = 114;

/** The exports of descent.wat. Addresses are in bytes. */
interface Exports {
  load(word: number): number;
  lookup(root: number, index: number): number;
  leafFrom(root: number, index: number, list: number, maxIndex: number): number;
}

/** As much of the WebAssembly API as is used here; the library of types for it is the browser's. */
interface Platform {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { maple: { memory: object } },
  ) => { readonly exports: Exports };
}

/** The readers over the memory of one arena. Package-internal. */
export class Descent {
  readonly load: Exports["load"];
  readonly lookup: Exports["lookup"];
  readonly leafFrom: Exports["leafFrom"];
  /** Word of the list which `leafFrom` writes for this agent, 0 if the arena has no room for it. */
  readonly list: number;
  /** Who has had it written last. */
  listOwner: object | undefined = undefined;

  constructor(from: Exports, list: number) {
    this.load = from.load;
    this.lookup = from.lookup;
    this.leafFrom = from.leafFrom;
    this.list = list;
  }
}

const descents = new WeakMap<Arena, Descent>();
let compiled: object | undefined;

/** The readers for trees of this arena, `undefined` if they are JavaScript's. */
export function descentOf(arena: Arena): Descent | undefined {
  const known = descents.get(arena);
  if (known !== undefined) return known;
  const { memory } = arena;
  const platform = (globalThis as { WebAssembly?: Platform }).WebAssembly;
  if (memory?.backend !== "wasm" || platform === undefined) return undefined;
  compiled ??= new platform.Module(bytesOf(DESCENT_HEX));
  const instance = new platform.Instance(compiled, { maple: memory.handle() });
  const descent = new Descent(instance.exports, listOf(arena));
  descents.set(arena, descent);
  return descent;
}

function listOf(arena: Arena): number {
  try {
    return arena.allocWords(LIST_WORDS);
  } catch {
    // Cursors then step as they do without WebAssembly.
    return 0;
  }
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, index) =>
    Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16),
  );
}
