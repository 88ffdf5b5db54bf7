/* Where the threads of the debugging tests find their locks and what these protect. */
export const DEBUG_LOCK = { spin: 0, mutex: 64, rwsem: 128 } as const;
export const COUNTERS = 256;
export const DEBUG_WORDS = 320;
