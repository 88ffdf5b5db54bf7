/*
 * A time-travel log: every write since some moment, and the tree as it was after any of them.
 *
 * A version is made by copying a keyframe node for node and doing the writes behind it again. Equal writes to
 * equal nodes give equal nodes, so a version has the layout of its time, not only the contents (bulk loading
 * alone packs nodes in a way of its own).
 */
import type { TreeCore } from "./core.ts";
import { MapleError } from "./errors.ts";
import type { WriteEvent } from "./events.ts";

/** How a history is kept. */
export interface HistoryOptions {
  /** Writes between two keyframes, at least 1: more cost less memory and more time. Default 1000. */
  readonly keyframeEvery?: number;
  /** Writes to remember at least, before the oldest are forgotten. Default: all. */
  readonly limit?: number;
}

/** A write, and what is needed to do it again. */
export interface RecordedWrite<V> {
  /** The version that it made. */
  readonly version: number;
  /** The range as asked for. */
  readonly first: number;
  readonly last: number;
  /** What was stored, `undefined` for nothing. */
  readonly value: V | undefined;
  /** What it did to the nodes. */
  readonly event: WriteEvent;
}

/** A hook beside the one that is set, until the returned function is called. */
export function listen(core: TreeCore, hook: (event: WriteEvent) => void): () => void {
  const before = core.onWrite;
  const both = (event: WriteEvent): void => {
    before?.(event);
    hook(event);
  };
  core.onWrite = both;
  return () => {
    if (core.onWrite === both) core.onWrite = before;
  };
}

/** What a history needs of a tree. Package-internal. */
export interface Recorded<T, V> {
  clone(tree: T): T;
  /** Does a write again. */
  store(tree: T, first: number, last: number, value: V | undefined): void;
  /** Gives a copy's nodes back. */
  clear(tree: T): void;
  valueOf(entry: number): V | undefined;
  /** Calls `hook` after each write, until the returned function is called. */
  listen(hook: (event: WriteEvent) => void): () => void;
}

interface Keyframe<T> {
  readonly version: number;
  readonly tree: T;
}

const KEYFRAME_EVERY = 1000;

/** The writes to a tree `T` since `record()`; those of this instance, where several agents write. */
export class TreeHistory<T, V> {
  readonly #tree: Recorded<T, V>;
  readonly #every: number;
  readonly #limit: number;
  readonly #keyframes: Keyframe<T>[];
  readonly #stop: () => void;
  #writes: RecordedWrite<V>[] = [];
  #isStopped = false;

  /** Package-internal: use `record()` of a tree. @throws RangeError if an option is out of range */
  constructor(live: T, tree: Recorded<T, V>, options: HistoryOptions = {}) {
    const { keyframeEvery = KEYFRAME_EVERY, limit = Number.POSITIVE_INFINITY } = options;
    if (!Number.isInteger(keyframeEvery) || keyframeEvery < 1) {
      throw new RangeError(`record: keyframeEvery must be an integer >= 1, got ${keyframeEvery}`);
    }
    if (!(limit >= 1)) throw new RangeError(`record: limit must be at least 1, got ${limit}`);
    this.#tree = tree;
    this.#every = keyframeEvery;
    this.#limit = limit;
    this.#keyframes = [{ version: 0, tree: tree.clone(live) }];
    this.#stop = tree.listen((event) => this.#add(event));
  }

  /** The oldest version there is: 0, when recording began, unless a limit has made it forget. */
  get oldest(): number {
    return this.#keyframes[0]!.version;
  }

  /** The newest version: as many writes as there have been. */
  get newest(): number {
    return this.oldest + this.#writes.length;
  }

  /** The writes that are remembered, from that which made version `oldest + 1`. */
  get writes(): readonly RecordedWrite<V>[] {
    return this.#writes;
  }

  /**
   * The tree as it was after write `version`; a tree of its own, which the caller may change.
   *
   * @throws RangeError if it is not remembered; MapleError `EINVAL` once stopped; `ENOMEM`.
   * Cost: O(nodes), and at most `keyframeEvery` writes
   */
  at(version: number): T {
    this.#assertRunning("at");
    if (!Number.isInteger(version) || version < this.oldest || version > this.newest) {
      throw new RangeError(
        `at: version must be an integer in ${this.oldest}..${this.newest}, got ${version}`,
      );
    }
    const keyframe = this.#keyframes.findLast((each) => each.version <= version)!;
    const tree = this.#tree.clone(keyframe.tree);
    this.#replay(tree, keyframe.version, version);
    return tree;
  }

  /** Ends recording and gives the keyframes' nodes back. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#stop();
    for (const { tree } of this.#keyframes) this.#tree.clear(tree);
  }

  /** {@link stop}, for `using`. */
  [Symbol.dispose](): void {
    this.stop();
  }

  #add(event: WriteEvent): void {
    const { requestedFirst: first, requestedLast: last, entry } = event;
    const version = this.newest + 1;
    this.#writes.push({ version, first, last, value: this.#tree.valueOf(entry), event });
    const newest = this.#keyframes.at(-1)!;
    if (version - newest.version >= this.#every) this.#addKeyframe(newest, version);
    while (this.#keyframes.length > 1 && this.newest - this.#keyframes[1]!.version >= this.#limit)
      this.#forget();
  }

  /** The write is done and must not fail any more: without room for a keyframe there is none yet. */
  #addKeyframe(newest: Keyframe<T>, version: number): void {
    let tree: T | undefined;
    try {
      tree = this.#tree.clone(newest.tree);
      this.#replay(tree, newest.version, version);
    } catch (error) {
      if ((error as { code?: string }).code !== "ENOMEM") throw error;
      if (tree !== undefined) this.#tree.clear(tree);
      return;
    }
    this.#keyframes.push({ version, tree });
  }

  /** Drops the oldest keyframe and the writes up to the next. */
  #forget(): void {
    const [oldest, next] = this.#keyframes as [Keyframe<T>, Keyframe<T>];
    this.#writes = this.#writes.slice(next.version - oldest.version);
    this.#keyframes.shift();
    this.#tree.clear(oldest.tree);
  }

  #replay(tree: T, from: number, to: number): void {
    const { oldest } = this;
    for (const write of this.#writes.slice(from - oldest, to - oldest)) {
      this.#tree.store(tree, write.first, write.last, write.value);
    }
  }

  #assertRunning(what: string): void {
    if (this.#isStopped) throw new MapleError("EINVAL", `${what}: this history is stopped`);
  }
}
