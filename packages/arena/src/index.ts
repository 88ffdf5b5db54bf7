export {
  Arena,
  type ArenaHandle,
  type ArenaOptions,
  type ArenaStats,
  type CacheOptions,
  type Leak,
} from "./arena.ts";
export { ArenaError, type ArenaErrorCode } from "./errors.ts";
export type { FailureScope } from "./failure.ts";
export { SlabCache, type SlabStats } from "./slab.ts";
