/*
 * Memory as it is used outside threads: by `setup` and `after`, where nobody else is there; and buffers that a
 * thread makes for itself, which nobody else can see.
 */
import { Memory } from "./memory.ts";
import type { Op } from "./op.ts";
import { follow, type Site, type Sites } from "./sites.ts";

/** What of one execution is no thread's, or one thread's alone. */
export class Outside {
  readonly #memory: Memory;
  readonly #sites: Sites | undefined;
  #site: Site | undefined;
  #private: Set<ArrayBufferLike> | undefined;

  constructor(memory: Memory, sites: Sites | undefined) {
    this.#memory = memory;
    this.#sites = sites;
    this.#site = sites?.outside;
  }

  /** Does an operation at once. Nobody sleeps, and nobody would wake a sleeper. */
  access(op: Op): unknown {
    const result = this.#perform(op);
    if (this.#site !== undefined) {
      this.#sites!.withStack(this.#site, op);
      this.#site = follow(this.#site, result, -1);
    }
    return result;
  }

  #perform(op: Op): unknown {
    if (op.kind === "notify") return 0;
    if (op.kind !== "wait" && op.kind !== "waitAsync") return this.#memory.perform(op);
    const value = this.#memory.peek(op) === op.value ? "timed-out" : "not-equal";
    return op.kind === "wait" ? value : { async: false, value };
  }

  /** Makes a buffer for one thread: it cannot be passed through shared memory. */
  allocate(bytes: number, options?: { maxByteLength?: number }): SharedArrayBuffer {
    const buffer = new Memory().allocate(bytes, options);
    this.#private ??= new Set();
    this.#private.add(buffer);
    return buffer;
  }

  /** Was the buffer made by a thread of this execution? */
  isPrivate(buffer: ArrayBufferLike): boolean {
    return this.#private?.has(buffer) === true;
  }
}
