/** Primitive actions. Locks, RCU, trees and fault paths are made of nothing else. */
export const Op = {
  work: 1,
  read: 2,
  write: 3,
  rmw: 4,
  spin: 5,
  park: 6,
  unpark: 7,
  signal: 8,
  zero: 9,
  shootdown: 10,
  sleep: 11,
} as const;
export type Op = (typeof Op)[keyof typeof Op];
