/*
 * Which shared operations of the source no execution has reached: calls of Atomics methods, and accesses by
 * index of whatever was seen in the same file to be shared memory. By line: two loads on one line are one.
 */
import type { Coverage, Missed } from "./model.ts";
import type { Op } from "./op.ts";
import type { Operation, Source } from "./source.ts";
import { nameOf, type Sources } from "./sources.ts";
import { placeOf } from "./trace.ts";

/** Lines of a file where something was reached: by method, or `[]` for plain accesses. */
type Reached = Map<string, Set<string>>;

function reachedBy(ops: readonly Op[]): Reached {
  const reached: Reached = new Map();
  for (const { kind, stack } of ops) {
    const place = placeOf(stack);
    if (place === undefined) continue;
    const lines = reached.get(place.path) ?? new Set();
    lines.add(`${place.line} ${kind === "read" || kind === "write" ? "[]" : kind}`);
    reached.set(place.path, lines);
  }
  return reached;
}

const keyOf = ({ line, method }: Operation): string => `${line} ${method ?? "[]"}`;

/** Calls of Atomics, and accesses of names that a reached line tells to be shared. */
function sharedIn(source: Source, lines: ReadonlySet<string>): Operation[] {
  const plain = source.operations.filter(({ method }) => method === undefined);
  const onLine = (line: number): string[] => [
    ...new Set(plain.filter((other) => other.line === line).map((other) => other.of)),
  ];
  // Of a line with two names nobody knows which of them was reached.
  const names = new Set(
    plain
      .filter((access) => lines.has(keyOf(access)) && onLine(access.line).length === 1)
      .map(({ of }) => of),
  );
  return source.operations.filter(({ method, of }) => method !== undefined || names.has(of));
}

/** Compares the sources with what was reached. */
export function coverageOf(sources: Sources, ops: readonly Op[]): Coverage {
  const reached = reachedBy(ops);
  const missed: Missed[] = [];
  let count = 0;
  for (const [path, source] of sources.all()) {
    const lines = reached.get(path) ?? new Set<string>();
    const byKey = new Map(sharedIn(source, lines).map((operation) => [keyOf(operation), operation]));
    for (const [key, { line, method, of }] of byKey) {
      if (lines.has(key)) count++;
      else {
        const operation = method === undefined ? `${of}[]` : `Atomics.${method}`;
        missed.push({ at: `${nameOf(path)}:${line}`, operation });
      }
    }
  }
  return { reached: count, missed };
}
