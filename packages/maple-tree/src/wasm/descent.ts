/*
 * Which trees read in WebAssembly: those in an arena that was made with `wasm`, in an engine that has it. The functions
 * and the argument why they are right are in descent.wat; without them walk.ts does the same with Atomics.
 */
import type { Arena } from "@faultline/arena";
import { SLOTS_MAX } from "../layout.ts";
import { DESCENT_HEX } from "./descent.generated.ts";

/** Ranges that `rangesFrom` may be asked for; it lists the last leaf to its end. */
export const LIST_MOST = 128;
const LIST_ROOM = LIST_MOST + SLOTS_MAX - 1;
/** Where in the list, counted in its own type, first indices, last indices and entries begin. */
export const LIST_FIRST = 1;
export const LIST_LAST: number = LIST_FIRST + LIST_ROOM;
export const LIST_ENTRY: number = 2 * (LIST_LAST + LIST_ROOM);
const LIST_WORDS = LIST_ENTRY + LIST_ROOM;

/** The exports of descent.wat. Addresses are in bytes. */
interface Exports {
  load(word: number): number;
  lookup(root: number, index: number): number;
  rangesFrom(root: number, index: number, list: number, maxIndex: number, most: number, to: number): number;
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
  readonly rangesFrom: Exports["rangesFrom"];
  /** Who has had the list written last. */
  listOwner: object | undefined = undefined;
  readonly #arena: Arena;
  #list = -1;

  constructor(from: Exports, arena: Arena) {
    this.load = from.load;
    this.lookup = from.lookup;
    this.rangesFrom = from.rangesFrom;
    this.#arena = arena;
  }

  /** Word of the list which `rangesFrom` writes for this agent, 0 if the arena has no room for it. */
  get list(): number {
    if (this.#list < 0) this.#list = listOf(this.#arena);
    return this.#list;
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
  const descent = new Descent(instance.exports, arena);
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
