/*
 * What every part of a tree works on: the arena, the header's word, the node cache, the geometry.
 *
 * Lock order: tree lock (header) → arena lock (inside the node cache). Taken alone: either.
 *
 * Memory order. A node is written privately and published by one Atomics.store of a slot or of the root word.
 * Readers load those words with Atomics.load, which orders everything the writer did before: pivots and the
 * type of a node that was found this way are read plainly. In RCU mode they never change after publication.
 * Gaps, metadata and height change in place; only writers read them, under the lock.
 */
import type { Arena, SlabCache } from "@faultline/arena";
import { RobustSpinLock, SpinLock } from "@faultline/sync";
import { MapleError } from "./errors.ts";
import { type Recovery, type StepEvent, type WriteEvent, writeEvent } from "./events.ts";
import {
  checkGeometry,
  type Geometry,
  type IndexDomain,
  MAX_INDEX,
  MAX_INDEX_U32,
  WIDE_GEOMETRY,
} from "./geometry.ts";
import * as L from "./layout.ts";
import { type Descent, descentOf } from "./wasm/descent.ts";

// V8 folds constants of the module itself, but loads imported ones each time; see layout.ts.
const {
  FLAGS,
  FLAG_GAPS,
  FLAG_LOCK_EXTERNAL,
  FLAG_LOCK_INTERNAL,
  FLAG_RCU,
  FLAG_U32,
  FLAG_WRAPPED,
  GEOMETRY,
  HEADER_WORDS,
  HEIGHT,
  LOCK,
  MAGIC,
  MAGIC_VALUE,
  NODES,
  NODE_ALIGN,
  NODE_WORDS,
  PARENT,
  ROOT,
  SLOTS,
  VERSION,
} = L;
const ARANGE: typeof L.NodeType.Arange = L.NodeType.Arange;
const RANGE: typeof L.NodeType.Range = L.NodeType.Range;
const LEAF: typeof L.NodeType.Leaf = L.NodeType.Leaf;

/** Who keeps writers apart. */
export type LockMode = "internal" | "external" | "none";

/** How a tree is made. */
export interface TreeOptions {
  /** Fan-out of the nodes; default {@link WIDE_GEOMETRY}. */
  readonly geometry?: Geometry;
  /** Keep the largest gap below every child, so that gaps can be searched; default false. */
  readonly gaps?: boolean;
  /** Readers may run beside the writer; default true for shared trees. */
  readonly rcu?: boolean;
  /** `internal`: writes take the spinlock in the header; `external`: the caller holds a lock; default internal. */
  readonly lock?: LockMode;
  /** Which indices there are; default `u53`. */
  readonly domain?: IndexDomain;
}

/** Name of the node cache in an arena; all trees of an arena share it. */
export const NODE_CACHE = "maple_node";

/** A tree's words and the means to change them. Package-internal. */
export class TreeCore {
  readonly arena: Arena;
  /** Word of the header. */
  readonly header: number;
  readonly cache: SlabCache;
  readonly geometry: Geometry;
  /** Reads in WebAssembly, where the arena is made for it. */
  readonly descent: Descent | undefined;
  /** Addresses in bytes of the root word and of the version. */
  readonly rootAddress: number;
  readonly versionAddress: number;
  /** Slots of a leaf, and the least that is not too few. */
  readonly leafSlots: number;
  readonly leafSlotsMin: number;
  /** Do ascending stores fill leaves? The kernel splits them in other places, and so do trees of its geometry. */
  readonly packs: boolean;
  readonly gaps: boolean;
  /** Largest index, inclusive: the end of the last range. No Smi in either domain, so that V8 keeps a double. */
  readonly maxIndex: number;
  rcu: boolean;
  readonly lockMode: LockMode;
  /** Reads need Atomics and a read section: another agent may write at the same time. */
  concurrent: boolean;
  onWrite: ((event: WriteEvent) => void) | undefined = undefined;
  onStep: ((step: StepEvent) => void) | undefined = undefined;
  /** Asked before a write takes nodes; `false` makes it fail with `ENOMEM`. */
  onAllocate: ((nodes: number) => boolean) | undefined = undefined;
  /** Nodes taken in advance, by a {@link Reservation} whose write is under way. */
  prepaid: number[] = [];
  /** Called at the beginning of every write, to throw if the external lock is not held. */
  assertWrite: (() => void) | undefined = undefined;
  readonly #lock: SpinLock | RobustSpinLock | undefined;
  #steps: StepEvent[] = [];
  /** Puts the tree right after a writer has died in it (recover.ts); set by the tree whose core this is. */
  onRecover: ((core: TreeCore) => Recovery) | undefined = undefined;
  /** What the lock has repaired before it was given to us. */
  #recovered: Recovery | undefined = undefined;

  private constructor(arena: Arena, header: number) {
    const words = arena.i32;
    this.arena = arena;
    this.header = header;
    this.descent = descentOf(arena);
    this.rootAddress = (header + ROOT) * 4;
    this.versionAddress = (header + VERSION) * 4;
    this.cache = arena.cache({ name: NODE_CACHE, objectWords: NODE_WORDS, alignWords: NODE_ALIGN });
    const flags = words[header + FLAGS]!;
    const packed = words[header + GEOMETRY]!;
    this.geometry = {
      leafSlots: packed & 0xff,
      rangeSlots: (packed >> 8) & 0xff,
      arangeSlots: (packed >> 16) & 0xff,
    };
    this.leafSlots = this.geometry.leafSlots;
    this.packs = this.leafSlots > 16;
    this.leafSlotsMin = this.minSlotsOf(LEAF);
    this.gaps = (flags & FLAG_GAPS) !== 0;
    this.maxIndex = (flags & FLAG_U32) !== 0 ? MAX_INDEX_U32 : MAX_INDEX;
    this.rcu = (flags & FLAG_RCU) !== 0;
    this.lockMode =
      (flags & FLAG_LOCK_INTERNAL) !== 0
        ? "internal"
        : (flags & FLAG_LOCK_EXTERNAL) !== 0
          ? "external"
          : "none";
    this.concurrent = arena.isShared && this.rcu;
    // Within one agent a write runs to its end, so an unshared tree has nobody to lock out.
    const locks = this.lockMode === "internal" && arena.isShared;
    this.#lock = locks ? this.#newLock() : undefined;
  }

  /** With a registry of who lives, the next writer repairs what one that died has left. */
  #newLock(): SpinLock | RobustSpinLock {
    const { i32, agents } = this.arena;
    const word = this.header + LOCK;
    if (agents === undefined) return new SpinLock(i32, word);
    const repair = (): void => {
      this.#recovered = this.#recover();
    };
    return new RobustSpinLock(i32, word, { agents, repair });
  }

  /** Cleans up after a writer that never runs again. @returns whether it held the tree's lock */
  agentDied(id: number): boolean {
    const lock = this.#lock;
    return lock !== undefined && "agentDied" in lock && lock.agentDied(id);
  }

  /** Does the agent with this id hold the tree's own lock? For locks that know. */
  isLockedBy(id: number): boolean {
    return this.#lock instanceof RobustSpinLock && this.#lock.owner === id;
  }

  #recover(): Recovery {
    if (this.onRecover === undefined) throw new MapleError("EINVAL", "recover: this tree cannot be repaired");
    return this.onRecover(this);
  }

  /** Repairs, taking over the lock if it is not one that knows who has died. No other writer is there. */
  recoverNow(): Recovery {
    const lock = this.#lock;
    if (lock instanceof RobustSpinLock) {
      this.#recovered = undefined;
      return lock.withLock(() => this.#recovered ?? this.#recover());
    }
    const result = this.#recover();
    if (lock !== undefined) Atomics.store(this.arena.i32, this.header + LOCK, 0);
    return result;
  }

  /** Makes an empty tree. @throws ArenaError `ENOMEM` */
  static create(arena: Arena, options: TreeOptions): TreeCore {
    const geometry = options.geometry ?? WIDE_GEOMETRY;
    checkGeometry(geometry);
    const lock = options.lock ?? "internal";
    if (lock !== "internal" && lock !== "external" && lock !== "none") {
      throw new RangeError(`lock must be internal, external or none, got ${String(lock)}`);
    }
    const domain = options.domain ?? "u53";
    if (domain !== "u32" && domain !== "u53") {
      throw new RangeError(`domain must be u32 or u53, got ${String(domain)}`);
    }
    const header = arena.allocWords(HEADER_WORDS);
    const words = arena.i32;
    words[header + FLAGS] =
      (options.gaps === true ? FLAG_GAPS : 0) |
      (options.rcu === false ? 0 : FLAG_RCU) |
      (domain === "u32" ? FLAG_U32 : 0) |
      (lock === "internal" ? FLAG_LOCK_INTERNAL : lock === "external" ? FLAG_LOCK_EXTERNAL : 0);
    words[header + GEOMETRY] = geometry.leafSlots | (geometry.rangeSlots << 8) | (geometry.arangeSlots << 16);
    Atomics.store(words, header + MAGIC, MAGIC_VALUE);
    return new TreeCore(arena, header);
  }

  /** Opens the tree whose header is at `header`. @throws MapleError `EINVAL` if there is none */
  static attach(arena: Arena, header: number): TreeCore {
    arena.refresh();
    if (!Number.isInteger(header) || header <= 0 || arena.i32[header] !== MAGIC_VALUE) {
      throw new MapleError("EINVAL", `attach: word ${String(header)} is not the root of a maple tree`);
    }
    return new TreeCore(arena, header);
  }

  get i32(): Int32Array {
    return this.arena.i32;
  }

  get f64(): Float64Array {
    return this.arena.f64;
  }

  get rootWord(): number {
    return Atomics.load(this.arena.i32, this.header + ROOT);
  }

  /** {@link rootWord} for those whom no writer can disturb: the lock is held, or there is one agent. */
  get root(): number {
    return this.arena.i32[this.header + ROOT]!;
  }

  get height(): number {
    return Atomics.load(this.arena.i32, this.header + HEIGHT);
  }

  get nodeCount(): number {
    return Atomics.load(this.arena.i32, this.header + NODES);
  }

  get domain(): IndexDomain {
    return this.maxIndex === MAX_INDEX ? "u53" : "u32";
  }

  /** Type of the internal nodes. */
  get internalType(): L.NodeType {
    return this.gaps ? ARANGE : RANGE;
  }

  slotsOf(type: number): number {
    if (type === LEAF) return this.geometry.leafSlots;
    return type === ARANGE ? this.geometry.arangeSlots : this.geometry.rangeSlots;
  }

  /** A node other than those on the right edge has more than this many used slots. */
  minSlotsOf(type: number): number {
    return type === ARANGE ? (this.geometry.arangeSlots >> 1) - 1 : (this.slotsOf(type) >> 1) - 2;
  }

  /** Runs `fn` with the tree's own lock held, if it has one. */
  locked<T>(fn: () => T): T {
    return this.#lock === undefined ? fn() : this.#lock.withLock(fn);
  }

  /** Opens a read section where one is needed; must be paired with {@link readEnd}. */
  readBegin(): void {
    if (this.concurrent) this.arena.rcu.readLock();
  }

  readEnd(): void {
    if (this.concurrent) this.arena.rcu.readUnlock();
  }

  /** Is there anything to ask before a write? */
  get #checksLock(): boolean {
    return this.assertWrite !== undefined || (this.arena.isDebug && this.#lock !== undefined);
  }

  /** A write begins, with the lock held: look at nodes that other agents have made, and warn cursors. */
  writeBegin(): void {
    if (this.#checksLock) this.#assertWriteLocked();
    this.arena.refresh();
    this.#newVersion();
    if (this.observed) this.#steps = [];
  }

  /** @throws MapleError `EPERM` unless the lock that keeps writers apart is held, as far as that can be told */
  #assertWriteLocked(): void {
    this.assertWrite?.();
    const lock = this.#lock;
    if (lock === undefined) return;
    const isHeld = lock instanceof RobustSpinLock ? lock.owner === this.arena.agents?.self : lock.isLocked;
    if (!isHeld) throw new MapleError("EPERM", "write: the tree's lock is not held; write in tree.locked()");
  }

  /** The write is over, or was refused. */
  writeEnd(): void {
    this.#newVersion();
  }

  /** Odd while a write is under way; see layout.ts. */
  get version(): number {
    const word = this.header + VERSION;
    return this.concurrent ? Atomics.load(this.arena.i32, word) : this.arena.i32[word]!;
  }

  #newVersion(): void {
    const i32 = this.arena.i32;
    const word = this.header + VERSION;
    if (this.concurrent) Atomics.store(i32, word, i32[word]! + 1);
    else i32[word] = i32[word]! + 1;
  }

  /** Stores a word which readers may load at the same time: with Atomics if there can be any. */
  put(word: number, value: number): void {
    if (this.concurrent) Atomics.store(this.arena.i32, word, value);
    else this.arena.i32[word] = value;
  }

  /** Reports a finished write to `onWrite`. */
  report(entry: number): void {
    if (this.onWrite === undefined || this.#steps.length === 0) return;
    const event = writeEvent(this.#steps, entry, this.height);
    this.#steps = [];
    this.onWrite(event);
  }

  /** May nodes be overwritten? Not under readers, nor while somebody wants to hear of each new one. */
  get inPlace(): boolean {
    return !this.rcu && !this.observed;
  }

  /** Does anybody want to be asked before a write, or to know its steps? Then there is no short way to do it. */
  get isWatched(): boolean {
    return this.observed || this.onAllocate !== undefined || this.#checksLock;
  }

  /** Does anybody want to know the steps of a write? */
  get observed(): boolean {
    return this.onStep !== undefined || this.onWrite !== undefined;
  }

  /** Reports one effect. Callers check {@link observed} first, so that unobserved writes build no objects. */
  step(step: StepEvent): void {
    this.#steps.push(step);
    this.onStep?.(step);
  }

  /** Makes the next `count` {@link newNode} calls of this write succeed. @throws MapleError `ENOMEM` */
  reserve(count: number): void {
    const missing = count - this.prepaid.length;
    if (missing <= 0) return;
    if (this.onAllocate?.(missing) === false) throw outOfNodes(missing);
    try {
      this.cache.reserve(missing);
    } catch (cause) {
      throw outOfMemory(missing, cause);
    }
  }

  /** A node with words 0 and 1 zero, the others anything. Views must be read again afterwards. @throws MapleError `ENOMEM` */
  newNode(): number {
    return this.prepaid.length > 0 ? this.prepaid.pop()! : this.#alloc();
  }

  #alloc(): number {
    try {
      return this.cache.alloc(this.header);
    } catch (cause) {
      throw outOfMemory(1, cause);
    }
  }

  /** Does the node's parent word point at the node itself? */
  isDead(node: number): boolean {
    return Atomics.load(this.arena.i32, node + PARENT) === node;
  }

  markDead(node: number): void {
    this.put(node + PARENT, node);
    if (this.observed) this.step({ what: "dead", node });
  }

  /** Hands a dead node to the arena: for reuse after a grace period, or at once if no reader can see it. */
  retire(node: number): void {
    this.#count(-1);
    if (this.rcu) this.cache.freeDeferred(node);
    else this.cache.free(node);
    if (this.observed) this.step({ what: this.rcu ? "defer" : "free", node });
  }

  /** A node is complete and will become part of the tree. */
  built(node: number): void {
    this.#count(1);
    if (this.observed) this.step({ what: "build", node });
  }

  /** The store that makes new nodes reachable. `node` 0 means the root word. */
  publish(node: number, slot: number, to: number): void {
    const words = this.arena.i32;
    const word = node === 0 ? this.header + ROOT : node + SLOTS + slot;
    const from = words[word]!;
    this.put(word, to);
    if (this.observed) this.step({ what: "publish", node, slot, from, to });
  }

  /** Lets readers run beside the writer, or not. Only while no other agent can see the tree. */
  setRcu(on: boolean): void {
    const word = this.header + FLAGS;
    const flags = this.arena.i32[word]!;
    Atomics.store(this.arena.i32, word, on ? flags | FLAG_RCU : flags & ~FLAG_RCU);
    this.rcu = on;
    this.concurrent = on && this.arena.isShared;
  }

  /** Has cyclic allocation handed out the last index, so that the next one tells of the wrap? Lock held. */
  get wrapped(): boolean {
    return (this.arena.i32[this.header + FLAGS]! & FLAG_WRAPPED) !== 0;
  }

  set wrapped(on: boolean) {
    const word = this.header + FLAGS;
    const flags = this.arena.i32[word]!;
    Atomics.store(this.arena.i32, word, on ? flags | FLAG_WRAPPED : flags & ~FLAG_WRAPPED);
  }

  setHeight(height: number): void {
    this.put(this.header + HEIGHT, height);
  }

  /**
   * Only writers count, under the lock; what others see of it is shown, and nothing rests on it. Plainly, since two
   * atomic stores in each write beside readers made an append take 597 ns instead of 565.
   */
  #count(change: number): void {
    this.arena.i32[this.header + NODES]! += change; // interleave: intended race - see above
  }
}

function outOfMemory(nodes: number, cause: unknown): unknown {
  return cause instanceof Error && "code" in cause && cause.code === "ENOMEM"
    ? outOfNodes(nodes, { cause })
    : cause;
}

function outOfNodes(nodes: number, options?: ErrorOptions): MapleError {
  return new MapleError("ENOMEM", `the arena has no room for ${nodes} more tree nodes`, options);
}
