export { CodedMapleTree, type EntryTree, enumCodec, type ValueCodec } from "./coded-tree.ts";
export type { LockMode, TreeOptions } from "./core.ts";
export { Errno, MapleCursor } from "./cursor/cursor.ts";
export { LocalCursor } from "./cursor/local-cursor.ts";
export type { CursorStatus, Position } from "./cursor/place.ts";
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
export type { DumpOptions } from "./inspect/dump.ts";
export type { NodeStructure, SlotStructure, TreeStructure } from "./inspect/structure.ts";
export type { Violation } from "./inspect/validate.ts";
export { MapleTree, type MapleTreeOptions, type ValueVisitor } from "./local-tree.ts";
export type { CyclicAllocation, CyclicRequest, GapRequest } from "./search/allocate.ts";
export { RangeScan } from "./search/range-scan.ts";
export type { IndexRange, Range } from "./search/ranges.ts";
export type { EntryVisitor } from "./search/scan.ts";
export { SharedMapleTree, type SharedMapleTreeHandle } from "./shared-tree.ts";
export { MapleSnapshot } from "./snapshot.ts";
export type { TreeJSON } from "./tree-json.ts";
export type { StoredRange, ValueRange } from "./values/value-range.ts";
export { ValueScan } from "./values/value-scan.ts";
export { ZERO } from "./values/value-table.ts";
export type { Reservation } from "./write/reservation.ts";
