import type { TreeCore } from "../core.ts";
import type { WriteType } from "../events.ts";
import { Path } from "../search/path.ts";
import { newPlace, type Place } from "../search/walk.ts";
import { Items } from "./items.ts";

/** Everything known about the write under way. One per tree and agent, used again for each write. */
export class WriteState {
  readonly core: TreeCore;
  /** Path to the leaf slot of the range's first index, and of the index behind its last one. */
  readonly left: Path = new Path();
  readonly right: Path = new Path();
  readonly items: Items = new Items();
  /** Where the writer has looked before it writes. */
  readonly place: Place = newPlace();
  first = 0;
  last = 0;
  entry = 0;
  requestedFirst = 0;
  requestedLast = 0;
  /** Entries come in ascending order: nodes are filled as far as they go. */
  bulk = false;
  /** Entry that was stored at the requested first index. */
  old = 0;
  /** The leaf of the last quick store, its range, and the tree's version since. */
  hint = 0;
  hintMin = 0;
  hintMax = 0;
  hintVersion = -1;
  /** The leaf, its last used slot and its range. */
  leaf = 0;
  end = 0;
  leafMin = 0;
  leafMax = 0;
  /** Slots which `first` and `last` lie in, and the ends of the former's and last index of the latter's range. */
  slot = 0;
  slotLast = 0;
  slotMin = 0;
  slotMax = 0;
  endPivot = 0;

  constructor(core: TreeCore) {
    this.core = core;
  }

  /** Is the leaf the root? */
  get leafIsRoot(): boolean {
    return this.left.leafLevel === 0;
  }
}

/** Reserves nodes and reports the type; after it the write cannot fail. */
export function announce(w: WriteState, type: WriteType, nodes: number): void {
  const { core } = w;
  core.reserve(nodes);
  if (!core.observed) return;
  core.step({
    what: "type",
    type,
    first: w.first,
    last: w.last,
    requestedFirst: w.requestedFirst,
    requestedLast: w.requestedLast,
    reserved: nodes,
  });
}
