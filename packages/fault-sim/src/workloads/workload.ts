import type { Agent, Steps } from "../engine/agent.ts";
import type { World } from "../world/world.ts";

/** What the threads of the simulated process do, without end: the run is cut at its last picosecond. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  /** Called once per run; returns the program of thread `index` (0..threads-1). */
  prepare(world: World, threads: number): (agent: Agent, index: number) => Steps;
}
