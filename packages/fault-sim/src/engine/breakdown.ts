/** What an agent is doing; its time is added up per state. The values index a breakdown. */
export const State = {
  work: 0,
  line: 1,
  spin: 2,
  sleep: 3,
  wakeup: 4,
  zero: 5,
  shootdown: 6,
  interrupt: 7,
  idle: 8,
} as const;
export type State = (typeof State)[keyof typeof State];

/** Names of the states, in the order of their values. */
export const STATE_NAMES = [
  "work",
  "line",
  "spin",
  "sleep",
  "wakeup",
  "zero",
  "shootdown",
  "interrupt",
  "idle",
] as const;
export type StateName = (typeof STATE_NAMES)[number];

/** Picoseconds per state. The sum is the agent's run time, exactly. */
export type Breakdown = Record<StateName, number>;

/** States in which a thread keeps its core's pipelines from the sibling hyper-thread. */
export function occupiesCore(state: State): boolean {
  return state !== State.sleep && state !== State.wakeup && state !== State.idle;
}

/** Turns the per-state array of an agent into a named breakdown. */
export function toBreakdown(picoseconds: Float64Array): Breakdown {
  const result = {} as Breakdown;
  STATE_NAMES.forEach((name, index) => {
    result[name] = picoseconds[index] ?? 0;
  });
  return result;
}

/** Sum over all states. */
export function sumOf(breakdown: Breakdown): number {
  return STATE_NAMES.reduce((sum, name) => sum + breakdown[name], 0);
}

/** Adds breakdowns state by state. */
export function addBreakdowns(list: readonly Breakdown[]): Breakdown {
  const total = toBreakdown(new Float64Array(STATE_NAMES.length));
  for (const one of list) for (const name of STATE_NAMES) total[name] += one[name];
  return total;
}

/** Throws unless every breakdown sums to `runTime` picoseconds exactly. */
export function assertBreakdowns(list: readonly Breakdown[], runTime: number): void {
  list.forEach((one, index) => {
    const sum = sumOf(one);
    if (sum !== runTime)
      throw new Error(`agent ${index}: breakdown sums to ${sum} ps, run time is ${runTime} ps`);
  });
}
