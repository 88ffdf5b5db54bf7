/* Who takes part, by name; each module is loaded in the process that runs it, and nowhere else. */
import type { Contestant } from "./range-map.ts";

/** Name and mode of a contestant, and how to load it. */
export interface Entrant {
  readonly library: string;
  readonly mode: "local" | "shared";
  /** A library of npm's, the best time of which ours is divided into, or what is shown beside. */
  readonly role: "ours" | "peer" | "bound";
  /** Takes part unless `--peers` says otherwise; the others are never the fastest, and play two rounds at most. */
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

/** Ours without its calls. */
export const BARE_LOOPS = "loops over our words";

/** All of them, ours first. */
export const ENTRANTS: readonly Entrant[] = [
  {
    library: "faultline",
    mode: "local",
    role: "ours",
    usual: true,
    load: async () => (await import("./contestants/faultline-local.ts")).contestantOf(),
  },
  {
    library: "faultline",
    mode: "shared",
    role: "ours",
    usual: true,
    load: async () => (await import("./contestants/faultline-shared.ts")).contestantOf(true),
  },
  {
    library: "faultline without WebAssembly",
    mode: "shared",
    role: "bound",
    usual: true,
    load: async () => (await import("./contestants/faultline-shared.ts")).contestantOf(false),
  },
  {
    library: BARE_LOOPS,
    mode: "local",
    role: "bound",
    usual: true,
    load: async () => (await import("./contestants/bare-loops.ts")).contestant,
  },
  {
    library: "faultline in the kernel's geometry",
    mode: "local",
    role: "bound",
    usual: false,
    load: async () => {
      const { KERNEL_GEOMETRY } = await import("@faultline/maple-tree");
      return (await import("./contestants/faultline-local.ts")).contestantOf(KERNEL_GEOMETRY);
    },
  },
  peer("sorted-btree", true, async () =>
    (await import("./contestants/sorted-btree.ts")).contestantOf(undefined),
  ),
  peer("sorted-btree 64", true, async () => (await import("./contestants/sorted-btree.ts")).contestantOf(64)),
  peer("avl", true, async () => (await import("./contestants/avl.ts")).contestant),
  peer("bintrees", false, async () => (await import("./contestants/bintrees.ts")).contestant),
  peer("js-sdsl", false, async () => (await import("./contestants/js-sdsl.ts")).contestant),
  peer(
    "functional-red-black-tree",
    false,
    async () => (await import("./contestants/functional-red-black-tree.ts")).contestant,
  ),
  peer(
    "@flatten-js/interval-tree",
    false,
    async () => (await import("./contestants/flatten-interval-tree.ts")).contestant,
  ),
  peer(
    "node-interval-tree",
    false,
    async () => (await import("./contestants/node-interval-tree.ts")).contestant,
  ),
  peer("rbush", false, async () => (await import("./contestants/rbush.ts")).contestant),
  {
    library: "sorted array",
    mode: "local",
    role: "bound",
    usual: true,
    load: async () => (await import("./contestants/sorted-array.ts")).contestant,
  },
  {
    library: "lmdb",
    mode: "shared",
    role: "peer",
    usual: true,
    load: async () => (await import("./contestants/lmdb.ts")).contestant,
  },
  {
    library: "static binary search",
    mode: "local",
    role: "bound",
    usual: true,
    load: async () => (await import("./contestants/static-array.ts")).contestant,
  },
];
