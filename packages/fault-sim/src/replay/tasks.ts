/*
 * Who works on which address space. A task is a pid in the recording. A thread shares its parent's process; a
 * child of vfork, or of clone with CLONE_VM, borrows the parent's space until execve; any other child gets a copy.
 */
import { RecordingError } from "./errors.ts";
import type { Recording } from "./recording.ts";
import type { ReplaySpace, SpaceFactory } from "./space.ts";
import { type BeginRecord, type CallRecord, flagsArgument, namedArgument } from "./strace-parser.ts";

const CLONES: ReadonlySet<string> = new Set(["clone", "clone3", "fork", "vfork"]);

/** A process and what it has mapped. */
export interface Process {
  readonly pid: number;
  space: ReplaySpace;
  /** Where the stack began after execve. */
  stackStart: number | undefined;
  exited: boolean;
}

/** A task; `borrowed` while its process only shares the parent's space until execve. */
export interface Task {
  readonly process: Process;
  readonly borrowed: boolean;
}

/** Is `name` a call that makes a task? */
export function isClone(name: string): boolean {
  return CLONES.has(name);
}

/** The tasks of a recording as its records go by. */
export class TaskTable {
  readonly #recording: Recording;
  readonly #makeSpace: SpaceFactory;
  readonly #tasks: Map<number, Task> = new Map();
  readonly #execsSeen: Map<number, number> = new Map();
  /** Those inside clone: a child may show up before it returns. */
  readonly #cloning: Map<number, BeginRecord> = new Map();
  readonly #breaks: ReadonlyMap<number, readonly number[]>;
  /** Processes and threads seen so far. */
  processes = 0;
  threads = 0;

  constructor(recording: Recording, makeSpace: SpaceFactory) {
    this.#recording = recording;
    this.#makeSpace = makeSpace;
    this.#breaks = findBreaks(recording);
  }

  /** The task of `pid`, if it has shown up. */
  get(pid: number): Task | undefined {
    return this.#tasks.get(pid);
  }

  delete(pid: number): void {
    this.#tasks.delete(pid);
  }

  /** A clone is under way. */
  beginClone(record: BeginRecord): void {
    this.#cloning.set(record.pid, record);
  }

  /** Whatever `pid` was inside has returned. */
  endClone(pid: number): void {
    this.#cloning.delete(pid);
  }

  /** `pid`'s task; one never seen is the child of whoever is inside clone, or begins the recording. */
  task(pid: number, line: number): Task {
    const known = this.#tasks.get(pid);
    if (known) return known;
    const cloning = [...this.#cloning.values()];
    if (cloning.length === 1) return this.#spawn(cloning[0]!, pid);
    if (this.#recording.maps)
      throw new RecordingError("EBADMSG", `line ${line}: pid ${pid} appears from nowhere`, line);
    // A recording without maps may begin anywhere: what was there before is not known.
    return this.#newProcess(pid, this.#makeSpace([], undefined), undefined);
  }

  /** A clone has returned `child`. */
  clone(call: CallRecord, child: number): void {
    if (!this.#tasks.has(child)) this.#spawn(call, child);
  }

  /** An execve has succeeded: the maps recorded after it, and the break, are where the process starts. */
  execve(call: CallRecord): void {
    const nth = this.#execsSeen.get(call.pid) ?? 0;
    this.#execsSeen.set(call.pid, nth + 1);
    const maps = this.#recording.maps?.execs.filter((one) => one.pid === call.pid)[nth];
    if (this.#recording.maps && !maps) {
      throw new RecordingError(
        "EBADMSG",
        `line ${call.line}: no maps recorded after execve number ${nth + 1} of pid ${call.pid}`,
        call.line,
      );
    }
    const found = this.#breaks.get(call.pid)?.[nth];
    const space = this.#makeSpace(
      maps?.pieces ?? [],
      found === undefined || Number.isNaN(found) ? undefined : found,
    );
    const task = this.#tasks.get(call.pid);
    if (task && !task.borrowed) {
      task.process.space = space;
      task.process.stackStart = maps?.stackStart;
      return;
    }
    // A borrower was counted when it was made.
    if (task) this.processes--;
    this.#newProcess(call.pid, space, maps?.stackStart);
  }

  #spawn(call: CallRecord | BeginRecord, child: number): Task {
    const { process } = this.task(call.pid, call.line);
    const flags = flagsArgument(namedArgument(call.args, "flags") ?? "0");
    if (flags.has("CLONE_THREAD")) {
      this.threads++;
      return this.#add(child, { process, borrowed: false });
    }
    if (call.name !== "vfork" && !flags.has("CLONE_VM"))
      return this.#newProcess(child, process.space.fork(), process.stackStart);
    this.processes++;
    return this.#add(child, { process: { ...process, pid: child, exited: false }, borrowed: true });
  }

  #newProcess(pid: number, space: ReplaySpace, stackStart: number | undefined): Task {
    this.processes++;
    return this.#add(pid, { process: { pid, space, stackStart, exited: false }, borrowed: false });
  }

  #add(pid: number, task: Task): Task {
    this.#tasks.set(pid, task);
    return task;
  }
}

/** The break after the n-th execve of a pid is the result of the first brk(NULL) that follows it; NaN without one. */
function findBreaks({ records }: Recording): Map<number, number[]> {
  const breaks = new Map<number, number[]>();
  const waiting = new Set<number>();
  for (const record of records) {
    if (record.kind !== "call") continue;
    if (record.name === "execve" && record.result === 0) {
      breaks.set(record.pid, [...(breaks.get(record.pid) ?? []), Number.NaN]);
      waiting.add(record.pid);
    } else if (record.name === "brk" && waiting.delete(record.pid) && record.result !== undefined) {
      const list = breaks.get(record.pid)!;
      list[list.length - 1] = record.result;
    }
  }
  return breaks;
}
