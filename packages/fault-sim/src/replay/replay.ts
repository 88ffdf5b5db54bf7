/*
 * Replays the calls of a recording on address spaces, one per process (tasks.ts). What execve builds comes from the
 * recorded maps.
 *
 * A call takes effect where its return is printed. Threads make that wrong in one way that shows: the kernel has
 * already unmapped a range and gives it to another thread before strace prints that munmap has returned. A place
 * that the kernel chose was free, so what is under way there (`RangesUnderWay`) is done first.
 */
import { PROT } from "@faultline/mm";
import { type Difference, firstDifference } from "./compare.ts";
import { RecordingError } from "./errors.ts";
import { RangesUnderWay } from "./ranges-under-way.ts";
import type { Piece, Recording } from "./recording.ts";
import type { ReplaySpace, SpaceFactory } from "./space.ts";
import {
  type BeginRecord,
  type CallRecord,
  descriptorArgument,
  flagsArgument,
  numberArgument,
} from "./strace-parser.ts";
import { isClone, TaskTable } from "./tasks.ts";

const PAGE = 4096;
const READ_WRITE: number = PROT.READ | PROT.WRITE;

/** A change of an address space, as the cost model sees it. */
export interface Activity {
  readonly kind: "map" | "unmap" | "protect" | "discard";
  /** Pages of the range. */
  readonly pages: number;
  readonly start: number;
  /** Protection after the call, bits of mm's PROT. */
  readonly prot: number;
}

/** What a replay did and found. */
export interface ReplayResult {
  readonly processes: number;
  readonly threads: number;
  /** Calls replayed, by name. */
  readonly calls: Readonly<Record<string, number>>;
  /** Calls that failed in the recording; they are not replayed. */
  readonly failed: number;
  /** Processes whose final maps were compared. */
  readonly compared: number;
  readonly differences: readonly Difference[];
  readonly activity: readonly Activity[];
}

/** Replays `recording` on spaces made by `makeSpace`. RecordingError if a call cannot be replayed. */
export function replay(recording: Recording, makeSpace: SpaceFactory): ReplayResult {
  return new Replayer(recording, makeSpace).run();
}

class Replayer {
  readonly #recording: Recording;
  readonly #tasks: TaskTable;
  readonly #underWay: RangesUnderWay;
  /** The break after the last brk call, rounded up to a page. */
  readonly #breakOf: WeakMap<ReplaySpace, number> = new WeakMap();
  readonly #calls: Record<string, number> = {};
  readonly #differences: Difference[] = [];
  readonly #activity: Activity[] = [];
  #failed = 0;
  #compared = 0;

  constructor(recording: Recording, makeSpace: SpaceFactory) {
    this.#recording = recording;
    this.#tasks = new TaskTable(recording, makeSpace);
    this.#underWay = new RangesUnderWay(recording.records);
  }

  run(): ReplayResult {
    for (const record of this.#recording.records) {
      if (record.kind === "begin") this.#begin(record);
      else if (record.kind === "exit") this.#tasks.delete(record.pid);
      else if (record.kind === "call") this.#guarded(record);
    }
    return {
      processes: this.#tasks.processes,
      threads: this.#tasks.threads,
      calls: this.#calls,
      failed: this.#failed,
      compared: this.#compared,
      differences: this.#differences,
      activity: this.#activity,
    };
  }

  #guarded(call: CallRecord): void {
    try {
      this.#call(call);
    } catch (error) {
      if (error instanceof RecordingError) throw error;
      throw new RecordingError(
        "EBADMSG",
        `line ${call.line}: ${call.name}: ${(error as Error).message}`,
        call.line,
      );
    }
  }

  #begin(record: BeginRecord): void {
    if (isClone(record.name)) this.#tasks.beginClone(record);
    this.#underWay.begin(record);
    // exit_group takes effect when it begins; strace may never print its end.
    if (record.name === "exit_group") this.#exit(record.pid);
  }

  #call(call: CallRecord): void {
    if (call.name === "exit_group") {
      this.#exit(call.pid);
      return;
    }
    this.#tasks.endClone(call.pid);
    if (this.#underWay.end(call)) return;
    if (call.error !== undefined || call.result === undefined) {
      if (call.error !== undefined) this.#fail(call);
      return;
    }
    if (call.name === "execve" || call.name === "execveat") this.#tasks.execve(call);
    else if (isClone(call.name)) this.#tasks.clone(call, call.result);
    else this.#memory(call, call.result);
    this.#calls[call.name] = (this.#calls[call.name] ?? 0) + 1;
  }

  /** Of calls that fail, mprotect leaves a trace: what lies before the first hole is changed. */
  #fail(call: CallRecord): void {
    this.#failed++;
    if (call.name !== "mprotect" || call.error !== "ENOMEM") return;
    const space = this.#tasks.task(call.pid, call.line).process.space;
    const start = numberArgument(call.args[0]);
    const mapped = firstHole(space.pieces(), start) - start;
    const length = Math.min(roundUp(numberArgument(call.args[1])), mapped);
    if (length > 0) space.protect(start, length, protection(call.args[2]));
  }

  #memory(call: CallRecord, result: number): void {
    const { args } = call;
    const space = this.#tasks.task(call.pid, call.line).process.space;
    switch (call.name) {
      case "mmap":
      case "mmap2":
        this.#makeRoom(call, result, roundUp(numberArgument(args[1])));
        this.#mmap(space, args, result);
        break;
      case "munmap": {
        const length = roundUp(numberArgument(args[1]));
        space.unmap(numberArgument(args[0]), length);
        this.#note("unmap", numberArgument(args[0]), length, PROT.NONE);
        break;
      }
      case "mprotect":
      case "pkey_mprotect":
        this.#mprotect(space, args);
        break;
      case "mremap":
        this.#makeRoom(call, result, roundUp(numberArgument(args[2])));
        this.#mremap(space, args, result);
        break;
      case "brk":
        this.#brk(space, args, result);
        break;
      case "madvise":
        this.#madvise(space, args);
        break;
      default:
        break;
    }
  }

  /**
   * Does first what is under way in a range that the kernel has just given out. Another process's call there may
   * as well be done now: any moment between its begin and its return is right.
   */
  #makeRoom(call: CallRecord, start: number, length: number): void {
    for (const other of this.#underWay.takeOverlapping(start, start + length, call.line)) {
      this.#guarded(other);
      this.#underWay.done(other);
    }
  }

  #mmap(space: ReplaySpace, args: readonly string[], start: number): void {
    const length = roundUp(numberArgument(args[1]));
    const prot = protection(args[2]);
    const flags = flagsArgument(args[3]);
    const { path } = descriptorArgument(args[4]);
    const anonymous = flags.has("MAP_ANONYMOUS") || flags.has("MAP_ANON");
    const shared = flags.has("MAP_SHARED") || flags.has("MAP_SHARED_VALIDATE");
    const offset = anonymous ? 0 : numberArgument(args[5]);
    space.map({ start, length, ...prot, shared, file: anonymous ? "" : baseName(path ?? "?"), offset });
    this.#note("map", start, length, protOf(prot));
  }

  #mprotect(space: ReplaySpace, args: readonly string[]): void {
    const start = numberArgument(args[0]);
    const length = roundUp(numberArgument(args[1]));
    if (length === 0) return;
    const prot = protection(args[2]);
    space.protect(start, length, prot);
    this.#note("protect", start, length, protOf(prot));
  }

  #mremap(space: ReplaySpace, args: readonly string[], newStart: number): void {
    const start = numberArgument(args[0]);
    const oldLength = roundUp(numberArgument(args[1]));
    const newLength = roundUp(numberArgument(args[2]));
    space.move(start, oldLength, newLength, newStart, flagsArgument(args[3]).has("MREMAP_DONTUNMAP"));
    this.#note("unmap", start, oldLength, PROT.NONE);
    this.#note("map", newStart, newLength, READ_WRITE);
  }

  /** Of all advice only that on fork shows in maps: in those of the children. */
  #madvise(space: ReplaySpace, args: readonly string[]): void {
    const start = numberArgument(args[0]);
    const length = roundUp(numberArgument(args[1]));
    const advice = args[2];
    if (advice === "MADV_DONTFORK" || advice === "MADV_DOFORK")
      space.dontFork(start, length, advice === "MADV_DONTFORK");
    else if (advice === "MADV_DONTNEED" || advice === "MADV_FREE")
      this.#note("discard", start, length, READ_WRITE);
  }

  #brk(space: ReplaySpace, args: readonly string[], result: number): void {
    const asked = numberArgument(args[0]);
    // A refused brk answers with the old break; brk(NULL) only asks.
    const before = this.#breakOf.get(space) ?? roundUp(result);
    this.#breakOf.set(space, roundUp(result));
    if (asked === 0 || asked !== result) return;
    space.brk(result);
    const grown = roundUp(result) - before;
    if (grown > 0) this.#note("map", before, grown, READ_WRITE);
    else if (grown < 0) this.#note("unmap", roundUp(result), -grown, PROT.NONE);
  }

  #exit(pid: number): void {
    const task = this.#tasks.get(pid);
    if (!task || task.process.exited) return;
    const { process } = task;
    // The other threads' exit_group, and the same one resumed in print, say nothing new.
    process.exited = true;
    const expected = this.#recording.maps?.final.find((one) => one.pid === process.pid || one.pid === pid);
    if (expected && !task.borrowed) {
      this.#compared++;
      const difference = firstDifference(process.space.pieces(), expected, process.stackStart);
      if (difference) this.#differences.push(difference);
    }
  }

  #note(kind: Activity["kind"], start: number, length: number, prot: number): void {
    this.#activity.push({ kind, pages: Math.max(1, length / PAGE), start, prot });
  }
}

function protection(text: string | undefined): { read: boolean; write: boolean; exec: boolean } {
  const flags = flagsArgument(text);
  return { read: flags.has("PROT_READ"), write: flags.has("PROT_WRITE"), exec: flags.has("PROT_EXEC") };
}

/** The first address from `start` on that is in no piece; `pieces` are sorted. */
function firstHole(pieces: readonly Piece[], start: number): number {
  let at = start;
  for (const piece of pieces) {
    if (piece.start > at) break;
    at = Math.max(at, piece.end);
  }
  return at;
}

function protOf(prot: { read: boolean; write: boolean; exec: boolean }): number {
  return (prot.read ? PROT.READ : 0) | (prot.write ? PROT.WRITE : 0) | (prot.exec ? PROT.EXEC : 0);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/ \(deleted\)$/, "");
}

function roundUp(length: number): number {
  return Math.ceil(length / PAGE) * PAGE;
}
