import { type BeginRecord, type CallRecord, numberArgument, type StraceRecord } from "./strace-parser.ts";

/** Calls that empty a range: what they begin may be done long before their return is printed. */
const EMPTYING: ReadonlySet<string> = new Set(["munmap", "mremap"]);

interface UnderWay {
  readonly pid: number;
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

/**
 * Calls that were begun and will empty a range, and that have not returned yet, as strace prints them. One of them
 * can be done before its return is reached; {@link end} then says that nothing is left to do there.
 */
export class RangesUnderWay {
  readonly #records: readonly StraceRecord[];
  readonly #open: Map<number, UnderWay> = new Map();
  readonly #done: Set<CallRecord> = new Set();

  constructor(records: readonly StraceRecord[]) {
    this.#records = records;
  }

  begin({ pid, line, name, args }: BeginRecord): void {
    if (!EMPTYING.has(name) || args.length < 2) return;
    const start = numberArgument(args[0]);
    this.#open.set(pid, { pid, line, name, start, end: start + numberArgument(args[1]) });
  }

  /** `call` has returned. True if it was done before. */
  end(call: CallRecord): boolean {
    this.#open.delete(call.pid);
    return this.#done.delete(call);
  }

  /** Remembers that `call`, which {@link takeOverlapping} gave out, needs no doing at its return. */
  done(call: CallRecord): void {
    this.#done.add(call);
  }

  /**
   * Removes and returns the calls under way at `line` that empty a part of `[start, end)` and succeed. O(records)
   * for each of them: it looks for their returns.
   */
  takeOverlapping(start: number, end: number, line: number): CallRecord[] {
    const found: CallRecord[] = [];
    for (const one of this.#open.values()) {
      if (one.start >= end || one.end <= start) continue;
      const call = this.#returnOf(one, line);
      if (call?.result === undefined || call.error !== undefined) continue;
      this.#open.delete(one.pid);
      found.push(call);
    }
    return found;
  }

  #returnOf({ pid, name }: UnderWay, line: number): CallRecord | undefined {
    return this.#records.find(
      (record): record is CallRecord =>
        record.kind === "call" && record.pid === pid && record.name === name && record.line > line,
    );
  }
}
