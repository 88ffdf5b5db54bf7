import type { Cpu } from "../machine/topology.ts";
import { State } from "./breakdown.ts";
import type { CacheLine, LineWaiter } from "./line.ts";
import { Op } from "./op.ts";
import type { RandomStream } from "./random.ts";

/** The program of an agent, or a part of one: yields actions, returns a result. */
export type Steps<T = void> = Generator<Op, T, void>;

/**
 * A simulated thread bound to one logical CPU. Its methods fill in the operands of the next action
 * and return the action's code, to be yielded at once: `yield agent.rmw(line)`. So an action costs
 * no allocation. Times are integer picoseconds.
 */
export class Agent implements LineWaiter {
  readonly id: number;
  readonly name: string;
  readonly cpu: Cpu;
  readonly jitter: RandomStream;
  /** Picoseconds per state; closed by the engine at the end of a run. */
  readonly spent: Float64Array = new Float64Array(9);
  state: State = State.idle;
  /** When `state` was entered. */
  since = 0;
  /** Interrupt service owed by this CPU; charged before its program goes on. */
  interruptDebt = 0;
  /** Depth of RCU read sections; sleeping inside one is refused. */
  rcuDepth = 0;
  /** When the outermost of them began. */
  rcuSince = 0;
  /** Spinlocks held; sleeping while holding one is refused. */
  spinlocksHeld = 0;
  /** Pages on this CPU's free list. */
  freePages = 0;
  /** True if the last `spin` ended by its timeout and not by a signal. */
  timedOut = false;

  // Below: operands of the pending action and links of the engine; no business of programs.
  program: Steps | undefined;
  token = 0;
  permit = false;
  parking = false;
  amount = 0;
  line: CacheLine | undefined;
  lineOp: Op = Op.read;
  nextWaiter: LineWaiter | undefined;
  peer: Agent | undefined;
  targets: readonly Agent[] = [];
  node = 0;
  queueNode: CacheLine | undefined;

  constructor(id: number, name: string, cpu: Cpu, jitter: RandomStream) {
    this.id = id;
    this.name = name;
    this.cpu = cpu;
    this.jitter = jitter;
  }

  /** Private work of `picoseconds` at full core speed, before jitter. */
  work(picoseconds: number): Op {
    this.amount = picoseconds;
    return Op.work;
  }

  /** Loads a word of `line`. */
  read(line: CacheLine): Op {
    this.line = line;
    return Op.read;
  }

  /** Stores to a word of `line`. */
  write(line: CacheLine): Op {
    this.line = line;
    return Op.write;
  }

  /** Atomic read-modify-write of a word of `line`. What it decides holds from the moment the action ends. */
  rmw(line: CacheLine): Op {
    this.line = line;
    return Op.rmw;
  }

  /** Busy-waits for a {@link signal}, at most `timeout` picoseconds (Infinity: no limit). See `timedOut`. */
  spin(timeout: number = Number.POSITIVE_INFINITY): Op {
    this.amount = timeout;
    return Op.spin;
  }

  /** Sleeps until somebody has called {@link unpark}; an unpark that came first makes it return at once. */
  park(): Op {
    return Op.park;
  }

  /** Sleeps for `picoseconds`, for a disk or the like; then comes the wake-up latency. Nobody can cut it short. */
  sleep(picoseconds: number): Op {
    this.amount = picoseconds;
    return Op.sleep;
  }

  /** Wakes `other`; costs the waker, and `other` resumes after the wake-up latency. */
  unpark(other: Agent): Op {
    this.peer = other;
    return Op.unpark;
  }

  /** Lets `other` out of its spin, without cost: the store it notices has been charged by `write`. */
  signal(other: Agent): Op {
    this.peer = other;
    return Op.signal;
  }

  /** Clears one 4 KiB page of the memory of `node`. */
  zero(node: number): Op {
    this.node = node;
    return Op.zero;
  }

  /** Interrupts the CPUs of `targets` (itself excepted, sleepers skipped) and waits for the last answer. */
  shootdown(targets: readonly Agent[]): Op {
    this.targets = targets;
    return Op.shootdown;
  }
}
