/*
 * The event queue: a binary heap in parallel typed arrays. Pushing and popping allocate nothing
 * (apart from doubling the arrays). Order: time, then the order of pushing, so ties have one result.
 */

/** Pending events, earliest first; equal times come out in the order they went in. Times are integer picoseconds. */
export class EventQueue {
  #times: Float64Array;
  #orders: Float64Array;
  #targets: Int32Array;
  #tokens: Int32Array;
  #size = 0;
  #order = 0;
  /** Time of the event popped last. */
  time = 0;
  /** Target of the event popped last: whose turn it is. */
  target = 0;
  /** Token of the event popped last: the receiver ignores the event if it has moved on. */
  token = 0;

  constructor(capacity = 1024) {
    this.#times = new Float64Array(capacity);
    this.#orders = new Float64Array(capacity);
    this.#targets = new Int32Array(capacity);
    this.#tokens = new Int32Array(capacity);
  }

  /** Number of pending events. */
  get size(): number {
    return this.#size;
  }

  /** Time of the earliest event, Infinity if none. */
  peekTime(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#times[0]!;
  }

  /** Adds an event. Throws RangeError unless `time` is an integer in 0..2^53-1. Cost O(log n). */
  push(time: number, target: number, token: number): void {
    if (!Number.isSafeInteger(time) || time < 0) {
      throw new RangeError(`EventQueue.push: time must be an integer in 0..2^53-1, got ${time}`);
    }
    if (this.#size === this.#times.length) this.#grow();
    const order = this.#order++;
    let hole = this.#size++;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (this.#times[parent]! <= time) break;
      this.#move(parent, hole);
      hole = parent;
    }
    this.#put(hole, time, order, target, token);
  }

  /** Takes the earliest event out into `time`, `target`, `token`. False if there is none. Cost O(log n). */
  pop(): boolean {
    if (this.#size === 0) return false;
    this.time = this.#times[0]!;
    this.target = this.#targets[0]!;
    this.token = this.#tokens[0]!;
    const last = --this.#size;
    if (last > 0) this.#sink(last);
    return true;
  }

  /** Throws if the heap order is broken. */
  validate(): void {
    for (let i = 1; i < this.#size; i++) {
      if (this.#before(i, (i - 1) >> 1)) throw new Error(`EventQueue: event ${i} is before its parent`);
    }
  }

  #sink(last: number): void {
    const time = this.#times[last]!;
    const order = this.#orders[last]!;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#before(child + 1, child)) child++;
      const childTime = this.#times[child]!;
      if (time < childTime || (time === childTime && order < this.#orders[child]!)) break;
      this.#move(child, hole);
      hole = child;
    }
    this.#put(hole, time, order, this.#targets[last]!, this.#tokens[last]!);
  }

  #before(a: number, b: number): boolean {
    const difference = this.#times[a]! - this.#times[b]!;
    return difference < 0 || (difference === 0 && this.#orders[a]! < this.#orders[b]!);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from]!, this.#orders[from]!, this.#targets[from]!, this.#tokens[from]!);
  }

  #put(at: number, time: number, order: number, target: number, token: number): void {
    this.#times[at] = time;
    this.#orders[at] = order;
    this.#targets[at] = target;
    this.#tokens[at] = token;
  }

  #grow(): void {
    const capacity = this.#times.length * 2;
    const times = new Float64Array(capacity);
    times.set(this.#times);
    this.#times = times;
    const orders = new Float64Array(capacity);
    orders.set(this.#orders);
    this.#orders = orders;
    const targets = new Int32Array(capacity);
    targets.set(this.#targets);
    this.#targets = targets;
    const tokens = new Int32Array(capacity);
    tokens.set(this.#tokens);
    this.#tokens = tokens;
  }
}
