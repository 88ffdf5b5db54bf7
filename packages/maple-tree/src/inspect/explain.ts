import type { WriteType } from "../events.ts";
import { type PlannedLeaf, plan, plannedLeaf, plannedNodes } from "../write/write.ts";
import type { WriteState } from "../write/write-state.ts";

/** How a store would be carried out. */
export interface Explanation {
  readonly type: WriteType;
  /** The range after widening: a store of nothing takes in the empty ranges beside it. */
  readonly first: number;
  readonly last: number;
  /** Nodes that would be reserved: the worst case, of which the rest is not used. */
  readonly reserved: number;
  /** Height of the tree now. */
  readonly height: number;
  /** The leaf which the range begins in; `undefined` if there is no node. */
  readonly leaf: PlannedLeaf | undefined;
}

/** Plans a store and changes nothing. Lock held. */
export function explain(w: WriteState, first: number, last: number, entry: number): Explanation {
  const type = plan(w, first, last, entry);
  return {
    type,
    first: w.first,
    last: w.last,
    reserved: plannedNodes(w, type),
    height: w.core.height,
    leaf: type === "store_root" ? undefined : plannedLeaf(w, type),
  };
}
