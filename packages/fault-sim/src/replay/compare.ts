import type { Piece, ProcessMaps } from "./recording.ts";

/** The first address at which two address spaces differ, and what each has there. */
export interface Difference {
  readonly pid: number;
  readonly start: number;
  readonly end: number;
  readonly expected: string;
  readonly actual: string;
}

/**
 * Compares pieces of address space: at every address the same permissions, file and offset, however
 * the pieces are divided. Growth of the stack is excepted: it comes from faults, not from calls.
 */
export function firstDifference(
  actual: readonly Piece[],
  expected: ProcessMaps,
  stackAtExec: number | undefined,
): Difference | undefined {
  const edges = new Set<number>();
  for (const piece of [...actual, ...expected.pieces]) edges.add(piece.start).add(piece.end);
  if (stackAtExec !== undefined) edges.add(stackAtExec);
  const sorted = [...edges].sort((a, b) => a - b);
  for (let i = 0; i + 1 < sorted.length; i++) {
    const start = sorted[i]!;
    const end = sorted[i + 1]!;
    if (isStackGrowth(start, expected, stackAtExec)) continue;
    const want = describe(expected.pieces, start);
    const have = describe(actual, start);
    if (want !== have) return { pid: expected.pid, start, end, expected: want, actual: have };
  }
  return undefined;
}

function isStackGrowth(address: number, expected: ProcessMaps, stackAtExec: number | undefined): boolean {
  if (expected.stackStart === undefined || stackAtExec === undefined) return false;
  return (
    address >= Math.min(expected.stackStart, stackAtExec) &&
    address < Math.max(expected.stackStart, stackAtExec)
  );
}

function describe(pieces: readonly Piece[], address: number): string {
  const piece = pieces.find((one) => one.start <= address && address < one.end);
  if (!piece) return "nothing";
  if (piece.file === "") return `${piece.perms} anonymous`;
  return `${piece.perms} ${piece.file} +0x${(piece.offset + address - piece.start).toString(16)}`;
}

/** One line for people. */
export function formatDifference(difference: Difference): string {
  const range = `0x${difference.start.toString(16)}-0x${difference.end.toString(16)}`;
  return `pid ${difference.pid}, ${range}: recorded ${difference.expected}; replayed ${difference.actual}`;
}
