import { SimError } from "../errors.ts";

/** One logical CPU. */
export interface Cpu {
  readonly index: number;
  readonly socket: number;
  /** Cluster within the machine (a group of cores with a cache of its own). */
  readonly cluster: number;
  /** Core within the machine. */
  readonly core: number;
  /** Hyper-thread within the core. */
  readonly thread: number;
  /** Indices of the other hyper-threads of the core. */
  readonly siblings: readonly number[];
}

/** What a preset says about a machine. Times in nanoseconds unless the name says otherwise. */
export interface MachineSpec {
  readonly name: string;
  readonly title: string;
  /** sockets x clusters per socket x cores per cluster x hyper-threads per core */
  readonly shape: readonly [sockets: number, clusters: number, cores: number, threads: number];
  readonly ghz: number;
  /** Hand-over of a modified line; a level the machine lacks takes the next wider one. */
  readonly transferNs: {
    readonly sibling?: number;
    readonly cluster?: number;
    readonly socket: number;
    readonly remote?: number;
    readonly farRemote?: number;
  };
  /** Speed of each hyper-thread when both run. Default 0.62. */
  readonly smtShare?: number;
  /** A line stays with a new owner at least this long. Default 20. */
  readonly holdNs?: number;
  /** Fetching a line nobody has, from memory. Default 90. */
  readonly memoryNs?: number;
  readonly contextSwitchNs?: number;
  readonly unparkNs?: number;
  readonly wakeShallowNs?: number;
  readonly wakeDeepNs?: number;
  /** Sleeping longer than this means waking from deep idle. Default 1 ms. */
  readonly deepIdleAfterNs?: number;
  readonly zeroPageNs?: number;
  /** Bytes per nanosecond (GB/s) one socket's memory takes. Default 40. */
  readonly socketGBps?: number;
  readonly ipiBaseCycles?: number;
  readonly ipiSendCycles?: number;
  readonly ipiDeliveryCycles?: number;
  readonly ipiHandlerCycles?: number;
  /** Where threads go: fill one socket first, or alternate. Siblings always come last. */
  readonly placement?: Placement;
  /** What the figures rest on. */
  readonly source: string;
}

/** Order in which threads get CPUs. */
export type Placement = "fill" | "spread";

/** A machine with all costs in integer picoseconds. */
export class Machine {
  readonly spec: MachineSpec;
  readonly cpus: readonly Cpu[];
  readonly sockets: number;
  readonly smtShare: number;
  readonly hold: number;
  readonly memory: number;
  readonly localRead: number;
  readonly store: number;
  readonly atomic: number;
  readonly contextSwitch: number;
  readonly unparkCost: number;
  readonly wakeShallow: number;
  readonly wakeDeep: number;
  readonly deepIdleAfter: number;
  readonly zeroPage: number;
  readonly pageAtChannel: number;
  readonly ipiBase: number;
  readonly ipiSend: number;
  readonly ipiDelivery: number;
  readonly ipiHandler: number;
  readonly #transfer: { sibling: number; cluster: number; socket: number; remote: number; far: number };

  constructor(spec: MachineSpec) {
    this.spec = spec;
    this.cpus = buildCpus(spec.shape);
    this.sockets = spec.shape[0];
    const cycles = (count: number): number => Math.round((count * 1000) / spec.ghz);
    this.smtShare = spec.smtShare ?? 0.62;
    this.hold = ps(spec.holdNs ?? 20);
    this.memory = ps(spec.memoryNs ?? 90);
    this.localRead = cycles(4);
    this.store = cycles(1);
    this.atomic = cycles(20);
    this.contextSwitch = ps(spec.contextSwitchNs ?? 1500);
    this.unparkCost = ps(spec.unparkNs ?? 1000);
    this.wakeShallow = ps(spec.wakeShallowNs ?? 4000);
    this.wakeDeep = ps(spec.wakeDeepNs ?? 60_000);
    this.deepIdleAfter = ps(spec.deepIdleAfterNs ?? 1_000_000);
    this.zeroPage = ps(spec.zeroPageNs ?? 400);
    this.pageAtChannel = ps(4096 / (spec.socketGBps ?? 40));
    this.ipiBase = cycles(spec.ipiBaseCycles ?? 2000);
    this.ipiSend = cycles(spec.ipiSendCycles ?? 500);
    this.ipiDelivery = cycles(spec.ipiDeliveryCycles ?? 1500);
    this.ipiHandler = cycles(spec.ipiHandlerCycles ?? 1000);
    const remote = spec.transferNs.remote ?? spec.transferNs.socket;
    this.#transfer = {
      sibling: ps(spec.transferNs.sibling ?? spec.transferNs.socket),
      cluster: ps(spec.transferNs.cluster ?? spec.transferNs.socket),
      socket: ps(spec.transferNs.socket),
      remote: ps(remote),
      far: ps(spec.transferNs.farRemote ?? remote),
    };
  }

  /** Picoseconds to hand a modified line from CPU `from` to CPU `to`. */
  transfer(from: Cpu, to: Cpu): number {
    if (from.index === to.index) return 0;
    if (from.socket !== to.socket) {
      // Eight sockets form a cube: one hop if the numbers differ in one bit, else far.
      const difference = from.socket ^ to.socket;
      return (difference & (difference - 1)) === 0 ? this.#transfer.remote : this.#transfer.far;
    }
    if (from.core === to.core) return this.#transfer.sibling;
    return from.cluster === to.cluster ? this.#transfer.cluster : this.#transfer.socket;
  }

  /** CPU indices in the order in which `placement` hands them to threads. EINVAL if there are too few. */
  place(threads: number, placement: Placement = this.spec.placement ?? "spread"): number[] {
    if (threads > this.cpus.length) {
      throw new SimError(
        "EINVAL",
        `${this.spec.name} has ${this.cpus.length} CPUs, not ${threads}: choose another machine or fewer threads`,
      );
    }
    const perSocket = this.cpus.length / this.sockets;
    const rank = (cpu: Cpu): number => {
      const coreInSocket = cpu.core % (this.spec.shape[1] * this.spec.shape[2]);
      if (placement === "fill")
        return cpu.socket * perSocket + cpu.thread * (perSocket / this.spec.shape[3]) + coreInSocket;
      return (cpu.thread * perSocket + coreInSocket) * this.sockets + cpu.socket;
    };
    const order = [...this.cpus].sort((a, b) => rank(a) - rank(b));
    return order.slice(0, threads).map((cpu) => cpu.index);
  }
}

function ps(nanoseconds: number): number {
  return Math.round(nanoseconds * 1000);
}

function buildCpus(shape: MachineSpec["shape"]): Cpu[] {
  const [sockets, clusters, cores, threads] = shape;
  const cpus: Cpu[] = [];
  for (let core = 0; core < sockets * clusters * cores; core++) {
    const first = core * threads;
    for (let thread = 0; thread < threads; thread++) {
      const siblings = Array.from({ length: threads }, (_, i) => first + i).filter(
        (i) => i !== first + thread,
      );
      const cluster = Math.floor(core / cores);
      cpus.push({
        index: first + thread,
        socket: Math.floor(cluster / clusters),
        cluster,
        core,
        thread,
        siblings,
      });
    }
  }
  return cpus;
}
