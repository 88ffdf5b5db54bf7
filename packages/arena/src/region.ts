/*
 * The buffer of an arena: its views, its lock, its growth. Everything else in the package goes through here.
 *
 * Growth never moves a word. A shared buffer is a growable SharedArrayBuffer, whose earlier views stay valid.
 * An unshared one is replaced by a larger copy, so a view taken before is out of date afterwards. The old
 * ArrayBuffer is not transferred or detached: detaching any buffer makes V8 add a check to every typed array
 * access of the isolate. In debug mode the old copy is poisoned, so that reads through a stale view show.
 *
 * Views are always of fixed length: a length-tracking view on a growable buffer costs about 19 times as much
 * per access in V8.
 *
 * Memory order: WORDS is stored with Atomics after the buffer has grown. An agent that meets a word beyond
 * its views got it through a lock or an Atomics load of a published word, both later than that store, so the plain
 * load in refresh() sees a length that covers the word. Growth that nothing has told of yet is of no use to anybody. An
 * atomic load took 8 ns, twice in each write to a tree.
 */
import { type Agents, currentAgentId, RobustSpinLock, type SharedMemory, SpinLock } from "@faultline/sync";
import { ArenaError } from "./errors.ts";
import { FailureInjection } from "./failure.ts";
import * as L from "./layout.ts";

/** Words of a freed object, and of an outgrown unshared buffer, in debug mode. */
export const POISON = 0x6b6b6b6b;

/** Buffers of fewer words double. */
const DOUBLED_BELOW = 2 ** 22;

/** Package-internal: the memory under an `Arena` and its caches. */
export class Region {
  i32: Int32Array;
  f64: Float64Array;
  /** For the objects' states alone; everything else is words. */
  u8: Uint8Array;
  buffer: ArrayBuffer | SharedArrayBuffer;
  /** Absent on an unshared buffer, which only one thread can reach. */
  readonly lock: SpinLock | RobustSpinLock | undefined;
  /** Makes what the lock protects anew, for the first that takes it after its holder's death. Lock held. */
  onRepair: (() => void) | undefined = undefined;
  /** Who lives, if the arena outlives those who die in it. */
  readonly agents: Agents | undefined;
  readonly debug: boolean;
  /** Called with the new buffer after an unshared one has been replaced. */
  onReplace: ((buffer: ArrayBuffer) => void) | undefined = undefined;
  readonly failure: FailureInjection = new FailureInjection();

  /** What the buffer is of, if it is of a memory that WebAssembly can use. */
  readonly memory: SharedMemory | undefined;

  /**
   * @param agents - whose deaths the lock survives; it is in the words whether it is needed
   * @param memory - whose buffer it is
   */
  constructor(buffer: ArrayBuffer | SharedArrayBuffer, agents?: Agents, memory?: SharedMemory) {
    this.buffer = buffer;
    this.memory = memory;
    this.agents = agents;
    this.i32 = new Int32Array(buffer, 0, buffer.byteLength / 4);
    this.f64 = new Float64Array(buffer, 0, buffer.byteLength / 8);
    this.u8 = new Uint8Array(buffer, 0, buffer.byteLength);
    this.debug = (this.i32[L.FLAGS] & L.FLAG_DEBUG) !== 0;
    if (!isSharedBuffer(buffer)) this.lock = undefined;
    else if (agents === undefined) this.lock = new SpinLock(this.i32, L.LOCK);
    else this.lock = new RobustSpinLock(this.i32, L.LOCK, { agents, repair: () => this.#repair() });
  }

  /** Id under which this agent is known to those that outlive it, 0 if it has none. */
  get self(): number {
    return this.agents?.self ?? currentAgentId();
  }

  /** Re-creates the views if another agent has grown the buffer. Cost: one load if not. */
  refresh(): Int32Array {
    // interleave: intended race - see the top of the file
    if (this.i32[L.WORDS] !== this.i32.length) this.#view();
    return this.i32;
  }

  /** Makes sure that the views cover `word`. */
  ensure(word: number): void {
    if (word >= this.i32.length) this.refresh();
  }

  /** Takes the arena's lock, if it has one, and makes the views current. Pair with {@link leave}. */
  enter(): void {
    if (this.lock === undefined) return;
    this.lock.lock();
    this.refresh();
  }

  /** Gives the lock back. */
  leave(): void {
    this.lock?.unlock();
  }

  /** Runs `fn` between {@link enter} and {@link leave}. */
  locked<T>(fn: () => T): T {
    this.enter();
    try {
      return fn();
    } finally {
      this.leave();
    }
  }

  /** First word of `count` fresh chunks in a row, growing the buffer if need be; 0 if impossible. Lock held. */
  takeChunks(count: number): number {
    const first = this.i32[L.NEXT];
    const end = first + count * L.CHUNK_WORDS;
    if (end > this.i32.length && !this.#grow(end)) return 0;
    this.i32[L.NEXT] = end;
    return first;
  }

  /** Can `count` words be carved out of the chunk that is begun? Lock held. */
  canCarve(count: number): boolean {
    return this.i32[L.CARVE] + L.roundUp(count, 16) <= this.i32[L.CARVE_END];
  }

  /**
   * Carves `count` zeroed words, 16-word aligned; 0 if impossible. Lock held. A carve-out that fits a chunk
   * lies in one, so a view that covers its first word covers all of it.
   */
  carve(count: number): number {
    const size = L.roundUp(count, 16);
    const at = this.i32[L.CARVE];
    if (this.canCarve(count)) {
      this.i32[L.CARVE] = at + size;
      this.i32[L.CARVED] += size;
      return at;
    }
    const chunks = Math.ceil(size / L.CHUNK_WORDS);
    const fresh = this.takeChunks(chunks);
    if (fresh === 0) return 0;
    const words = this.i32; // read again: takeChunks may have grown the buffer
    const end = fresh + chunks * L.CHUNK_WORDS;
    // Of the old rest and the new one the larger is kept for the next requests.
    if (end - fresh - size > words[L.CARVE_END] - at) {
      words[L.CARVE] = fresh + size;
      words[L.CARVE_END] = end;
    }
    words[L.CARVED] += size;
    return fresh;
  }

  #grow(wordsNeeded: number): boolean {
    const wordsMax = this.i32[L.WORDS_MAX];
    if (wordsNeeded > wordsMax) return false;
    // Memory of WebAssembly grows in pages, and so does what may be at most.
    const needed = this.memory === undefined ? wordsNeeded : L.roundUp(wordsNeeded, L.PAGE_BYTES / 4);
    const wanted = Math.min(wordsMax, Math.max(needed, this.i32.length + growth(this.i32.length)));
    // The host may refuse that size and still have room for what is needed.
    return this.#growTo(wanted) || (wanted > needed && this.#growTo(needed));
  }

  #growTo(words: number): boolean {
    try {
      if (this.memory !== undefined) this.memory.grow(words * 4);
      else if (isSharedBuffer(this.buffer)) this.buffer.grow(words * 4);
      else this.#replace(new ArrayBuffer(words * 4));
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
    this.i32[L.GROWN] += 1;
    Atomics.store(this.i32, L.WORDS, words);
    this.#view();
    return true;
  }

  #replace(buffer: ArrayBuffer): void {
    const old = this.i32;
    new Int32Array(buffer).set(old);
    this.buffer = buffer;
    this.#view();
    this.onReplace?.(buffer);
    if (this.debug) old.fill(POISON);
  }

  /** The last holder of the lock died with it. */
  #repair(): void {
    this.#view(); // it may have grown the buffer without saying so
    Atomics.store(this.i32, L.WORDS, this.i32.length);
    this.onRepair?.();
  }

  #view(): void {
    // A memory that has grown has another buffer, over the same bytes and more.
    if (this.memory !== undefined) this.buffer = this.memory.buffer;
    const bytes = this.buffer.byteLength;
    this.i32 = new Int32Array(this.buffer, 0, bytes / 4);
    this.f64 = new Float64Array(this.buffer, 0, bytes / 8);
    this.u8 = new Uint8Array(this.buffer, 0, bytes);
  }
}

/**
 * Words that a buffer of `words` grows by: below 16 MiB as many, from there on an eighth. So a large buffer has little
 * that is not used yet; and an unshared one, which is copied to grow, has been copied nine times over at most.
 */
function growth(words: number): number {
  return words < DOUBLED_BELOW ? words : L.roundUp(words >> 3, L.PAGE_BYTES / 4);
}

/** Is this buffer one that other agents may see? */
export function isSharedBuffer(buffer: unknown): buffer is SharedArrayBuffer {
  return typeof SharedArrayBuffer !== "undefined" && buffer instanceof SharedArrayBuffer;
}

/** The error for an allocation that found no room. */
export function outOfMemory(what: string, region: Region): ArenaError {
  const words = region.i32.length;
  return new ArenaError(
    "ENOMEM",
    `${what}: arena is full, ${words * 4} of at most ${region.i32[L.WORDS_MAX] * 4} bytes`,
  );
}
