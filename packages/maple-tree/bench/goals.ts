/* How good is good enough: the ratios of the plan, each against the best peer of the same run. */
import { C_LIBRARY } from "./c-tree.ts";
import type { Figure } from "./contest.ts";

/** A goal and how it went. */
export interface Verdict {
  readonly workload: string;
  readonly n: number;
  readonly mode: "local" | "shared";
  readonly beside: string;
  readonly goal: string;
  readonly measured: string;
  readonly met: boolean;
}

interface Goal {
  readonly workload: string;
  readonly n: number;
  /** At least this many times as fast as the best peer. */
  readonly local?: number;
  readonly shared?: number;
}

const GOALS: readonly Goal[] = [
  { workload: "W1 random insert", n: 1e5, local: 1.2, shared: 0.5 },
  { workload: "W1 append", n: 1e5, local: 1.5, shared: 0.5 },
  { workload: "W2 lookup", n: 1e3, local: 2 },
  { workload: "W2 lookup", n: 1e5, local: 4.5, shared: 3.5 },
  { workload: "W2 lookup", n: 1e6, local: 5 },
  { workload: "W3 iterate", n: 1e5, local: 2, shared: 1.5 },
  { workload: "W3 scan", n: 1e5, local: 2, shared: 1.5 },
  { workload: "W4 window of 100", n: 1e5, local: 5, shared: 4 },
  { workload: "W5 overwrite", n: 1e5, local: 3, shared: 1.5 },
  { workload: "W6 gap easy low", n: 1e5, local: 4, shared: 3 },
  { workload: "W6 gap easy high", n: 1e5, local: 4, shared: 3 },
  { workload: "W6 gap hard low", n: 1e5, local: 50, shared: 30 },
  { workload: "W6 gap hard high", n: 1e5, local: 50, shared: 30 },
  { workload: "W7 churn", n: 1e5, local: 2, shared: 1 },
];

/** Ours may take so many times as long as the kernel's tree in C. */
const C_RATIOS: Readonly<Record<string, number>> = {
  "W1 random insert": 2,
  "W2 lookup": 1,
  "W3 iterate": 1,
  "W5 overwrite": 2,
  "W7 churn": 2,
};

const BULK_NS = 60;
const BYTES = { local: 45, shared: 60 } as const;
const STATIC_RATIO = 1.1;
const TWO_READERS = 1.9;
const BESIDE_WRITER = 0.8;
const LMDB_RATIO = 10;
const GAP_GROWTH = 1.6;

/** Ranges among which a search for a gap is held against one among a million. */
export const FEW = 1e4;
/** That, as what a goal is beside. */
export const ITSELF_AT_FEW = "itself at 1e4";

type Mode = "local" | "shared";

/** What the workload is called for those who have one way to visit all. */
export function withoutScan(workload: string): string {
  return workload === "W3 scan" ? "W3 iterate" : workload;
}

/** All figures of a run, to be asked for. */
export class Figures {
  readonly all: readonly Figure[];

  constructor(all: readonly Figure[]) {
    this.all = all;
  }

  of(workload: string, n: number, library: string, mode: Mode): Figure | undefined {
    return this.all.find(
      (f) => f.workload === workload && f.n === n && f.entrant.library === library && f.entrant.mode === mode,
    );
  }

  ours(workload: string, n: number, mode: Mode): Figure | undefined {
    return this.of(workload, n, "faultline", mode);
  }

  /** The fastest library of npm's that shares nothing. */
  bestPeer(workload: string, n: number): Figure | undefined {
    const name = withoutScan(workload);
    const peers = this.all.filter(
      (f) => f.workload === name && f.n === n && f.entrant.role === "peer" && f.entrant.mode === "local",
    );
    return peers.toSorted((a, b) => a.nsPerOp - b.nsPerOp)[0];
  }
}

/** Every goal of which both sides were measured. */
export function verdicts(figures: Figures): Verdict[] {
  return [...ratios(figures), ...bounds(figures), ...scaling(figures), ...besideC(figures)];
}

function* ratios(figures: Figures): Generator<Verdict> {
  for (const goal of GOALS) {
    const { workload, n } = goal;
    const best = figures.bestPeer(workload, n);
    for (const mode of ["local", "shared"] as const) {
      const least = goal[mode];
      const ours = figures.ours(workload, n, mode);
      if (best === undefined || ours === undefined || least === undefined) continue;
      yield atLeast(ours, mode, best, least);
    }
  }
}

function atLeast(ours: Figure, mode: Mode, beside: Figure, least: number): Verdict {
  const ratio = beside.nsPerOp / ours.nsPerOp;
  return {
    workload: ours.workload,
    n: ours.n,
    mode,
    beside: beside.entrant.library,
    goal: `>= ${least} x`,
    measured: `${ratio.toFixed(2)} x`,
    met: ratio >= least,
  };
}

function* bounds(figures: Figures): Generator<Verdict> {
  const n = 1e5;
  const shared = figures.ours("W2 lookup", n, "shared");
  const lmdb = figures.of("W2 lookup", n, "lmdb", "shared");
  if (shared && lmdb) yield atLeast(shared, "shared", lmdb, LMDB_RATIO);
  const local = figures.ours("W2 lookup", n, "local");
  const still = figures.of("W2 lookup", n, "static binary search", "local");
  if (local && still) {
    yield atMost(
      "W2 lookup",
      n,
      "local",
      "static binary search",
      local.nsPerOp / still.nsPerOp,
      STATIC_RATIO,
      "x",
    );
  }
  const bulk = figures.ours("W1 bulk load", n, "local");
  if (bulk) yield atMost("W1 bulk load", n, "local", "", bulk.nsPerOp, BULK_NS, "ns");
  for (const mode of ["local", "shared"] as const) {
    const memory = figures.ours("W8 memory", 1e6, mode);
    if (memory?.bytesPerRange) {
      yield atMost("W8 memory", 1e6, mode, "", memory.bytesPerRange, BYTES[mode], "bytes per range");
    }
    yield* growth(figures, mode);
  }
}

/** What a second reader adds, and what a writer takes away. */
function* scaling(figures: Figures): Generator<Verdict> {
  const of = (name: string): Figure | undefined =>
    figures.all.find(({ workload }) => workload === `readers ${name}`);
  const one = of("1 worker");
  const two = of("2 workers");
  const beside = of("2 workers, bursts of writes");
  if (one === undefined || two === undefined || beside === undefined) return;
  for (const [faster, slower, least] of [
    [two, one, TWO_READERS],
    [beside, two, BESIDE_WRITER],
  ] as const) {
    yield { ...atLeast(faster, "shared", slower, least), beside: slower.workload };
  }
}

function* besideC(figures: Figures): Generator<Verdict> {
  for (const [workload, most] of Object.entries(C_RATIOS)) {
    for (const mode of ["local", "shared"] as const) {
      const ours = figures.ours(workload, 1e5, mode);
      const theirs = figures.of(workload, 1e5, C_LIBRARY, mode);
      if (ours === undefined || theirs === undefined) continue;
      yield atMost(workload, 1e5, mode, C_LIBRARY, ours.nsPerOp / theirs.nsPerOp, most, "x");
    }
  }
}

/** A search for a gap takes hardly longer among a million ranges than among ten thousand. */
function* growth(figures: Figures, mode: Mode): Generator<Verdict> {
  for (const workload of ["W6 gap easy low", "W6 gap easy high", "W6 gap hard low", "W6 gap hard high"]) {
    const few = figures.ours(workload, FEW, mode);
    const many = figures.ours(workload, 1e6, mode);
    if (few && many)
      yield atMost(workload, 1e6, mode, ITSELF_AT_FEW, many.nsPerOp / few.nsPerOp, GAP_GROWTH, "x");
  }
}

function atMost(
  workload: string,
  n: number,
  mode: Mode,
  beside: string,
  value: number,
  most: number,
  unit: string,
): Verdict {
  const measured = `${value.toFixed(unit === "x" ? 2 : 1)} ${unit}`;
  return { workload, n, mode, beside, goal: `<= ${most} ${unit}`, measured, met: value <= most };
}
