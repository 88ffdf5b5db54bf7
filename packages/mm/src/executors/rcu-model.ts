/*
 * RCU as the steps and timed executors know it. A grace period ends as early as the contract allows: at the moment
 * the last reader leaves that was inside when it began. Whoever goes wrong by a callback that comes too early goes
 * wrong here.
 */

/** Something waiting for the end of its grace period. */
interface Deferred {
  readonly bytes: number;
  readonly free: () => void;
  /** Sections that were open when it was deferred, and still are. */
  readonly waitsFor: Set<number>;
}

/** Read sections and what waits for them. */
export class RcuModel {
  readonly #depth = new Map<string, number>();
  /** Thread → number of its open section. */
  readonly #open = new Map<string, number>();
  #sections = 0;
  #deferred: Deferred[] = [];
  /** Most bytes that have waited at one time, and most callbacks. */
  maxBytes = 0;
  maxCallbacks = 0;

  enter(thread: string): void {
    const depth = this.#depth.get(thread) ?? 0;
    this.#depth.set(thread, depth + 1);
    if (depth === 0) this.#open.set(thread, ++this.#sections);
  }

  /** Ends a section; returns how many callbacks have run. @throws Error outside of any section */
  leave(thread: string): number {
    const depth = this.#depth.get(thread) ?? 0;
    if (depth === 0) throw new Error(`${thread} leaves an RCU section, and is in none`);
    this.#depth.set(thread, depth - 1);
    if (depth > 1) return 0;
    const section = this.#open.get(thread)!;
    this.#open.delete(thread);
    for (const { waitsFor } of this.#deferred) waitsFor.delete(section);
    return this.#run();
  }

  isReading(thread: string): boolean {
    return (this.#depth.get(thread) ?? 0) > 0;
  }

  /** Queues `free`; it runs at once if nobody reads. Returns how many callbacks have run. */
  defer(bytes: number, free: () => void): number {
    this.#deferred.push({ bytes, free, waitsFor: new Set(this.#open.values()) });
    this.maxBytes = Math.max(this.maxBytes, this.pendingBytes);
    this.maxCallbacks = Math.max(this.maxCallbacks, this.#deferred.length);
    return this.#run();
  }

  /** Callbacks that wait. */
  get pending(): number {
    return this.#deferred.length;
  }

  /** Bytes they hold back. */
  get pendingBytes(): number {
    return this.#deferred.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Threads in a section. */
  get readers(): string[] {
    return [...this.#open.keys()];
  }

  /** All that matters, as a string. */
  fingerprint(): string {
    const names = new Map([...this.#open].map(([thread, section]) => [section, thread]));
    const waits = this.#deferred.map(({ waitsFor }) => [...waitsFor].map((at) => names.get(at)).join("+"));
    return `${[...this.#open.keys()].join(",")}|${waits.join(";")}`;
  }

  #run(): number {
    const due = this.#deferred.filter(({ waitsFor }) => waitsFor.size === 0);
    this.#deferred = this.#deferred.filter(({ waitsFor }) => waitsFor.size > 0);
    for (const { free } of due) free();
    return due.length;
  }
}
