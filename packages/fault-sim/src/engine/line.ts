/*
 * Cache lines as servers. A line has one owner (exclusive) or a set of sharers, and a queue of
 * requests. One request is served at a time; waiting readers of one socket are answered together.
 *
 * After an update the line stays with its new owner for the hold window. Within the window the owner
 * may touch it again for the cost of the instruction: this is how an atomic and the plain store next
 * to it (count and owner of a rwsem) are one visit. The window is not renewed by such touches while
 * others wait, so an owner cannot keep a line.
 *
 * The queue is linked through the waiting agents: serving allocates nothing.
 */
import type { Cpu, Machine } from "../machine/topology.ts";
import { Op } from "./op.ts";
import type { EventQueue } from "./queue.ts";

/** An agent as a line sees it: what it asks for, from where, and who is behind it. */
export interface LineWaiter {
  readonly id: number;
  readonly cpu: Cpu;
  token: number;
  lineOp: Op;
  nextWaiter: LineWaiter | undefined;
}

/** What lines need of the engine. */
export interface Timeline {
  readonly machine: Machine;
  readonly queue: EventQueue;
  /** Picoseconds. */
  readonly now: number;
  /** Lets `waiter` go on at `time`. */
  schedule(waiter: LineWaiter, time: number): void;
}

/** One cache line; fields of one line are one server, whether they belong together or not. */
export class CacheLine {
  readonly id: number;
  readonly name: string;
  readonly home: number;
  /** CPU that has the only, writable copy; -1 if none. */
  owner = -1;
  /** Bit per CPU with a readable copy. */
  readonly sharers: Uint32Array;
  shared = false;
  /** The server is busy until then. */
  freeAt = 0;
  /** The owner may touch the line again until then although others wait. */
  windowEnd = 0;
  head: LineWaiter | undefined;
  tail: LineWaiter | undefined;
  /** Requests that had to come from another CPU. */
  transfers = 0;
  eventPending = false;

  constructor(id: number, name: string, home: number, cpus: number) {
    this.id = id;
    this.name = name;
    this.home = home;
    this.sharers = new Uint32Array((cpus + 31) >> 5);
  }

  has(cpu: number): boolean {
    return this.owner === cpu || (this.sharers[cpu >> 5]! & (1 << (cpu & 31))) !== 0;
  }
}

/** Serves the lines of one engine. */
export class LineServer {
  readonly #engine: Timeline;
  readonly #nearest: boolean;
  readonly #lines: CacheLine[] = [];

  constructor(engine: Timeline, arbitration: "fcfs" | "nearest") {
    this.#engine = engine;
    this.#nearest = arbitration === "nearest";
  }

  create(name: string, home: number): CacheLine {
    const line = new CacheLine(this.#lines.length, name, home, this.#engine.machine.cpus.length);
    this.#lines.push(line);
    return line;
  }

  /** Starts an access. Returns its end if it hits in the own cache, else -1: the agent is scheduled later. */
  access(agent: LineWaiter, line: CacheLine, op: Op): number {
    const { machine, now } = this.#engine;
    const cpu = agent.cpu.index;
    if (op === Op.read) {
      if (line.has(cpu)) return now + machine.localRead;
    } else if (line.owner === cpu && (line.head === undefined || now <= line.windowEnd)) {
      const end = now + (op === Op.rmw ? machine.atomic : machine.store);
      if (end > line.freeAt) line.freeAt = end;
      return end;
    }
    agent.lineOp = op;
    this.#enqueue(line, agent);
    if (now >= line.freeAt && !line.eventPending) this.#serve(line);
    else this.#armed(line);
    return -1;
  }

  /** The event of line `id`: the server is free, or was held longer than expected. */
  onEvent(id: number): void {
    const line = this.#lines[id]!;
    line.eventPending = false;
    if (line.head === undefined) return;
    if (this.#engine.now < line.freeAt) this.#armed(line);
    else this.#serve(line);
  }

  /** Throws if a queue is broken or an exclusive line has sharers. */
  validate(): void {
    for (const line of this.#lines) {
      if ((line.head === undefined) !== (line.tail === undefined))
        throw new Error(`${line.name}: queue has one end only`);
      if (line.owner >= 0 && line.sharers.some((bits) => bits !== 0))
        throw new Error(`${line.name}: exclusive and shared`);
      if (line.head && !line.eventPending) throw new Error(`${line.name}: has waiters but no event`);
    }
  }

  #armed(line: CacheLine): void {
    if (line.eventPending || line.head === undefined) return;
    line.eventPending = true;
    this.#engine.queue.push(Math.max(line.freeAt, this.#engine.now), ~line.id, 0);
  }

  #enqueue(line: CacheLine, agent: LineWaiter): void {
    agent.nextWaiter = undefined;
    if (line.tail) line.tail.nextWaiter = agent;
    else line.head = agent;
    line.tail = agent;
  }

  #serve(line: CacheLine): void {
    const agent = this.#nearest ? this.#takeNearest(line) : this.#takeHead(line);
    if (agent.lineOp === Op.read) this.#serveRead(line, agent);
    else this.#serveUpdate(line, agent);
    this.#armed(line);
  }

  #serveRead(line: CacheLine, agent: LineWaiter): void {
    const { machine, now } = this.#engine;
    const end = line.has(agent.cpu.index) ? now + machine.localRead : now + this.#fetchCost(line, agent);
    if (line.owner >= 0) this.#setShared(line, line.owner);
    line.owner = -1;
    this.#setShared(line, agent.cpu.index);
    line.transfers++;
    line.freeAt = end;
    this.#engine.schedule(agent, end);
    this.#answerSocket(line, agent.cpu.socket, end);
  }

  /** Readers of the same socket that already wait get their copy with the same answer. */
  #answerSocket(line: CacheLine, socket: number, end: number): void {
    let before: LineWaiter | undefined;
    for (let waiter = line.head; waiter; ) {
      const next: LineWaiter | undefined = waiter.nextWaiter;
      if (waiter.lineOp === Op.read && waiter.cpu.socket === socket) {
        this.#unlink(line, before, waiter);
        this.#setShared(line, waiter.cpu.index);
        this.#engine.schedule(waiter, end);
      } else {
        before = waiter;
      }
      waiter = next;
    }
  }

  #serveUpdate(line: CacheLine, agent: LineWaiter): void {
    const { machine, now } = this.#engine;
    const arrival = now + (line.owner === agent.cpu.index ? 0 : this.#fetchCost(line, agent));
    const end = arrival + (agent.lineOp === Op.rmw ? machine.atomic : machine.store);
    if (line.shared) line.sharers.fill(0);
    line.shared = false;
    line.owner = agent.cpu.index;
    line.transfers++;
    line.windowEnd = arrival + machine.hold;
    line.freeAt = Math.max(end, line.windowEnd);
    this.#engine.schedule(agent, end);
  }

  /** From the owner; of a shared line the farthest copy for an update, the nearest for a read; else from memory. */
  #fetchCost(line: CacheLine, agent: LineWaiter): number {
    const { machine } = this.#engine;
    if (line.owner >= 0) return machine.transfer(machine.cpus[line.owner]!, agent.cpu);
    if (!line.shared) return machine.memory;
    let nearest = Number.POSITIVE_INFINITY;
    let farthest = 0;
    for (let word = 0; word < line.sharers.length; word++) {
      for (let bits = line.sharers[word]!; bits !== 0; bits &= bits - 1) {
        const cpu = (word << 5) + (31 - Math.clz32(bits & -bits));
        const cost = machine.transfer(machine.cpus[cpu]!, agent.cpu);
        if (cost < nearest) nearest = cost;
        if (cost > farthest) farthest = cost;
      }
    }
    return agent.lineOp === Op.read ? nearest : farthest;
  }

  #setShared(line: CacheLine, cpu: number): void {
    line.sharers[cpu >> 5] = line.sharers[cpu >> 5]! | (1 << (cpu & 31));
    line.shared = true;
  }

  #takeHead(line: CacheLine): LineWaiter {
    const agent = line.head!;
    this.#unlink(line, undefined, agent);
    return agent;
  }

  #takeNearest(line: CacheLine): LineWaiter {
    if (line.owner < 0) return this.#takeHead(line);
    const { machine } = this.#engine;
    const from = machine.cpus[line.owner]!;
    let best = line.head!;
    let beforeBest: LineWaiter | undefined;
    let before: LineWaiter | undefined;
    for (
      let waiter: LineWaiter | undefined = line.head;
      waiter;
      before = waiter, waiter = waiter.nextWaiter
    ) {
      if (machine.transfer(from, waiter.cpu) < machine.transfer(from, best.cpu)) {
        best = waiter;
        beforeBest = before;
      }
    }
    this.#unlink(line, beforeBest, best);
    return best;
  }

  #unlink(line: CacheLine, before: LineWaiter | undefined, agent: LineWaiter): void {
    if (before) before.nextWaiter = agent.nextWaiter;
    else line.head = agent.nextWaiter;
    if (line.tail === agent) line.tail = before;
    agent.nextWaiter = undefined;
  }
}
