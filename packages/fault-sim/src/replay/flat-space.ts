import type { Piece } from "./recording.ts";
import type { NewMapping, ReplaySpace, SpaceFactory } from "./space.ts";

const PAGE = 4096;

/** A piece, and whether a child of fork goes without it. */
type FlatPiece = Piece & { readonly dontFork?: boolean };

/**
 * An address space as a sorted list of pieces, and nothing else: the second opinion on what a recording's
 * calls amount to. Every operation is O(n).
 */
export class FlatSpace implements ReplaySpace {
  #pieces: readonly FlatPiece[];
  #break: number | undefined;

  constructor(pieces: readonly Piece[], startBrk: number | undefined) {
    this.#pieces = [...pieces].sort((a, b) => a.start - b.start);
    this.#break = startBrk;
  }

  map(mapping: NewMapping): void {
    const perms = `${mapping.read ? "r" : "-"}${mapping.write ? "w" : "-"}${mapping.exec ? "x" : "-"}${mapping.shared ? "s" : "p"}`;
    this.#insert([
      {
        start: mapping.start,
        end: mapping.start + mapping.length,
        perms,
        offset: mapping.offset,
        file: mapping.file,
      },
    ]);
  }

  unmap(start: number, length: number): void {
    this.#cut(start, start + length);
  }

  protect(start: number, length: number, prot: { read: boolean; write: boolean; exec: boolean }): void {
    const letters = `${prot.read ? "r" : "-"}${prot.write ? "w" : "-"}${prot.exec ? "x" : "-"}`;
    const inside = this.#cut(start, start + length);
    this.#insert(inside.map((piece) => ({ ...piece, perms: letters + piece.perms[3] })));
  }

  move(start: number, oldLength: number, newLength: number, newStart: number, keepSource: boolean): void {
    const inside = this.#cut(start, start + Math.max(oldLength, PAGE));
    if (keepSource) this.#insert(inside);
    const moved = inside.map((piece) => ({
      ...piece,
      start: piece.start - start + newStart,
      end: piece.end - start + newStart,
    }));
    const end = newStart + newLength;
    const fitting = moved
      .filter((piece) => piece.start < end)
      .map((piece) => ({ ...piece, end: Math.min(piece.end, end) }));
    const last = fitting.pop();
    this.#cut(newStart, end);
    this.#insert(last ? [...fitting, { ...last, end }] : []);
  }

  dontFork(start: number, length: number, dont: boolean): void {
    this.#insert(this.#cut(start, start + length).map((piece) => ({ ...piece, dontFork: dont })));
  }

  brk(address: number): void {
    if (this.#break === undefined) throw new Error("brk before the start of the break is known");
    const from = roundUp(this.#break);
    const to = roundUp(address);
    if (to > from) this.#insert([{ start: from, end: to, perms: "rw-p", offset: 0, file: "" }]);
    else this.#cut(to, from);
    this.#break = address;
  }

  fork(): FlatSpace {
    return new FlatSpace(
      this.#pieces.filter((piece) => piece.dontFork !== true),
      this.#break,
    );
  }

  pieces(): Piece[] {
    return [...this.#pieces];
  }

  /** Removes `start..end` and returns what was there. */
  #cut(start: number, end: number): FlatPiece[] {
    const inside: FlatPiece[] = [];
    const kept: FlatPiece[] = [];
    for (const piece of this.#pieces) {
      const from = Math.max(piece.start, start);
      const to = Math.min(piece.end, end);
      if (from >= to) {
        kept.push(piece);
        continue;
      }
      if (piece.start < from) kept.push(slice(piece, piece.start, from));
      inside.push(slice(piece, from, to));
      if (to < piece.end) kept.push(slice(piece, to, piece.end));
    }
    this.#pieces = kept;
    return inside;
  }

  #insert(pieces: readonly FlatPiece[]): void {
    for (const piece of pieces) this.#cut(piece.start, piece.end);
    this.#pieces = [...this.#pieces, ...pieces].sort((a, b) => a.start - b.start);
  }
}

function slice(piece: FlatPiece, start: number, end: number): FlatPiece {
  return { ...piece, start, end, offset: piece.file === "" ? 0 : piece.offset + (start - piece.start) };
}

function roundUp(address: number): number {
  return Math.ceil(address / PAGE) * PAGE;
}

/** Makes {@link FlatSpace}s. */
export const flatSpaces: SpaceFactory = (pieces, startBrk) => new FlatSpace(pieces, startBrk);
