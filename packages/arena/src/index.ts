export { Arena, type ArenaHandle, type ArenaOptions, type ArenaStats, type CacheOptions } from "./arena.ts";
export { ArenaError, type ArenaErrorCode } from "./errors.ts";
export { SlabCache, type SlabStats } from "./slab.ts";
