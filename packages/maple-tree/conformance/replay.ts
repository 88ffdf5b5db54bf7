/*
 * Replays a recorded trace of the Linux 6.12 maple tree and compares every result. The first line tells the
 * format: a header object (random.ts), or a `case` line (suite.ts).
 */
import { RANDOM_FORMAT, replayRandom } from "./random.ts";
import { replaySuite } from "./suite.ts";
import { largeIndex } from "./suite-indices.ts";
import { type Difference, Differences, type Json, parse, type ReplayOptions } from "./trace.ts";

/** What a replay found. */
export interface ReplayResult {
  /** `unsupported`: it needs indices this tree does not have, or is no trace; `reason` says which. */
  readonly status: "passed" | "failed" | "unsupported";
  readonly format: "random" | "suite" | "unknown";
  /** Name of the recorded case, if it has one. */
  readonly name?: string;
  readonly reason?: string;
  readonly operations: number;
  readonly dumps: number;
  /** Dumps at which height and number of nodes were the kernel's too. Advisory: a caller cannot observe them. */
  readonly sameLayout: number;
  readonly validations: number;
  /** The first ones, at most ten. */
  readonly differences: readonly Difference[];
  readonly differenceCount: number;
}

const NOTHING = { operations: 0, dumps: 0, sameLayout: 0, validations: 0 };

/** Replays the text of one trace. */
export function replay(text: string, options: ReplayOptions = {}): ReplayResult {
  const lines = text.split("\n");
  const header = parse(lines[0] ?? "");
  const format = formatOf(header);
  if (format === "unknown") return refusal(unknownReason(header), format);
  const differences = new Differences();
  if (format === "random") return result(format, replayRandom(lines, differences, options), differences);
  const name = caseName(header as Json[]);
  const large = largeIndex(lines);
  if (large !== undefined) return { ...refusal(`needs index ${large}, above 2^53-1`, format), name };
  return {
    ...result(format, { ...NOTHING, ...replaySuite(lines, differences, options) }, differences),
    name,
  };
}

function result(
  format: ReplayResult["format"],
  counts: typeof NOTHING,
  differences: Differences,
): ReplayResult {
  return {
    status: differences.count === 0 ? "passed" : "failed",
    format,
    ...counts,
    differences: differences.first,
    differenceCount: differences.count,
  };
}

function refusal(reason: string, format: ReplayResult["format"]): ReplayResult {
  return { status: "unsupported", format, reason, ...NOTHING, differences: [], differenceCount: 0 };
}

function formatOf(header: Json | undefined): ReplayResult["format"] {
  if (Array.isArray(header)) return header[0] === "case" ? "suite" : "unknown";
  if (header === null || typeof header !== "object") return "unknown";
  return header["format"] === RANDOM_FORMAT ? "random" : "unknown";
}

function unknownReason(header: Json | undefined): string {
  if (header === undefined) return "the first line is not JSON";
  if (header === null || typeof header !== "object" || Array.isArray(header)) {
    return "the first line is no header";
  }
  return `format ${JSON.stringify(header["format"] ?? null)} instead of "${RANDOM_FORMAT}"`;
}

function caseName(header: Json[]): string {
  const [, args] = header;
  return Array.isArray(args) ? String(args[0]) : "?";
}
