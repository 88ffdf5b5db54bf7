/*
 * One writer and some readers on a shared tree, and somebody who terminates them: a reader wherever it is, the
 * writer in the middle of a store, of an allocation, of handing a node to the arena. After each death of the
 * writer the tree is looked at: valid, nothing leaked, nothing missing; then a new one goes on. Who gives a wrong
 * answer says so; who stands still because of a death is found by the counters.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Arena } from "@faultline/arena";
import { type Geometry, SharedMapleTree } from "@faultline/maple-tree";
import { type SpawnedAgent, spawnAgent, ThreadRegistry } from "@faultline/sync";
import { type Answer, BLOCK, CLOCK, mapPinned, random, Signal, type Task } from "../test/self-describing.ts";
import type { Order } from "./torture.worker.ts";

/** What {@link torture} is told. */
export interface TortureOptions {
  readonly seconds: number;
  /** Integer `1..8`. */
  readonly readers: number;
  readonly seed: number;
  /** Nodes are reused without waiting for readers: the run must fail. */
  readonly noGracePeriod?: boolean;
  /** Is the arena in WebAssembly memory? Default no. */
  readonly wasm?: boolean;
  /** Default that of {@link SharedMapleTree}. */
  readonly geometry?: Geometry;
  readonly onProgress?: (report: Report) => void;
}

/** What has happened. */
export interface Report {
  readonly reads: number;
  readonly writes: number;
  readonly readersKilled: number;
  readonly writersKilled: number;
  /** Writers that died with the tree's lock held, and of those how many in the middle of a write. */
  readonly lockedDeaths: number;
  readonly interruptedWrites: number;
  /** Broken promises, the first ones in words. */
  readonly faults: readonly string[];
}

const FAULTS_SHOWN = 10;
/** Who makes no step for so long is blocked. Starting a thread on a busy machine takes seconds. */
const BLOCKED_MS = 30_000;
const READERS_MAX = 8;

interface Agent {
  readonly spawned: SpawnedAgent<Worker>;
  readonly kind: Task["kind"];
  killed: boolean;
}

class Run {
  readonly #options: TortureOptions;
  readonly #registryBuffer = new SharedArrayBuffer(ThreadRegistry.words(16) * 4);
  readonly #registry = new ThreadRegistry(new Int32Array(this.#registryBuffer), 0, 16);
  readonly #below: (n: number) => number;
  readonly #agents: Agent[] = [];
  readonly #faults: string[] = [];
  readonly #tree: SharedMapleTree;
  readonly #signals: number;
  #readersKilled = 0;
  #writersKilled = 0;
  #lockedDeaths = 0;
  #interrupted = 0;

  constructor(options: TortureOptions) {
    this.#options = options;
    this.#below = random(options.seed);
    this.#registry.join(this.#registry.reserve());
    const arena = Arena.create({
      ...{ bytes: 1 << 16, bytesMax: 1 << 26, shared: true, debug: true },
      wasm: options.wasm ?? false,
      agents: this.#registry,
    });
    const { geometry } = options;
    this.#tree = SharedMapleTree.create(arena, { gaps: true, ...(geometry && { geometry }) });
    mapPinned(this.#tree);
    this.#signals = arena.allocWords(Signal.WORDS);
    arena.i32[this.#signals + Signal.Clock] = 1;
    // The arena first: the tree's repair needs its lock.
    this.#registry.protect(arena, this.#tree);
  }

  async run(): Promise<Report> {
    const { seconds, readers, onProgress } = this.#options;
    this.#start("write");
    for (let i = 0; i < readers; i++) this.#start("read");
    const end = performance.now() + seconds * 1000;
    while (performance.now() < end && this.#faults.length === 0) {
      await sleep(20 + this.#below(150));
      await this.#killOne();
      onProgress?.(this.#report());
    }
    await this.#stop();
    return this.#report();
  }

  #report(): Report {
    return {
      reads: this.#count(Signal.Reads),
      writes: this.#count(Signal.Writes),
      readersKilled: this.#readersKilled,
      writersKilled: this.#writersKilled,
      lockedDeaths: this.#lockedDeaths,
      interruptedWrites: this.#interrupted,
      faults: this.#faults.slice(0, FAULTS_SHOWN),
    };
  }

  #count(signal: number): number {
    return Atomics.load(this.#tree.arena.i32, this.#signals + signal) >>> 0;
  }

  #start(kind: Task["kind"]): void {
    const { seed, noGracePeriod = false } = this.#options;
    const spawned = spawnAgent(this.#registry, (id) => {
      const handle = this.#tree.handle();
      const task: Task = { kind, handle, signals: this.#signals, seed: seed + id, noGracePeriod };
      const order: Order = { task, id, registry: this.#registryBuffer };
      return new Worker(new URL("./torture.worker.ts", import.meta.url), {
        workerData: order,
        execArgv: ["--conditions=@faultline/source"],
      });
    });
    const agent: Agent = { spawned, kind, killed: false };
    this.#agents.push(agent);
    spawned.worker.on("message", ({ wrong }: Answer) => this.#faults.push(...wrong));
    spawned.worker.on("error", (error) => this.#faults.push(`${kind}: ${String(error)}`));
    void spawned.ended.then((died) => {
      if (died && !agent.killed) this.#faults.push(`${kind}: ended by itself`);
    });
  }

  /** Waits until everybody has done something since, then ends one of them. */
  async #killOne(): Promise<void> {
    await this.#progress();
    const [victim] = this.#agents.splice(this.#below(2) === 0 ? 0 : this.#below(this.#agents.length), 1);
    victim.killed = true;
    // Held already when the thread ends: what counts is what the dead leave.
    await victim.spawned.worker.terminate();
    const locked = this.#tree.core.isLockedBy(victim.spawned.id);
    await victim.spawned.ended;
    if (victim.kind === "read") this.#readersKilled++;
    else this.#inspect(locked);
    this.#start(victim.kind);
    // The writer stays first.
    if (victim.kind === "write") this.#agents.unshift(this.#agents.pop()!);
  }

  /** The writer has died. */
  #inspect(locked: boolean): void {
    this.#writersKilled++;
    if (locked) this.#lockedDeaths++;
    const tree = this.#tree;
    if (tree.recover().interrupted) this.#interrupted++;
    this.#faults.push(...tree.validate().map((v) => `${v.invariant}: ${v.message}`));
    const live = tree.core.cache.live(tree.root).length;
    if (live !== tree.nodeCount) this.#faults.push(`${live} nodes allocated, ${tree.nodeCount} in the tree`);
    for (let first = 0; first < CLOCK; first += 4 * BLOCK) {
      for (const range of tree.ranges(first, first + BLOCK - 1)) {
        if (range.entry === 0) this.#faults.push(`nothing at ${range.first}, which is always mapped`);
      }
    }
  }

  async #progress(): Promise<void> {
    const { Reads, Writes } = Signal;
    const [reads, writes] = [this.#count(Reads), this.#count(Writes)];
    const limit = performance.now() + BLOCKED_MS;
    while (this.#count(Reads) === reads || this.#count(Writes) === writes) {
      if (performance.now() > limit) {
        this.#faults.push(`blocked after ${reads} reads and ${writes} writes`);
        return;
      }
      await sleep(5);
    }
  }

  async #stop(): Promise<void> {
    const tree = this.#tree;
    Atomics.store(tree.arena.i32, this.#signals + Signal.Stop, 1);
    const ended = Promise.all(this.#agents.map(({ spawned }) => spawned.ended));
    await Promise.race([ended, sleep(BLOCKED_MS, undefined, { ref: false })]);
    for (const agent of this.#agents) {
      agent.killed = true;
      await agent.spawned.worker.terminate();
    }
    await ended;
    if (this.#faults.length > 0) return;
    tree.arena.rcu.synchronize();
    const { cache } = tree.core;
    cache.reclaim();
    tree.arena.validate();
    const { live, deferred } = cache.stats();
    if (live !== tree.nodeCount || deferred !== 0) {
      this.#faults.push(
        `in the end ${live} nodes allocated and ${deferred} deferred, ${tree.nodeCount} in the tree`,
      );
    }
    this.#registry.leave();
  }
}

/** Tortures a tree. @throws RangeError for an option out of range */
export async function torture(options: TortureOptions): Promise<Report> {
  const { seconds, readers, seed } = options;
  if (!(seconds > 0)) throw new RangeError(`seconds must be a number > 0, got ${seconds}`);
  if (!Number.isInteger(readers) || readers < 1 || readers > READERS_MAX) {
    throw new RangeError(`readers must be an integer in 1..${READERS_MAX}, got ${readers}`);
  }
  if (!Number.isInteger(seed)) throw new RangeError(`seed must be an integer, got ${seed}`);
  return await new Run(options).run();
}
