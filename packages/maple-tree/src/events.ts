/** The way a write is carried out; names as in the kernel's `enum store_type`. */
export type WriteType =
  | "new_root"
  | "store_root"
  | "exact_fit"
  | "spanning_store"
  | "split_store"
  | "rebalance"
  | "append"
  | "node_store"
  | "slot_store";

/** A slot of a node; `node` 0 stands for the root word in the tree's header. */
export interface SlotRef {
  readonly node: number;
  readonly slot: number;
}

/**
 * One effect of a write, reported right after it happened, in the order in which other agents can see them.
 *
 * - `type`: what the write will do, with the range after widening and the nodes reserved; nothing changed yet
 * - `build`: a node is complete, and private
 * - `publish`: one store made the new nodes reachable (`from`, `to`: values of the word; `node` 0 = root word)
 * - `slot`: a leaf slot was stored in place (exact_fit and the in-place writes of a tree without RCU)
 * - `dead`: a node was marked dead
 * - `adopt`: a child that old and new tree share names its new parent
 * - `defer`: a node was handed to the arena, to be reused after a grace period (`free`: at once)
 * - `gap`: a gap was changed in place
 */
export type StepEvent =
  | {
      readonly what: "type";
      readonly type: WriteType;
      readonly first: number;
      readonly last: number;
      readonly requestedFirst: number;
      readonly requestedLast: number;
      readonly reserved: number;
    }
  | { readonly what: "build"; readonly node: number }
  | {
      readonly what: "publish";
      readonly node: number;
      readonly slot: number;
      readonly from: number;
      readonly to: number;
    }
  | {
      readonly what: "slot";
      readonly node: number;
      readonly slot: number;
      readonly from: number;
      readonly to: number;
    }
  | { readonly what: "dead"; readonly node: number }
  | { readonly what: "adopt"; readonly node: number; readonly parent: number; readonly slot: number }
  | { readonly what: "defer"; readonly node: number }
  | { readonly what: "free"; readonly node: number }
  | {
      readonly what: "gap";
      readonly node: number;
      readonly slot: number;
      readonly from: number;
      readonly to: number;
    };

/** A gap changed in place. */
export interface GapChange extends SlotRef {
  readonly from: number;
  readonly to: number;
}

/** What a write did; nodes are named by their word in the arena. */
export interface WriteEvent {
  readonly type: WriteType;
  /** The range as asked for. */
  readonly requestedFirst: number;
  readonly requestedLast: number;
  /** The range as stored: a write of nothing takes in the empty ranges beside it. */
  readonly first: number;
  readonly last: number;
  /** What was stored, 0 = nothing. */
  readonly entry: number;
  /** Nodes reserved before the write began: its worst case. */
  readonly reserved: number;
  /** Nodes which left the tree. */
  readonly replaced: readonly number[];
  /** Nodes which are new. */
  readonly built: readonly number[];
  /** Slot whose single store made the new nodes reachable; `undefined` if no node was replaced. */
  readonly published: SlotRef | undefined;
  /** Nodes marked dead, in order. */
  readonly dead: readonly number[];
  /** Nodes handed to the arena to be reused after a grace period. */
  readonly deferred: readonly number[];
  /** Gaps changed in place, from the leaf's parent upwards. */
  readonly gaps: readonly GapChange[];
  /** Height after the write. */
  readonly height: number;
}

/** What a repair found. */
export interface Recovery {
  /** Was a write under way? */
  readonly interrupted: boolean;
  /** Nodes that were in no tree any more, or not yet; they return to the arena after a grace period. */
  readonly reclaimed: number;
}

/** Sums up the steps of one write. */
export function writeEvent(steps: readonly StepEvent[], entry: number, height: number): WriteEvent {
  const type = steps[0];
  if (type === undefined || type.what !== "type") throw new Error("writeEvent: the first step is not a type");
  const nodes = (what: StepEvent["what"]): number[] =>
    steps.flatMap((s) => (s.what === what && "node" in s ? [s.node] : []));
  const published = steps.find((s) => s.what === "publish");
  return {
    type: type.type,
    requestedFirst: type.requestedFirst,
    requestedLast: type.requestedLast,
    first: type.first,
    last: type.last,
    entry,
    reserved: type.reserved,
    replaced: nodes("dead"),
    built: nodes("build"),
    published: published?.what === "publish" ? { node: published.node, slot: published.slot } : undefined,
    dead: nodes("dead"),
    deferred: nodes("defer"),
    gaps: steps.flatMap((s) =>
      s.what === "gap" ? [{ node: s.node, slot: s.slot, from: s.from, to: s.to }] : [],
    ),
    height,
  };
}
