export { DESIGNS, designByName, type SimDesign } from "./designs/index.ts";
export { Agent, type Steps } from "./engine/agent.ts";
export {
  addBreakdowns,
  assertBreakdowns,
  type Breakdown,
  STATE_NAMES,
  State,
  type StateName,
  sumOf,
} from "./engine/breakdown.ts";
export { Engine, type EngineOptions } from "./engine/engine.ts";
export { Histogram, type LatencySummary } from "./engine/histogram.ts";
export { CacheLine } from "./engine/line.ts";
export { Op } from "./engine/op.ts";
export { EventQueue } from "./engine/queue.ts";
export { RandomStream } from "./engine/random.ts";
export { SimError, type SimErrorCode } from "./errors.ts";
export { type LockReport, LockStats } from "./locks/lock-stats.ts";
export { Rcu, type RcuReport } from "./locks/rcu.ts";
export { Rwsem, type RwsemGeneration } from "./locks/rwsem.ts";
export { Spinlock } from "./locks/spinlock.ts";
export { VmaLock } from "./locks/vma-lock.ts";
export { MACHINES, machineByName } from "./machine/presets.ts";
export { type Cpu, Machine, type MachineSpec, type Placement } from "./machine/topology.ts";
export { type Difference, firstDifference, formatDifference } from "./replay/compare.ts";
export { replayWorkload, touchShare } from "./replay/cost.ts";
export { RecordingError } from "./replay/errors.ts";
export { FlatSpace, flatSpaces } from "./replay/flat-space.ts";
export { MmSpace, mmSpaces } from "./replay/mm-space.ts";
export {
  type Piece,
  type ProcessMaps,
  type RecordedMaps,
  type Recording,
  readRecording,
} from "./replay/recording.ts";
export { type Activity, type ReplayResult, replay } from "./replay/replay.ts";
export type { NewMapping, ReplaySpace, SpaceFactory } from "./replay/space.ts";
export {
  type CallRecord,
  formatCall,
  type ParsedStrace,
  parseStrace,
  type StraceRecord,
} from "./replay/strace-parser.ts";
export { svgChart } from "./report/svg-chart.ts";
export { locksTable, resultsTable } from "./report/table.ts";
export { type Series, textChart } from "./report/text-chart.ts";
export { type RunOptions, type RunResult, runOnce, sweep } from "./run.ts";
export { WORKLOADS, workloadByName } from "./workloads/index.ts";
export { pageFault1 } from "./workloads/page-fault1.ts";
export { pft } from "./workloads/pft.ts";
export type { Workload } from "./workloads/workload.ts";
export { COSTS } from "./world/costs.ts";
export { type ProcessOptions, SimProcess } from "./world/process.ts";
export { SimCore } from "./world/sim-core.ts";
export { World } from "./world/world.ts";
