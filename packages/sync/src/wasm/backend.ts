/*
 * Which words have a WebAssembly fast path: those in the shared memories this package has made or attached to.
 *
 * A lock asks once, in its constructor, and keeps the answer: `undefined` is the JavaScript backend, over any
 * buffer. The lock's words are the same in both, and so is everything but the one operation of a fast path, so
 * agents with different backends may use the same lock at the same time.
 *
 * The functions are copied out of the exports, an object in dictionary mode, into one with fields, which
 * compiled code reads in one instruction.
 */
import { FAST_PATHS_HEX } from "./fast-paths.generated.ts";
import { type FastPathExports, type WasmMemory, wasmPlatform } from "./platform.ts";

/** What runs a lock's fast path: JavaScript's `Atomics`, or WebAssembly over the same memory. */
export type Backend = "js" | "wasm";

/** The fast paths over one memory. */
export class FastPaths implements FastPathExports {
  readonly spinLock: FastPathExports["spinLock"];
  readonly spinUnlock: FastPathExports["spinUnlock"];
  readonly mutexLock: FastPathExports["mutexLock"];
  readonly mutexUnlock: FastPathExports["mutexUnlock"];
  readonly rwsemAddReader: FastPathExports["rwsemAddReader"];
  readonly rwsemSubReader: FastPathExports["rwsemSubReader"];
  readonly rwsemSetWriter: FastPathExports["rwsemSetWriter"];
  readonly rwsemClearWriter: FastPathExports["rwsemClearWriter"];
  readonly rcuExchange: FastPathExports["rcuExchange"];

  constructor(from: FastPathExports) {
    this.spinLock = from.spinLock;
    this.spinUnlock = from.spinUnlock;
    this.mutexLock = from.mutexLock;
    this.mutexUnlock = from.mutexUnlock;
    this.rwsemAddReader = from.rwsemAddReader;
    this.rwsemSubReader = from.rwsemSubReader;
    this.rwsemSetWriter = from.rwsemSetWriter;
    this.rwsemClearWriter = from.rwsemClearWriter;
    this.rcuExchange = from.rcuExchange;
  }
}

const byMemory = new WeakMap<WasmMemory, FastPaths>();
/** A memory that has grown has several buffers over the same bytes; views on any of them are as good. */
const byBuffer = new WeakMap<ArrayBufferLike, FastPaths>();

let compiled: object | undefined;

/**
 * The fast paths for views on this buffer.
 *
 * @returns `undefined` if it is not that of a memory given to {@link enableFastPaths} in this agent
 */
export function fastPathsOf(words: Int32Array): FastPaths | undefined {
  return byBuffer.get(words.buffer);
}

/** Name of the backend with these fast paths. */
export function backendOf(fast: FastPaths | undefined): Backend {
  return fast === undefined ? "js" : "wasm";
}

/** Address in its memory of a word of a view. */
export function addressOf(words: Int32Array, word: number): number {
  return words.byteOffset + word * Int32Array.BYTES_PER_ELEMENT;
}

/**
 * Makes locks that are constructed from now on over the buffer `memory` has at this moment use WebAssembly. The
 * module is compiled at the first call in an agent: some hundred bytes, which a page's main thread may do too.
 */
export function enableFastPaths(memory: WasmMemory): void {
  let fast = byMemory.get(memory);
  if (fast === undefined) {
    fast = instantiate(memory);
    if (fast === undefined) return;
    byMemory.set(memory, fast);
  }
  byBuffer.set(memory.buffer, fast);
}

function instantiate(memory: WasmMemory): FastPaths | undefined {
  const platform = wasmPlatform();
  if (platform === undefined) return undefined;
  compiled ??= new platform.Module(bytesOf(FAST_PATHS_HEX));
  return new FastPaths(new platform.Instance(compiled, { sync: { memory } }).exports);
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, index) =>
    Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16),
  );
}
