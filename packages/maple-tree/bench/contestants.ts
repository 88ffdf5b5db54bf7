/* Who takes part, by name; each module is loaded in the process that runs it, and nowhere else. */
import type { Contestant } from "./range-map.ts";

/** Name and mode of a contestant, and how to load it. */
export interface Entrant {
  readonly library: string;
  readonly mode: "local" | "shared";
  /** A peer whose best time ours is divided into, or what is shown beside. */
  readonly role: "ours" | "peer" | "bound";
  /** Takes part unless `--peers` says otherwise. */
  readonly usual: boolean;
  load(): Promise<Contestant>;
}

const peer = (library: string, usual: boolean, load: () => Promise<Contestant>): Entrant => ({
  library,
  mode: "local",
  role: "peer",
  usual,
  load,
});

/** All of them, ours first. */
export const ENTRANTS: readonly Entrant[] = [
  {
    library: "faultline",
    mode: "local",
    role: "ours",
    usual: true,
    load: async () => (await import("./contestants/faultline-local.ts")).contestant,
  },
  {
    library: "faultline",
    mode: "shared",
    role: "ours",
    usual: true,
    load: async () => (await import("./contestants/faultline-shared.ts")).contestant,
  },
  peer("sorted-btree", true, async () =>
    (await import("./contestants/sorted-btree.ts")).contestantOf(undefined),
  ),
  peer("sorted-btree 64", true, async () => (await import("./contestants/sorted-btree.ts")).contestantOf(64)),
  {
    library: "static binary search",
    mode: "local",
    role: "bound",
    usual: true,
    load: async () => (await import("./contestants/static-array.ts")).contestant,
  },
];
