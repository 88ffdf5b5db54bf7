/* Why a goal is missed, by what the same run measured: what the best that could be had takes. */
import { C_LIBRARY } from "./c-tree.ts";
import type { Figure } from "./contest.ts";
import { BARE_LOOPS } from "./contestants.ts";
import { FEW, type Figures, ITSELF_AT_FEW, type Verdict } from "./goals.ts";

type Why = (figures: Figures, verdict: Verdict) => string | undefined;

/** The kernel's tree in C, on the same layout of ranges, and how it would have done. */
const inC =
  (because: string): Why =>
  (figures, { workload, n, mode }) =>
    beside(figures, "the kernel's tree in C", figures.of(workload, n, C_LIBRARY, mode), because);

/** Loops over the words of our tree, without its calls. */
const bare =
  (because: string): Why =>
  (figures, { workload, n }) => {
    const name = workload === "W3 scan" ? "W3 iterate" : workload;
    return beside(figures, "a loop over the tree's words", figures.of(name, n, BARE_LOOPS, "local"), because);
  };

/** Our own look-ups, a thousand in a call and a read section. */
const batched =
  (because: string): Why =>
  (figures, { n, mode }) =>
    beside(figures, "a look-up of a batch", figures.ours("W2 batched", n, mode), because, "W2 lookup");

/** How much longer the kernel's tree in C takes, where ours is held against itself among fewer ranges. */
function growthInC(figures: Figures, { workload, n, mode }: Verdict): string | undefined {
  const few = figures.of(workload, FEW, C_LIBRARY, mode);
  const many = figures.of(workload, n, C_LIBRARY, mode);
  if (few === undefined || many === undefined) return undefined;
  const ratio = (many.nsPerOp / few.nsPerOp).toFixed(2);
  return `the kernel's tree in C takes ${few.nsPerOp.toFixed(0)} and ${many.nsPerOp.toFixed(0)} ns, ${ratio} x: a tree of this size is in no cache`;
}

const REASONS: Readonly<Record<string, readonly Why[]>> = {
  "W1 random insert, local": [inC("it waits for memory most of the time")],
  "W1 random insert, shared": [inC("beside readers each store makes a new leaf, in C too")],
  "W1 append, local": [
    inC("a leaf is searched and a slot written, where avl links an object to the last one"),
  ],
  "W1 append, shared": [inC("beside readers each store makes a new leaf, in C too")],
  "W2 lookup, local": [bare("it checks no argument"), inC("the rest is memory")],
  "W2 lookup, shared": [
    batched("the exchange of a read section lets no look-up begin before the one before it has ended"),
    inC("its section is an exchange, too"),
  ],
  "W3 iterate, local": [bare("a cursor stores its place at each step"), inC("the rest is memory")],
  "W3 iterate, shared": [bare("a cursor stores its place at each step"), inC("the rest is memory")],
  "W3 scan, local": [bare("forEachRange() makes a call for each range, and looks whether it has written")],
  "W3 scan, shared": [bare("a scan copies ranges into arrays, from which they are read")],
  "W4 window of 100, local": [
    bare("a scan copies ranges into arrays, from which they are read"),
    inC("as for W3"),
  ],
  "W4 window of 100, shared": [
    bare("a scan copies ranges into arrays, from which they are read"),
    inC("as for W3"),
  ],
  "W6 gap easy low, local": [inC("the rest is the call")],
  "W6 gap easy low, shared": [inC("the rest is the call, and the lock")],
  "W6 gap easy high, local": [inC("the rest is the call")],
  "W6 gap easy high, shared": [inC("the rest is the call, and the lock")],
};

function beside(
  figures: Figures,
  who: string,
  figure: Figure | undefined,
  because: string,
  workload: string | undefined = figure?.workload,
): string | undefined {
  if (figure === undefined || workload === undefined) return undefined;
  const peer = figures.bestPeer(workload, figure.n);
  if (peer === undefined) return undefined;
  const ratio = (peer.nsPerOp / figure.nsPerOp).toFixed(2);
  return `${who} takes ${figure.nsPerOp.toFixed(1)} ns, which would be ${ratio} x: ${because}`;
}

/** A line for each goal that is missed and for which the run has measured why. */
export function notes(figures: Figures, verdicts: readonly Verdict[]): string[] {
  return verdicts
    .filter(({ met }) => !met)
    .flatMap((verdict) => {
      const grown = verdict.beside === ITSELF_AT_FEW;
      const reasons = grown ? [growthInC] : (REASONS[`${verdict.workload}, ${verdict.mode}`] ?? []);
      const known = reasons.map((why) => why(figures, verdict)).filter((text) => text !== undefined);
      if (known.length === 0 || verdict.beside === C_LIBRARY) return [];
      const { workload, mode, n, measured } = verdict;
      return [`- ${workload}, ${mode}, ${n.toLocaleString("en")} ranges (${measured}): ${known.join("; ")}.`];
    });
}
