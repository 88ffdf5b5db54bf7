import type { Piece } from "./recording.ts";

/** A mapping made by a call: where, how, of what. */
export interface NewMapping {
  readonly start: number;
  /** Bytes, a multiple of the page size. */
  readonly length: number;
  readonly read: boolean;
  readonly write: boolean;
  readonly exec: boolean;
  readonly shared: boolean;
  /** "" for anonymous memory. */
  readonly file: string;
  readonly offset: number;
}

/** What a replay needs of an address space. Addresses are where the recorded kernel put things. */
export interface ReplaySpace {
  map(mapping: NewMapping): void;
  unmap(start: number, length: number): void;
  protect(start: number, length: number, prot: { read: boolean; write: boolean; exec: boolean }): void;
  /** mremap that succeeded: from `start`, `oldLength` bytes, to `newStart`, `newLength` bytes. */
  move(start: number, oldLength: number, newLength: number, newStart: number, keepSource: boolean): void;
  /** MADV_DONTFORK (true) or MADV_DOFORK on a range without holes: does a child get a copy of it? */
  dontFork(start: number, length: number, dont: boolean): void;
  /** Moves the break to `address`. */
  brk(address: number): void;
  fork(): ReplaySpace;
  /** Sorted, not overlapping. */
  pieces(): Piece[];
}

/** Makes the address space of a process right after execve. `startBrk` is undefined if it never asks. */
export type SpaceFactory = (pieces: readonly Piece[], startBrk: number | undefined) => ReplaySpace;
