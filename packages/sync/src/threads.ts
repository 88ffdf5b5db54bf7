export { currentAgentId, currentAgentName, nameCurrentAgent } from "./threads/current.ts";
export { type AgentDeath, type AgentState, ThreadRegistry } from "./threads/registry.ts";
export { type SpawnedAgent, spawnAgent, type WorkerLike } from "./threads/spawn.ts";
export {
  joinWebAgent,
  type SpawnedWebAgent,
  spawnWebAgent,
  type WebAgentOptions,
  type WebAgentSeat,
  type WebWorkerLike,
} from "./threads/web.ts";
