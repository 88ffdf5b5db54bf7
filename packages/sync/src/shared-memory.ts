/*
 * Memory for locks that is as fast as it can be: a shared WebAssembly memory, whose buffer is an ordinary
 * SharedArrayBuffer for everything else. Where the engine has none, a SharedArrayBuffer takes its place, and
 * the locks over it use JavaScript: same words, same behaviour, about half the speed of an uncontended pair.
 *
 * How a lock finds its backend: by the buffer object of its view (wasm/backend.ts). A buffer that was posted
 * to a worker by itself arrives as a new object which says nothing about the memory behind it; that is why a
 * handle is posted, and attached to.
 */
import { type Backend, backendOf, enableFastPaths, fastPathsOf } from "./wasm/backend.ts";
import { type WasmMemory, wasmPlatform } from "./wasm/platform.ts";

const PAGE_BYTES = 65_536;
/** Most pages a 32-bit memory can have. */
const PAGES_LIMIT = 65_536;
/** Most bytes of a memory: 4 GiB. */
const BYTES_LIMIT: number = PAGES_LIMIT * PAGE_BYTES;

/** Options of {@link SharedMemory.create}. */
export interface SharedMemoryOptions {
  /** Size in bytes, `1..2^32`; rounded up to a multiple of 65,536. */
  readonly bytes: number;
  /** What {@link SharedMemory.grow} may make of it, `bytes..2^32`. Default: it does not grow. */
  readonly bytesMax?: number;
}

/** What another agent needs in order to attach; may be posted. */
export interface SharedMemoryHandle {
  /** A shared `WebAssembly.Memory`, or the buffer where there are none. */
  readonly memory: object;
}

/**
 * The words' home: shared memory over which the package's locks run their fast paths in WebAssembly.
 *
 * Make one for a program and attach to it once in each agent. The functions belong to the memory object, and a place
 * in the code that calls those of one calls them directly; of two memories in one thread the second costs nearly
 * what JavaScript does (16 ns for a pair of Mutex instead of 9). Each memory also reserves gigabytes of addresses.
 */
export class SharedMemory {
  readonly #memory: WasmMemory | SharedArrayBuffer;

  private constructor(memory: WasmMemory | SharedArrayBuffer) {
    this.#memory = memory;
    if (!(memory instanceof SharedArrayBuffer)) enableFastPaths(memory);
  }

  /**
   * Makes a zeroed memory.
   *
   * @throws RangeError if an option is out of range, or the engine refuses so much memory
   */
  static create(options: SharedMemoryOptions): SharedMemory {
    const { bytes, bytesMax = bytes } = options;
    checkBytes("SharedMemory.create: bytes", bytes, 1);
    checkBytes("SharedMemory.create: bytesMax", bytesMax, bytes);
    const initial = pagesFor(bytes);
    const maximum = pagesFor(bytesMax);
    return new SharedMemory(createWasm(initial, maximum) ?? createPlain(initial, maximum));
  }

  /**
   * The memory of a handle that came from another agent.
   *
   * @throws TypeError if it is no handle
   */
  static attach(handle: SharedMemoryHandle): SharedMemory {
    const memory = handle?.memory as WasmMemory | SharedArrayBuffer | undefined;
    const buffer = memory instanceof SharedArrayBuffer ? memory : memory?.buffer;
    if (memory === undefined || !(buffer instanceof SharedArrayBuffer)) {
      throw new TypeError("SharedMemory.attach: expected what SharedMemory.handle() has returned");
    }
    return new SharedMemory(memory);
  }

  /** What to post to another agent. */
  handle(): SharedMemoryHandle {
    return { memory: this.#memory };
  }

  /** What the fast paths of locks over {@link buffer} use in this agent. */
  get backend(): Backend {
    return backendOf(fastPathsOf(this.words()));
  }

  /**
   * The bytes. Another object after the memory has grown, here or in another agent: views on the old one stay
   * valid, but do not reach what was added.
   */
  get buffer(): SharedArrayBuffer {
    if (this.#memory instanceof SharedArrayBuffer) return this.#memory;
    enableFastPaths(this.#memory);
    return this.#memory.buffer as SharedArrayBuffer;
  }

  /** All of it as 32-bit words, at its size of this moment: for the constructors of this package. */
  words(): Int32Array<SharedArrayBuffer> {
    const { buffer } = this;
    // The length is given because a view that follows a growing buffer makes each access several times dearer.
    return new Int32Array(buffer, 0, buffer.byteLength / Int32Array.BYTES_PER_ELEMENT);
  }

  /**
   * Makes it at least `bytes` long, rounded up to a multiple of 65,536; what is added is zeroed. Nothing
   * happens if it is so long already. Any agent may call it at any time.
   *
   * @throws RangeError if that is more than `bytesMax`, or more than the engine can give
   */
  grow(bytes: number): void {
    checkBytes("SharedMemory.grow: bytes", bytes, 1);
    const { buffer } = this;
    const pages = pagesFor(bytes) - buffer.byteLength / PAGE_BYTES;
    if (pages <= 0) return;
    try {
      if (this.#memory instanceof SharedArrayBuffer) this.#memory.grow(pagesFor(bytes) * PAGE_BYTES);
      else this.#memory.grow(pages);
    } catch (error) {
      // Another agent may have grown it meanwhile, so far that our pages would be too many.
      if (this.buffer.byteLength < bytes) throw error;
    }
  }

  /** The size and the backend, for messages. */
  toString(): string {
    return `SharedMemory(${this.buffer.byteLength} bytes, ${this.backend})`;
  }
}

function createWasm(initial: number, maximum: number): WasmMemory | undefined {
  const platform = wasmPlatform();
  if (platform === undefined) return undefined;
  const memory = new platform.Memory({ initial, maximum, shared: true });
  // An engine without threads ignores `shared` and gives memory that cannot be posted.
  return memory.buffer instanceof SharedArrayBuffer ? memory : undefined;
}

function createPlain(initial: number, maximum: number): SharedArrayBuffer {
  const length = initial * PAGE_BYTES;
  if (initial === maximum) return new SharedArrayBuffer(length);
  return new SharedArrayBuffer(length, { maxByteLength: maximum * PAGE_BYTES });
}

function pagesFor(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES);
}

function checkBytes(what: string, bytes: number, least: number): void {
  if (Number.isInteger(bytes) && bytes >= least && bytes <= BYTES_LIMIT) return;
  throw new RangeError(`${what} must be an integer in ${least}..${BYTES_LIMIT}, got ${bytes}`);
}
