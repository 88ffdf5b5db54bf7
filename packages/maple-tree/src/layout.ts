/*
 * The words of a node and of a tree's header.
 *
 *   node: 96 words (384 bytes, six cache lines), 32-word aligned
 *   word  0        1        4 … 31              32 … 87                        88 … 95
 *        ┌────────┬────────┬───────────────────┬──────────────────────────────┬─────────┐
 *        │ parent │ meta   │ slot 0 … slot 27  │ pivot 0 … pivot 27 (Float64) │ not used│   leaf, range
 *        └────────┴────────┴───────────────────┴──────────────────────────────┴─────────┘
 *                          │ slot 0 … slot 15  │ pivot 0 … 15   │ gap 0 … gap 15        │   allocation (arange)
 *                           4 … 19              32 … 63          64 … 95
 *
 * parent   node word | slot (its place in the parent) · negative: this is the root of the tree whose header is
 *          at -parent · equal to the node's own word: the node is dead
 * meta     end (last used slot) | offset of the largest gap << 8
 * slot     leaf: an entry, 0 = nothing. Internal: the handle of a child
 * handle   node word | type; the low five bits of a node word are zero. A handle says what it points to, so a
 *          reader needs no depth
 * pivot    last index of the slot, inclusive. Slot i covers pivot[i-1]+1 … pivot[i]
 *          Behind the last used slot all pivots are Infinity: a search looks at any of them without asking
 *          how many there are. Four pivots are half a cache line
 * gap      longest run of free indices below the slot
 *
 * Two things differ from the kernel's nodes. The last used slot always has its pivot, equal to the largest
 * index of the node: it stops a reader's scan, which so never needs `end`. And `meta` has a word of its own
 * where the kernel puts it into slot 15 of a node that is not full: a full node there has no metadata, and
 * code which forgot that has corrupted memory.
 *
 * Words 1 and 2 of a dead node belong to the arena, which queues it there until a grace period has elapsed;
 * slots and pivots start behind them, so a reader that is still inside finds the old node as it was.
 *
 *   header: 16 words
 *   0 magic · 1 root · 2 lock · 3 height · 4 flags · 5 geometry · 6 nodes · 7 version
 *
 * root     0: nothing stored · negative: minus the entry at [0,0] and nothing else · positive: handle of a node
 * version  odd while a write is under way, even otherwise, never the same again. A cursor trusts a leaf that it
 *          remembers if the version was even when it found it and is still the same inside the present read
 *          section: then no write has begun since, so the leaf has not been handed to the arena
 */

/*
 * The hot paths have local copies of these constants (`const { SLOTS } = L`). V8 folds a constant of the module that
 * uses it, but loads an imported one from its cell each time and checks that it is still a small integer: 21 ns
 * against 15 for a cursor's step.
 */

/** Words of a node. */
export const NODE_WORDS = 96;
/** Its alignment; a slot number fits below it. */
export const NODE_ALIGN = 32;
/** Slots that a leaf or range node has room for, and an allocation node. */
export const SLOTS_MAX = 28;
export const ARANGE_SLOTS_MAX = 16;
export const PARENT = 0;
export const META = 1;
export const SLOTS = 4;
/** First pivot, in words and as an index into a Float64Array. */
export const PIVOTS: number = SLOTS + SLOTS_MAX;
export const PIVOTS_F64: number = PIVOTS / 2;
/** First gap of an allocation node. */
export const GAPS: number = PIVOTS + 2 * ARANGE_SLOTS_MAX;
export const GAPS_F64: number = GAPS / 2;

/** Mask of the node word in a handle or parent word. */
export const NODE_MASK: number = ~(NODE_ALIGN - 1);
/** Mask of the type in a handle, and of the slot in a parent word. */
export const TAG_MASK: number = NODE_ALIGN - 1;

/** Kinds of node, numbered as in the kernel's `enum maple_type`. */
export const NodeType = { Leaf: 1, Range: 2, Arange: 3 } as const;
/** One of {@link NodeType}. */
export type NodeType = (typeof NodeType)[keyof typeof NodeType];

/** Words of a tree's header. */
export const HEADER_WORDS = 16;
export const MAGIC = 0;
export const ROOT = 1;
export const LOCK = 2;
export const HEIGHT = 3;
export const FLAGS = 4;
export const GEOMETRY = 5;
export const NODES = 6;
export const VERSION = 7;

/** "FLmt" read as four bytes. */
export const MAGIC_VALUE = 0x464c6d74;

/** Keep the largest gap below every child (allocation tree). */
export const FLAG_GAPS = 1;
/** Readers may run beside the writer. */
export const FLAG_RCU = 2;
/** Writers take the lock in the header. */
export const FLAG_LOCK_INTERNAL = 4;
/** Writers hold a lock of the caller's. */
export const FLAG_LOCK_EXTERNAL = 8;
/** Cyclic allocation has handed out the last index. */
export const FLAG_WRAPPED = 16;
/** Indices end at 2^32 - 1. */
export const FLAG_U32 = 32;
