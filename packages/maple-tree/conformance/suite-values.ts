/*
 * Entries of a suite trace as handles of a tree, and back. Recorded entries are value entries (numbers, or
 * decimal strings), pointers `p<n>`, and pointers `i<n>` that the kernel keeps out of the root word. Handles
 * are given out in order of first appearance.
 */
import { NODE_ENTRY, ZERO_ENTRY } from "@faultline/maple-tree";
import type { Json } from "./trace.ts";

/** Both directions. */
export class Entries {
  readonly #handles = new Map<Json, number>([
    [null, 0],
    ["zero", ZERO_ENTRY],
  ]);
  readonly #entries = new Map<number, Json>([
    [0, null],
    [ZERO_ENTRY, "zero"],
  ]);

  /** Handle of a recorded entry. */
  handle(entry: Json | undefined): number {
    if (entry === undefined) throw new Error("the line lacks an entry");
    const known = this.#handles.get(entry);
    if (known !== undefined) return known;
    const node = typeof entry === "string" && entry.startsWith("i");
    const handle = (node ? NODE_ENTRY : 0) + this.#handles.size;
    this.#handles.set(entry, handle);
    this.#entries.set(handle, entry);
    return handle;
  }

  /** The recorded entry of a handle. */
  entry(handle: number): Json {
    const entry = this.#entries.get(handle);
    return entry === undefined ? `handle ${handle}` : entry;
  }
}
