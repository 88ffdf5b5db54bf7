/*
 * The engine: virtual time, agents and servers. One event is pending per running agent; a cache line
 * with waiters has one of its own. Targets of events: agent id >= 0, line ~id.
 *
 * An agent's time is cut into states at every change, from its start to the end of the run, so that
 * its breakdown sums to the run time by construction; `run` asserts it all the same.
 */

import { checkInteger, SimError } from "../errors.ts";
import type { Machine } from "../machine/topology.ts";
import { Agent, type Steps } from "./agent.ts";
import { assertBreakdowns, type Breakdown, occupiesCore, State, toBreakdown } from "./breakdown.ts";
import { type CacheLine, LineServer, type LineWaiter, type Timeline } from "./line.ts";
import { Op } from "./op.ts";
import { EventQueue } from "./queue.ts";
import { RandomStream } from "./random.ts";

/** Choices of one simulated run. */
export interface EngineOptions {
  /** Integer in 0..2^53-1; equal seeds give equal runs. Default 1. */
  readonly seed?: number;
  /** Private work is spread uniformly over ± this share, 0..1. Default 0.5. */
  readonly jitter?: number;
  /** Who is served next at a line. Default "fcfs"; "nearest" is there to see why it is wrong. */
  readonly arbitration?: "fcfs" | "nearest";
}

/** One simulated machine in time. */
export class Engine implements Timeline {
  readonly machine: Machine;
  readonly seed: number;
  readonly agents: Agent[] = [];
  readonly queue: EventQueue = new EventQueue();
  readonly lines: LineServer;
  /** Virtual time, picoseconds. */
  now = 0;
  /** Resumptions of programs so far. */
  steps = 0;
  readonly #jitter: number;
  readonly #byCpu: (Agent | undefined)[];
  readonly #channelFree: Float64Array;
  readonly #irqFree: Float64Array;
  #until = 0;

  constructor(machine: Machine, options: EngineOptions = {}) {
    this.machine = machine;
    this.seed = checkInteger("Engine: seed", options.seed ?? 1, 0, Number.MAX_SAFE_INTEGER);
    this.#jitter = options.jitter ?? 0.5;
    if (!(this.#jitter >= 0 && this.#jitter <= 1)) {
      throw new RangeError(`Engine: jitter must be in 0..1, got ${options.jitter}`);
    }
    this.#byCpu = new Array(machine.cpus.length).fill(undefined);
    this.#channelFree = new Float64Array(machine.sockets);
    this.#irqFree = new Float64Array(machine.cpus.length);
    this.lines = new LineServer(this, options.arbitration ?? "fcfs");
  }

  /** A stream of chance of its own, by name. */
  stream(name: string): RandomStream {
    return new RandomStream(this.seed, name);
  }

  /** A new cache line; `name` is what reports call it, `home` the node whose memory holds it. */
  line(name: string, home = 0): CacheLine {
    return this.lines.create(name, home);
  }

  /** The line `agent` spins on while it queues for a spinlock. */
  nodeLine(agent: Agent): CacheLine {
    agent.queueNode ??= this.line(`queue node of ${agent.name}`, agent.cpu.socket);
    return agent.queueNode;
  }

  /** Binds a thread to the CPU with index `cpu`; its program starts when the run does. EINVAL if the CPU is taken. */
  spawn(name: string, cpu: number, program: (agent: Agent) => Steps): Agent {
    checkInteger("Engine.spawn: cpu", cpu, 0, this.machine.cpus.length - 1);
    if (this.#byCpu[cpu])
      throw new SimError("EINVAL", `Engine.spawn: CPU ${cpu} already runs ${this.#byCpu[cpu]!.name}`);
    const id = this.agents.length;
    const agent = new Agent(id, name, this.machine.cpus[cpu]!, this.stream(`jitter ${id}`));
    this.agents.push(agent);
    this.#byCpu[cpu] = agent;
    agent.since = this.now;
    agent.program = program(agent);
    this.#wake(agent, this.now, State.work);
    return agent;
  }

  /**
   * Advances time to `until` and closes all accounts there. Returns each agent's breakdown.
   * EDEADLK if threads are left that wait for each other while nothing else can happen.
   */
  run(until: number): Breakdown[] {
    checkInteger("Engine.run: until", until, this.now, Number.MAX_SAFE_INTEGER);
    this.#until = until;
    while (this.queue.peekTime() <= until) {
      this.queue.pop();
      this.now = this.queue.time;
      const target = this.queue.target;
      if (target < 0) {
        this.lines.onEvent(~target);
      } else {
        const agent = this.agents[target]!;
        if (agent.token === this.queue.token) this.#resume(agent);
      }
    }
    this.#refuseDeadlock();
    this.now = until;
    for (const agent of this.agents) this.#enter(agent, agent.state);
    const result = this.agents.map((agent) => toBreakdown(agent.spent));
    assertBreakdowns(result, until);
    return result;
  }

  /** Lets `agent` go on at `time`, in `state` until then. For servers. */
  schedule(agent: LineWaiter, time: number): void {
    agent.token++;
    this.queue.push(time, agent.id, agent.token);
  }

  /** Puts the time since the last change on the account of the old state. */
  #enter(agent: Agent, state: State): void {
    agent.spent[agent.state] = agent.spent[agent.state]! + (this.now - agent.since);
    agent.since = this.now;
    agent.state = state;
  }

  #wake(agent: Agent, time: number, state: State): void {
    this.#enter(agent, state);
    this.schedule(agent, time);
  }

  #resume(agent: Agent): void {
    if (agent.parking) {
      this.#fallAsleep(agent);
      if (!agent.permit) return;
      agent.permit = false;
    }
    if (agent.state === State.spin) agent.timedOut = agent.amount < 0;
    for (;;) {
      if (agent.interruptDebt > 0) {
        const debt = agent.interruptDebt;
        agent.interruptDebt = 0;
        this.#wake(agent, this.now + debt, State.interrupt);
        return;
      }
      this.#enter(agent, State.work);
      this.steps++;
      const next = agent.program!.next();
      if (next.done) {
        this.#enter(agent, State.idle);
        agent.program = undefined;
        agent.token++;
        return;
      }
      const end = this.#begin(agent, next.value);
      if (end < 0) return;
      // Nothing can happen before this agent's next step: go on without the queue.
      if (end >= this.queue.peekTime() || end > this.#until) {
        this.schedule(agent, end);
        return;
      }
      this.now = end;
    }
  }

  /** Starts an action. Returns its end if that is known and nobody can move it, else -1. */
  #begin(agent: Agent, op: Op): number {
    switch (op) {
      case Op.work:
        this.#enter(agent, State.work);
        return this.now + this.#coreTime(agent, agent.jitter.jitter(agent.amount, this.#jitter));
      case Op.read:
      case Op.write:
      case Op.rmw:
        this.#enter(agent, State.line);
        return this.lines.access(agent, agent.line!, op);
      case Op.spin:
        return this.#spin(agent);
      case Op.park:
        return this.#park(agent);
      case Op.unpark:
        return this.#unpark(agent, agent.peer!);
      case Op.signal:
        this.#signal(agent.peer!);
        return this.now;
      case Op.zero:
        return this.#zero(agent);
      case Op.shootdown:
        return this.#shootdown(agent);
      case Op.sleep:
        return this.#sleep(agent);
    }
  }

  /** Hyper-threads: with the sibling busy too, each gets only a part of the core's speed. */
  #coreTime(agent: Agent, picoseconds: number): number {
    for (const sibling of agent.cpu.siblings) {
      const other = this.#byCpu[sibling];
      if (other && occupiesCore(other.state)) return Math.round(picoseconds / this.machine.smtShare);
    }
    return picoseconds;
  }

  #spin(agent: Agent): number {
    if (agent.permit) {
      agent.permit = false;
      agent.timedOut = false;
      return this.now;
    }
    this.#enter(agent, State.spin);
    agent.token++;
    const timeout = agent.amount;
    agent.amount = 0;
    if (timeout !== Number.POSITIVE_INFINITY) {
      agent.amount = -1;
      this.queue.push(this.now + Math.round(timeout), agent.id, agent.token);
    }
    return -1;
  }

  #signal(other: Agent): void {
    if (other.state !== State.spin) {
      other.permit = true;
      return;
    }
    other.amount = 0;
    this.schedule(other, this.now);
  }

  #refuseAtomic(agent: Agent): void {
    if (agent.rcuDepth > 0) throw new SimError("EDEADLK", `${agent.name} sleeps inside an RCU read section`);
    if (agent.spinlocksHeld > 0)
      throw new SimError("EDEADLK", `${agent.name} sleeps while holding a spinlock`);
  }

  #sleep(agent: Agent): number {
    this.#refuseAtomic(agent);
    const deep = agent.amount >= this.machine.deepIdleAfter;
    this.#enter(agent, State.sleep);
    return this.now + Math.round(agent.amount) + (deep ? this.machine.wakeDeep : this.machine.wakeShallow);
  }

  #park(agent: Agent): number {
    this.#refuseAtomic(agent);
    if (agent.permit) {
      agent.permit = false;
      return this.now;
    }
    agent.parking = true;
    this.#wake(agent, this.now + this.machine.contextSwitch, State.work);
    return -1;
  }

  #fallAsleep(agent: Agent): void {
    agent.parking = false;
    if (!agent.permit) {
      this.#enter(agent, State.sleep);
      agent.token++;
    }
  }

  #unpark(agent: Agent, other: Agent): number {
    if (other.state === State.sleep) {
      const slept = this.now - other.since;
      const deep = slept >= this.machine.deepIdleAfter;
      this.#wake(other, this.now + (deep ? this.machine.wakeDeep : this.machine.wakeShallow), State.wakeup);
    } else {
      other.permit = true;
    }
    this.#enter(agent, State.work);
    return this.now + this.machine.unparkCost;
  }

  /** Zeroing: the core's own rate, or the queue at the memory channels of the node, whichever is later. */
  #zero(agent: Agent): number {
    this.#enter(agent, State.zero);
    const channel = Math.max(this.now, this.#channelFree[agent.node]!) + this.machine.pageAtChannel;
    this.#channelFree[agent.node] = channel;
    return Math.max(this.now + this.#coreTime(agent, this.machine.zeroPage), channel);
  }

  #shootdown(agent: Agent): number {
    this.#enter(agent, State.shootdown);
    const machine = this.machine;
    let sent = this.now + machine.ipiBase;
    let last = sent;
    for (const target of agent.targets) {
      if (target === agent || target.state === State.sleep || target.state === State.idle) continue;
      sent += machine.ipiSend;
      const cpu = target.cpu.index;
      const done = Math.max(sent + machine.ipiDelivery, this.#irqFree[cpu]!) + machine.ipiHandler;
      this.#irqFree[cpu] = done;
      target.interruptDebt += machine.ipiHandler;
      if (done > last) last = done;
    }
    return Math.max(last, sent);
  }

  #refuseDeadlock(): void {
    if (this.queue.size > 0) return;
    const stuck = this.agents.filter((agent) => agent.program !== undefined);
    if (stuck.length === 0) return;
    const names = stuck.map(
      (agent) => `${agent.name} (${agent.state === State.sleep ? "asleep" : "waiting"})`,
    );
    throw new SimError("EDEADLK", `nothing can happen any more; left over: ${names.join(", ")}`);
  }
}
