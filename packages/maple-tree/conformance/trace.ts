/*
 * What all formats of traces have in common: JSONL lines, indices, and the list of differences.
 */
import { MAX_INDEX } from "@faultline/maple-tree";

/** A result which differs from the recorded one. */
export interface Difference {
  /** Line in the file, from 1. */
  readonly line: number;
  /** The recorded line, shortened. */
  readonly recorded: string;
  readonly message: string;
}

/** How a trace is replayed. */
export interface ReplayOptions {
  /** Validate the tree after every so many operations, and where the trace does; default 100. */
  readonly validateEvery?: number;
  /** Overrides whether the tree is in RCU mode; default as the trace says. */
  readonly rcu?: boolean;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Line = Json[];

/** Result, state after and further results of one call, as far as they can be compared. */
export type Outcome = Json[] | undefined;

const DIFFERENCES_SHOWN = 10;

/** The first differences, and how many there are. */
export class Differences {
  readonly first: Difference[] = [];
  count = 0;

  add(line: number, text: string, message: string): void {
    this.count++;
    if (this.first.length >= DIFFERENCES_SHOWN) return;
    const recorded = text.length > 160 ? `${text.slice(0, 157)}...` : text;
    this.first.push({ line, recorded, message });
  }
}

/** The value of a line, `undefined` if it is not JSON. */
export function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** An index of the trace as one of ours. @throws Error if it has none */
export function indexOf(value: Json | undefined): number {
  if (value === "max") return MAX_INDEX;
  if (typeof value === "number") return value;
  throw new Error(`index ${JSON.stringify(value)} is outside the domain 0..2^53-1`);
}

/** One of our indices as the trace writes it. */
export function jsonOf(value: number): Json {
  return value === MAX_INDEX ? "max" : value;
}

const top = new RegExp(`(?<![\\d.])${MAX_INDEX}(?!\\d)`, "g");

/** How a result differs from the recorded one. */
export function differs(got: Json[], recorded: (Json | undefined)[]): string | undefined {
  // Where the domain ends at 2^53-1, a range that begins there and runs to the kernel's top is that one index.
  const [ours, theirs] = [JSON.stringify(got), JSON.stringify(recorded).replace(top, '"max"')];
  return ours === theirs ? undefined : `got ${ours}, recorded ${theirs}`;
}
