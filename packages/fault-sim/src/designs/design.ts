import type { Agent, Steps } from "../engine/agent.ts";
import type { SimVma, World } from "./world.ts";

/**
 * A locking design as step lists over simulated locks. Hooks bracket mapping changes as in mm's `Design`:
 * `writeLock … vmaStartWrite … writeUnlock`, or `writeDowngrade … readUnlock`.
 */
export interface SimDesign {
  readonly name: string;
  readonly title: string;
  /** Updates of the hottest shared line per fault, and whose line it is: the ceiling is 1 / (r x hand-over). */
  readonly updates: string;
  fault(world: World, agent: Agent, vma: SimVma, page: number): Steps;
  writeLock(world: World, agent: Agent): Steps;
  writeUnlock(world: World, agent: Agent): Steps;
  writeDowngrade(world: World, agent: Agent): Steps;
  readUnlock(world: World, agent: Agent): Steps;
  vmaStartWrite(world: World, agent: Agent, vma: SimVma): Steps;
}
