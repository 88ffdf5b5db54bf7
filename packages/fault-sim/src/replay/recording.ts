import { existsSync, readFileSync } from "node:fs";
import { constants, gunzipSync } from "node:zlib";
import { RecordingError } from "./errors.ts";
import { type ParsedStrace, parseStrace } from "./strace-parser.ts";

/** A line of /proc/PID/maps; addresses and offset in bytes. `file` is "" for anonymous memory. */
export interface Piece {
  readonly start: number;
  readonly end: number;
  /** `rwxp`, `r--s`, … */
  readonly perms: string;
  readonly offset: number;
  /** Name of the file, or `[vdso]` and the like; "" for anonymous memory, heap and stack. */
  readonly file: string;
}

/** Mappings of a process at one moment. */
export interface ProcessMaps {
  readonly pid: number;
  readonly pieces: readonly Piece[];
  /** First byte of `[stack]`, if there is one. */
  readonly stackStart: number | undefined;
  readonly stackEnd: number | undefined;
  /** Pages present, and pages mapped, in mappings a program may touch; only with smaps. */
  readonly touched: { readonly resident: number; readonly pages: number } | undefined;
}

/** What strace cannot show: mappings right after each execve, and before exit. */
export interface RecordedMaps {
  readonly execs: readonly ProcessMaps[];
  readonly final: readonly ProcessMaps[];
}

/** Names of memory without a file; shared anonymous memory shows as /dev/zero. */
const ANONYMOUS = /^(?:\[heap\]|\[stack\]|\[anon.*\]|(?:\/dev\/)?zero \(deleted\))?$/;

/** Addresses of the kernel's half, where `[vsyscall]` shows: no call of a program changes anything there. */
const KERNEL_HALF = /^[89a-f][0-9a-f]{15}$/;

/** A recording: the calls, and the maps beside them if there are any. */
export interface Recording extends ParsedStrace {
  readonly name: string;
  readonly maps: RecordedMaps | undefined;
}

/** Choices of reading. */
export interface RecordingOptions {
  readonly lenient?: boolean;
  /** File of maps; by default `NAME.maps.json[.gz]` beside `NAME.strace[.gz]`, if it exists. */
  readonly maps?: string;
}

/** Reads a recording, plain or gzipped. RecordingError: not there, truncated, not understood. */
export function readRecording(path: string, options: RecordingOptions = {}): Recording {
  const text = readText(path, options.lenient === true);
  const parsed = within(path, () => parseStrace(text, options));
  const mapsPath = options.maps ?? mapsBeside(path);
  const maps = mapsPath === undefined ? undefined : parseMaps(mapsPath, readText(mapsPath, false));
  return { name: path, maps, ...parsed };
}

function mapsBeside(path: string): string | undefined {
  const base = path.replace(/\.gz$/, "").replace(/\.(strace|log|txt)$/, "");
  return [`${base}.maps.json`, `${base}.maps.json.gz`].find((candidate) => existsSync(candidate));
}

function readText(path: string, lenient: boolean): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new RecordingError(
      "ENOENT",
      `${path}: cannot be read (${(error as NodeJS.ErrnoException).code ?? "?"})`,
    );
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.toString("utf8");
  try {
    const finishFlush = lenient ? constants.Z_SYNC_FLUSH : constants.Z_FINISH;
    return gunzipSync(bytes, { finishFlush }).toString("utf8");
  } catch (error) {
    const truncated = (error as NodeJS.ErrnoException).code === "Z_BUF_ERROR";
    if (truncated) throw new RecordingError("ETRUNC", `${path}: the gzip file is truncated`);
    throw new RecordingError("EBADMSG", `${path}: not a sound gzip file (${(error as Error).message})`);
  }
}

function within<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RecordingError)
      throw new RecordingError(error.code, `${path}: ${error.message}`, error.line);
    throw error;
  }
}

function parseMaps(path: string, text: string): RecordedMaps {
  const bad = (why: string): RecordingError => new RecordingError("EBADMSG", `${path}: ${why}`);
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw bad(`not JSON (${(error as Error).message})`);
  }
  const { format, execs, final } = data as { format?: unknown; execs?: unknown; final?: unknown };
  if (format !== "mm-strace/1") throw bad(`format must be "mm-strace/1", got ${JSON.stringify(format)}`);
  if (!Array.isArray(execs) || !Array.isArray(final)) throw bad("execs and final must be lists");
  try {
    return { execs: execs.map(processMaps), final: final.map(processMaps) };
  } catch (error) {
    throw bad((error as Error).message);
  }
}

function processMaps(entry: { pid?: unknown; maps?: unknown; smaps?: unknown }): ProcessMaps {
  if (typeof entry.pid !== "number" || !Array.isArray(entry.maps))
    throw new Error("an entry without pid or maps");
  const rows = (entry.maps as unknown[][]).filter((row) => !KERNEL_HALF.test(String(row[0])));
  const stack = rows.find((row) => row[5] === "[stack]");
  return {
    pid: entry.pid,
    pieces: rows.map(toPiece),
    stackStart: stack === undefined ? undefined : hex(stack[0]),
    stackEnd: stack === undefined ? undefined : hex(stack[1]),
    touched: Array.isArray(entry.smaps) ? touchedPages(rows, entry.smaps as unknown[][]) : undefined,
  };
}

function toPiece(row: readonly unknown[]): Piece {
  const perms = row[2];
  if (typeof perms !== "string" || !/^[r-][w-][x-][ps]$/.test(perms))
    throw new Error(`perms ${JSON.stringify(perms)}`);
  const name = typeof row[5] === "string" ? row[5] : "";
  const anonymous = ANONYMOUS.test(name);
  return {
    start: hex(row[0]),
    end: hex(row[1]),
    perms,
    offset: anonymous ? 0 : hex(row[3]),
    file: anonymous ? "" : name,
  };
}

function touchedPages(
  maps: readonly unknown[][],
  smaps: readonly unknown[][],
): { resident: number; pages: number } {
  const residents = new Map(smaps.map((row) => [row[0], row[1]]));
  let resident = 0;
  let pages = 0;
  for (const row of maps) {
    if (String(row[2]).startsWith("---") || String(row[5]).startsWith("[v")) continue;
    resident += Number(residents.get(row[0]) ?? 0);
    pages += (hex(row[1]) - hex(row[0])) / 4096;
  }
  return { resident, pages };
}

function hex(value: unknown): number {
  if (typeof value !== "string" || !/^[0-9a-f]{1,14}$/.test(value))
    throw new Error(`${JSON.stringify(value)} is not a hexadecimal address`);
  return Number.parseInt(value, 16);
}
