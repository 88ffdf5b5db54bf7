/* Where the actors of a test find their locks and their orders. */
export const LOCK = { spin: 0, mutex: 64, rwsem: 128 } as const;
export const COMMAND = 256;
export const STATUS = 320;
export const ACTOR_WORDS = 512;

export const Command = {
  spinLock: 1,
  spinUnlock: 2,
  mutexLock: 3,
  mutexUnlock: 4,
  downRead: 5,
  upRead: 6,
  downWrite: 7,
  upWrite: 8,
  downgradeWrite: 9,
  spinLockTimed: 10,
  mutexLockTimed: 11,
  downReadTimed: 12,
  downWriteTimed: 13,
} as const;
export type Command = (typeof Command)[keyof typeof Command];

export const Status = { Idle: 0, Busy: 1, Holding: 2, TimedOut: 3 } as const;
export type Status = (typeof Status)[keyof typeof Status];
