/* What the same run measured that bears on a goal which is missed: how fast the layout alone is, and the kernel's tree. */
import { C_LIBRARY } from "./c-tree.ts";
import type { Figure } from "./contest.ts";
import { BARE_LOOPS } from "./contestants.ts";
import { FEW, type Figures, ITSELF_AT_FEW, type Verdict, withoutScan } from "./goals.ts";

type Why = (figures: Figures, verdict: Verdict) => string | undefined;

/** The kernel's tree in C, with the same ranges. */
const inC: Why = (figures, { workload, n, mode }) =>
  beside(figures, "the kernel's tree in C", figures.of(withoutScan(workload), n, C_LIBRARY, mode));

/** Loops over the words of our tree, without its calls. */
const bare: Why = (figures, { workload, n }) =>
  beside(figures, "a loop over the tree's words", figures.of(withoutScan(workload), n, BARE_LOOPS, "local"));

/** Those beside the kernel's tree. */
const bareBesideC: Why = (figures, { workload, n, mode }) => {
  const [loops, kernel] = [
    figures.of(workload, n, BARE_LOOPS, "local"),
    figures.of(workload, n, C_LIBRARY, mode),
  ];
  if (loops === undefined || kernel === undefined) return undefined;
  return `a loop over the tree's words takes ${loops.nsPerOp.toFixed(1)} ns, the kernel's tree ${kernel.nsPerOp.toFixed(1)}`;
};

/** Our own look-ups, a thousand in a call and a read section. */
const batched: Why = (figures, { n, mode }) =>
  beside(figures, "one of a thousand in a read section", figures.ours("W2 batched", n, mode), "W2 lookup");

/** How much longer the kernel's tree in C takes, where ours is held against itself among fewer ranges. */
function growthInC(figures: Figures, { workload, n, mode }: Verdict): string | undefined {
  const few = figures.of(workload, FEW, C_LIBRARY, mode);
  const many = figures.of(workload, n, C_LIBRARY, mode);
  if (few === undefined || many === undefined) return undefined;
  const ratio = (many.nsPerOp / few.nsPerOp).toFixed(2);
  return `the kernel's tree in C takes ${few.nsPerOp.toFixed(0)} and ${many.nsPerOp.toFixed(0)} ns, ${ratio} x`;
}

function reasonsOf({ workload, mode, beside }: Verdict): readonly Why[] {
  if (beside === ITSELF_AT_FEW) return [growthInC];
  if (beside === C_LIBRARY) return [bareBesideC];
  if (workload === "W2 lookup" && mode === "shared") return [batched, inC];
  return [bare, inC];
}

function beside(
  figures: Figures,
  who: string,
  figure: Figure | undefined,
  workload: string | undefined = figure?.workload,
): string | undefined {
  if (figure === undefined || workload === undefined) return undefined;
  const peer = figures.bestPeer(workload, figure.n);
  if (peer === undefined) return undefined;
  const ratio = (peer.nsPerOp / figure.nsPerOp).toFixed(2);
  return `${who} takes ${figure.nsPerOp.toFixed(1)} ns, which would be ${ratio} x`;
}

/** A line for each goal that is missed and for which the run has measured why. */
export function notes(figures: Figures, verdicts: readonly Verdict[]): string[] {
  return verdicts
    .filter(({ met }) => !met)
    .flatMap((verdict) => {
      const known = reasonsOf(verdict)
        .map((why) => why(figures, verdict))
        .filter((text) => text !== undefined);
      if (known.length === 0) return [];
      const { workload, mode, n, measured, beside: rival } = verdict;
      return [
        `- ${workload}, ${mode}, beside ${rival}, ${n.toLocaleString("en")} ranges (${measured}): ${known.join("; ")}.`,
      ];
    });
}
