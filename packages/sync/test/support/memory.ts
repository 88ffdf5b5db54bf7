/*
 * Where the tests' words are. Every lock test runs on both backends: the file itself over a SharedArrayBuffer,
 * and backends/*.test.ts runs the same file again over a SharedMemory, whose locks use WebAssembly.
 */
import { type Backend, SharedMemory, type SharedMemoryHandle } from "../../src/index.ts";

/** Words as they are posted to a worker. */
export interface PostedWords {
  readonly handle: SharedMemoryHandle;
  readonly byteOffset: number;
  readonly length: number;
}

/** One memory gives words to many tests: an engine reserves gigabytes of addresses for each memory. */
const BYTES = 1 << 26;
const LINE_BYTES = 64;

let backend: Backend = "js";
let memory: SharedMemory | undefined;
let used = 0;

/** Says which backend the locks over {@link sharedWords} use, in this thread and from now on. */
export function useBackend(name: Backend): void {
  backend = name;
}

/** Zeroed shared words that nobody else has, on cache lines of their own. */
export function sharedWords(length: number): Int32Array<SharedArrayBuffer> {
  const bytes = length * Int32Array.BYTES_PER_ELEMENT;
  if (backend === "js") return new Int32Array(new SharedArrayBuffer(bytes));
  if (memory === undefined || used + bytes > BYTES) {
    memory = SharedMemory.create({ bytes: BYTES });
    used = LINE_BYTES; // so that no address is what the word's index says
  }
  const words = new Int32Array(memory.buffer, used, length);
  used = Math.ceil((used + bytes) / LINE_BYTES) * LINE_BYTES;
  return words;
}

/** Zeroed words on a buffer of this kind. */
export function wordsOn(
  Buffer: ArrayBufferConstructor | SharedArrayBufferConstructor,
  length: number,
): Int32Array {
  return Buffer === SharedArrayBuffer ? sharedWords(length) : new Int32Array(length);
}

/** The view, to be posted to a worker. */
export function posted(words: Int32Array<SharedArrayBuffer>): PostedWords {
  const { buffer, byteOffset, length } = words;
  const handle = buffer === memory?.buffer ? memory.handle() : { memory: buffer };
  return { handle, byteOffset, length };
}

/** The view in the worker; its locks use the backend of the test. */
export function received({ handle, byteOffset, length }: PostedWords): Int32Array<SharedArrayBuffer> {
  return new Int32Array(SharedMemory.attach(handle).buffer, byteOffset, length);
}
