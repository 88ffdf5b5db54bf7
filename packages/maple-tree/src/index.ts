export type { CyclicAllocation, CyclicRequest, GapRequest } from "./allocate.ts";
export { CodedMapleTree, type EntryTree, enumCodec, type ValueCodec } from "./coded-tree.ts";
export type { LockMode, TreeOptions } from "./core.ts";
export { Errno, MapleCursor } from "./cursor.ts";
export type { CursorStatus, Position } from "./cursor-place.ts";
export type { DumpOptions } from "./dump.ts";
export { MapleError, type MapleErrorCode } from "./errors.ts";
export type { GapChange, Recovery, SlotRef, StepEvent, WriteEvent, WriteType } from "./events.ts";
export {
  type Geometry,
  type IndexDomain,
  KERNEL_GEOMETRY,
  MAX_ENTRY,
  MAX_INDEX,
  MAX_INDEX_U32,
  MAX_NODE_ENTRY,
  NODE_ENTRY,
  TEACHING_GEOMETRY,
  WIDE_GEOMETRY,
  ZERO_ENTRY,
} from "./geometry.ts";
export type { HistoryOptions, RecordedWrite, TreeHistory } from "./history.ts";
export { LocalCursor } from "./local-cursor.ts";
export { MapleTree, type MapleTreeOptions, type ValueVisitor } from "./local-tree.ts";
export { RangeScan, ValueScan } from "./range-scan.ts";
export type { IndexRange, Range } from "./ranges.ts";
export type { Reservation } from "./reservation.ts";
export type { EntryVisitor } from "./scan.ts";
export { SharedMapleTree, type SharedMapleTreeHandle } from "./shared-tree.ts";
export { MapleSnapshot } from "./snapshot.ts";
export type { NodeStructure, SlotStructure, TreeStructure } from "./structure.ts";
export type { TreeJSON } from "./tree-json.ts";
export type { Violation } from "./validate.ts";
export type { StoredRange, ValueRange } from "./value-range.ts";
export { ZERO } from "./value-table.ts";
