/* As much of the WebAssembly API as this package uses; the library of types for it is the browser's. */

/** A memory that threads share. `buffer` is another object, over the same bytes and more, after it has grown. */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike;
  /** Adds pages of 64 KiB. @returns how many there were */
  grow(pages: number): number;
}

/** The exports of fast-paths.wat. Addresses are in bytes; what each function returns is said there. */
export interface FastPathExports {
  spinLock(word: number): number;
  spinUnlock(word: number): number;
  mutexLock(state: number): number;
  mutexUnlock(state: number): number;
  rwsemAddReader(count: number): number;
  rwsemSubReader(count: number): number;
  rwsemSetWriter(count: number): number;
  rwsemClearWriter(count: number): number;
  rcuExchange(state: number, value: number): number;
}

/** The global `WebAssembly`. */
export interface WasmPlatform {
  readonly Memory: new (descriptor: { initial: number; maximum: number; shared: true }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { sync: { memory: WasmMemory } },
  ) => { readonly exports: FastPathExports };
}

/** What the engine brings, `undefined` where WebAssembly is missing or switched off. */
export function wasmPlatform(): WasmPlatform | undefined {
  return (globalThis as { WebAssembly?: WasmPlatform }).WebAssembly;
}
