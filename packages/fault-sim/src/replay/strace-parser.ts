/*
 * Lines of `strace -f`. A call that was interrupted in print (`<unfinished ...>`, later
 * `<... mmap resumed>`) is one record at the place of its return: that is where its effect is known.
 * Arguments stay text, split at top-level commas; the functions below interpret them.
 */
import { RecordingError } from "./errors.ts";

/** A finished system call. */
export interface CallRecord {
  readonly kind: "call";
  /** 1-based line on which it returned. */
  readonly line: number;
  /** 0 if the recording has no pids. */
  readonly pid: number;
  readonly name: string;
  readonly args: readonly string[];
  /** undefined for `= ?`: it did not return. */
  readonly result: number | undefined;
  /** ENOMEM and so on, if it failed. */
  readonly error: string | undefined;
}

/** A call that began and whose return comes later; told so that a child which runs first finds its parent. */
export interface BeginRecord {
  readonly kind: "begin";
  readonly line: number;
  readonly pid: number;
  readonly name: string;
  readonly args: readonly string[];
}

/** A signal was delivered. */
export interface SignalRecord {
  readonly kind: "signal";
  readonly line: number;
  readonly pid: number;
  readonly signal: string;
}

/** A task is gone: its exit code, or the signal that killed it. */
export interface ExitRecord {
  readonly kind: "exit";
  readonly line: number;
  readonly pid: number;
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

export type StraceRecord = CallRecord | BeginRecord | SignalRecord | ExitRecord;

/** A line that could not be understood. */
export interface BadLine {
  readonly line: number;
  readonly why: string;
  readonly text: string;
}

/** Everything in a recording's text. */
export interface ParsedStrace {
  readonly records: readonly StraceRecord[];
  /** Empty unless lenient. */
  readonly bad: readonly BadLine[];
}

const PREFIX = /^(?:\[pid\s+(\d+)\]\s+|(\d+)\s+)?(?:(?:\d{2}:\d{2}:\d{2}(?:\.\d+)?|\d+\.\d{3,})\s+)?/;
const EXIT =
  /^\+\+\+ (?:exited with (\d+)|killed by (\w+)(?: \(core dumped\))?|superseded by execve in pid \d+) \+\+\+$/;
const SIGNAL = /^--- (?:stopped by )?(\w+)(?: \{.*\})? ---$/;
const RESUMED = /^<\.\.\. (\w+) resumed>\s*,?\s*/;
const RESULT =
  /^\s*=\s*(\?|-?\d+|0x[0-9a-f]+)(?:<[^>]*>)?(?:\s+(E[A-Z0-9]+|ERESTART\w*))?(?:\s+\([^)]*\))*(?:\s+<\d+\.\d+>)?\s*$/;
const UNFINISHED = /\s*<unfinished \.\.\.>$/;

/**
 * Parses the text of a recording. A line that cannot be understood is an error with its number
 * (EBADMSG), or with `lenient` an entry of `bad`. Text that ends inside a line, or inside a call whose
 * task is still alive, is truncated (ETRUNC), or with `lenient` an entry of `bad`.
 */
export function parseStrace(text: string, options: { lenient?: boolean } = {}): ParsedStrace {
  const parser = new Parser(options.lenient === true);
  const lines = text.split("\n");
  const rest = lines.pop() ?? "";
  lines.forEach((line, index) => {
    parser.line(line, index + 1);
  });
  if (rest !== "") parser.fail("ETRUNC", lines.length + 1, "the file ends inside this line", rest);
  parser.finish(lines.length);
  return { records: parser.records, bad: parser.bad };
}

class Parser {
  readonly records: StraceRecord[] = [];
  readonly bad: BadLine[] = [];
  readonly #open: Map<number, { name: string; text: string; line: number }> = new Map();
  readonly #lenient: boolean;

  constructor(lenient: boolean) {
    this.#lenient = lenient;
  }

  fail(code: RecordingError["code"], line: number, why: string, text: string): void {
    if (!this.#lenient) throw new RecordingError(code, `line ${line}: ${why}: ${clip(text)}`, line);
    this.bad.push({ line, why, text });
  }

  line(text: string, line: number): void {
    if (text.trim() === "") return;
    const prefix = PREFIX.exec(text)!;
    const pid = Number(prefix[1] ?? prefix[2] ?? 0);
    const body = text.slice(prefix[0].length).trimEnd();
    try {
      this.#body(body, pid, line);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.fail("EBADMSG", line, error.message, text);
    }
  }

  finish(lines: number): void {
    for (const [pid, call] of this.#open) {
      this.fail(
        "ETRUNC",
        call.line,
        `the file ends (line ${lines}) before ${call.name} of pid ${pid} returns`,
        call.text,
      );
    }
  }

  #body(body: string, pid: number, line: number): void {
    const exit = EXIT.exec(body);
    if (exit) {
      this.#open.delete(pid);
      const code = exit[1] === undefined ? undefined : Number(exit[1]);
      this.records.push({ kind: "exit", line, pid, code, signal: exit[2] });
      return;
    }
    const signal = SIGNAL.exec(body);
    if (signal) {
      this.records.push({ kind: "signal", line, pid, signal: signal[1]! });
      return;
    }
    const resumed = RESUMED.exec(body);
    if (resumed) this.#resumed(resumed[1]!, body.slice(resumed[0].length), pid, line);
    else this.#call(body, pid, line);
  }

  #resumed(name: string, rest: string, pid: number, line: number): void {
    const begun = this.#open.get(pid);
    if (begun?.name !== name) throw new SyntaxError(`${name} resumed, but it was not begun`);
    this.#open.delete(pid);
    const comma = rest.startsWith(")") || begun.text.endsWith("(") || begun.text.endsWith(",") ? "" : ", ";
    this.#finishCall(`${begun.text}${comma}${rest}`, pid, line);
  }

  #call(body: string, pid: number, line: number): void {
    if (!UNFINISHED.test(body)) {
      this.#finishCall(body, pid, line);
      return;
    }
    const text = body.replace(UNFINISHED, "");
    const name = nameOf(text);
    // exit_group never returns; strace may print it either way.
    this.#open.set(pid, { name, text, line });
    const args = splitArguments(text.slice(name.length + 1).replace(/,\s*$/, ""));
    this.records.push({ kind: "begin", line, pid, name, args });
  }

  #finishCall(text: string, pid: number, line: number): void {
    const name = nameOf(text);
    const close = closingParenthesis(text, name.length);
    const result = RESULT.exec(text.slice(close + 1).replace(/^\s*=\s*\? <unavailable>/, " = ?"));
    if (!result) throw new SyntaxError("no result that can be understood");
    const value = result[1] === "?" ? undefined : Number(result[1]);
    const args = splitArguments(text.slice(name.length + 1, close));
    this.records.push({ kind: "call", line, pid, name, args, result: value, error: result[2] });
  }
}

function nameOf(text: string): string {
  const name = /^[a-z_]\w*(?=\()/.exec(text);
  if (!name) throw new SyntaxError("not a call, signal or exit");
  return name[0];
}

/** Calls `visit(index, depth)` for each character outside strings and comments; stops when it returns true. */
function scan(text: string, from: number, visit: (index: number, depth: number) => boolean): void {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    const char = text[i]!;
    if (char === '"') i = endOfString(text, i);
    else if (char === "/" && text[i + 1] === "*") i = endOf(text, "*/", i + 2) + 1;
    else if (char === "<" && /[0-9D]/.test(text[i - 1] ?? "") && text[i + 1] !== "<" && text[i - 2] !== "<")
      i = endOf(text, ">", i);
    else if ("([{".includes(char)) depth++;
    else if (")]}".includes(char)) depth--;
    if (visit(Math.min(i, text.length - 1), depth)) return;
  }
}

function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === '"') return i;
  }
  throw new SyntaxError("a string does not end");
}

function endOf(text: string, what: string, from: number): number {
  const end = text.indexOf(what, from);
  if (end < 0) throw new SyntaxError(`"${what}" is missing`);
  return end;
}

function closingParenthesis(text: string, open: number): number {
  let close = -1;
  scan(text, open, (index, depth) => {
    if (depth === 0) close = index;
    return depth === 0;
  });
  if (close < 0) throw new SyntaxError("the argument list does not end");
  return close;
}

/** Splits at commas outside strings, brackets and `/* comments *\/`; comments are dropped. */
function splitArguments(text: string): string[] {
  const parts: string[] = [];
  let start = 0;
  scan(text, 0, (index, depth) => {
    if (depth === 0 && text[index] === ",") {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
    return false;
  });
  parts.push(text.slice(start));
  const cleaned = parts.map((part) => part.replace(/\s*\/\*.*?\*\/\s*$/, "").trim());
  return cleaned.length === 1 && cleaned[0] === "" ? [] : cleaned;
}

/** Writes a finished call as strace does, with the pid in front. */
export function formatCall(call: CallRecord): string {
  const result = call.result === undefined ? "?" : formatResult(call.result);
  const error = call.error === undefined ? "" : ` ${call.error} (said the kernel)`;
  return `${call.pid === 0 ? "" : `${call.pid} `}${call.name}(${call.args.join(", ")}) = ${result}${error}`;
}

function formatResult(value: number): string {
  return value > 65_535 ? `0x${value.toString(16)}` : String(value);
}

/** `NULL`, decimal, hexadecimal, `8<<10`. SyntaxError otherwise. */
export function numberArgument(text: string | undefined): number {
  if (text === "NULL") return 0;
  const match = /^(-?(?:0x[0-9a-fA-F]+|\d+))(?:<<(\d+))?$/.exec(text ?? "");
  if (!match) throw new SyntaxError(`"${text}" is not a number`);
  const negative = match[1]!.startsWith("-");
  const value = Number(negative ? match[1]!.slice(1) : match[1]) * 2 ** Number(match[2] ?? 0);
  return negative ? -value : value;
}

/** The names in `A|B|0x20`; `0` is the empty set. */
export function flagsArgument(text: string | undefined): ReadonlySet<string> {
  if (text === undefined) throw new SyntaxError("flags are missing");
  return new Set(
    text
      .split("|")
      .map((one) => one.trim())
      .filter((one) => one !== "" && one !== "0"),
  );
}

/** `3<libc.so.6>` → number and path; `-1` and `3` have no path. */
export function descriptorArgument(text: string | undefined): { fd: number; path: string | undefined } {
  const match = /^(-?\d+)(?:<(.*)>(?:\(deleted\))?)?$/.exec(text ?? "");
  if (!match) throw new SyntaxError(`"${text}" is not a file descriptor`);
  return { fd: Number(match[1]), path: match[2] };
}

/** The value of `name=` among the arguments, or in a leading `{…}` structure (clone3). */
export function namedArgument(args: readonly string[], name: string): string | undefined {
  const structure = args[0]?.startsWith("{") ? /^\{(.*?)\}/s.exec(args[0]) : null;
  const fields = structure ? splitArguments(structure[1]!) : args;
  return fields.find((field) => field.startsWith(`${name}=`))?.slice(name.length + 1);
}

function clip(text: string): string {
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}
