/*
 * The maple tree's readers, which take no lock, against every type of write: what they may see is the table at
 * the top of maple-threads.ts.
 *
 * The writer also reclaims: a node whose grace period is over is poisoned. Indices are chosen so that one is in
 * the range written and changes, and one at its other end or behind it. Stores into one slot, in scenes whose names begin
 * with "in", take a short way of their own (quick-store.ts). In RCU mode append and slot_store do not happen (they
 * are node_stores there), so they are checked in a tree whose readers take the lock.
 */
import type { Model } from "@faultline/interleave";
import { removeGracePeriod } from "@faultline/maple-tree/testing";
import { GAP_SCENES, PLAIN_SCENES, SCENES, type Scene } from "./maple-scenes.ts";
import {
  contents,
  cursor,
  gapSearch,
  inOneSection,
  iterator,
  lockedLookups,
  lockingReader,
  lookups,
  type MapleThread,
  type Reading,
  reader,
  type Sabotage,
  watchedLookups,
  writer,
} from "./maple-threads.ts";
import * as twins from "./maple-twins.ts";
import type { ModelPair, Twin } from "./support.ts";
import { sharedCopy } from "./unseen.ts";

const model = (scene: Scene, ...threads: readonly MapleThread[]): Model<Int32Array> => ({
  setup: () => sharedCopy(scene.words),
  threads,
  after: (words) => contents(scene, words),
});

/** A reader against the scene's writer, and what is wrong with either. */
function against(
  scene: Scene,
  reading: Reading,
  { writes, reads }: { writes?: Sabotage; reads?: Sabotage } = {},
): Model<Int32Array> {
  return model(scene, reader(scene, reading, reads), writer(scene, writes));
}

const RACE = /nothing that orders them/;
/** The race or its consequence, whichever comes first: a reader among words that are no node goes anywhere. */
const WILD = /nothing that orders them|neither old nor new|RangeError|spun on|no end|not an allocated object/;

type SceneName = keyof typeof SCENES;
/** Those that replace nodes. */
const REPLACING = [
  "rootLeaf",
  "leaf",
  "inRootLeaf",
  "inLeaf",
  "rebalanced",
  "split",
  "spanning",
  "everything",
  "cleared",
] as const;

/** The two indices that the readers of a scene look up: in the range, and at its end. */
const INDICES: Readonly<Record<SceneName, readonly [number, number]>> = {
  firstEntry: [0, 1],
  firstLeaf: [10, 0],
  rootLeaf: [15, 24],
  border: [20, 25],
  leaf: [5, 14],
  inRootLeaf: [12, 16],
  inLeaf: [12, 16],
  replaced: [10, 19],
  erased: [10, 19],
  rebalanced: [39, 40],
  split: [15, 40],
  spanning: [15, 74],
  everything: [0, 200],
  cleared: [0, 89],
};

/** What is wrong with a writer that replaces no node. */
const NOTHING_REPLACED: Partial<Record<SceneName, Sabotage>> = {
  firstEntry: twins.publishesHalves,
  firstLeaf: twins.publishesFirst,
  replaced: twins.erasesFirst,
  erased: twins.storesByHalves,
};

const isReplacing = (name: SceneName): boolean => REPLACING.some((one) => one === name);

function lookUp(name: SceneName): ModelPair {
  const scene = SCENES[name];
  const alone = lookups(INDICES[name][0]);
  const reading = inOneSection(lookups(...INDICES[name], INDICES[name][0]));
  const others: Twin[] = [
    {
      mistake: "publishes with a plain store",
      broken: against(scene, reading, { writes: twins.publishesPlainly }),
      finds: RACE,
    },
    {
      mistake: "publishes before it has built",
      broken: against(scene, reading, { writes: twins.publishesFirst }),
      finds: WILD,
    },
    {
      mistake: "reads outside a read section",
      broken: against(scene, alone, { reads: twins.readsOutside }),
      finds: WILD,
    },
    {
      mistake: "writes in place beside readers",
      broken: against(scene, reading, { writes: twins.writesInPlace }),
      finds: WILD,
    },
  ];
  return {
    name: `maple tree, look-ups beside a ${scene.options.type} (${name})`,
    sound: against(scene, reading),
    broken: against(scene, reading, { writes: NOTHING_REPLACED[name] ?? removeGracePeriod }),
    finds: WILD,
    others: isReplacing(name) ? others : [],
  };
}

function watched(name: (typeof REPLACING)[number]): ModelPair {
  const scene = SCENES[name];
  const indices = INDICES[name];
  const finds = /loaded when the store had returned/;
  return {
    name: `maple tree, nothing old is loaded after a ${scene.options.type} (${name})`,
    sound: against(scene, inOneSection(watchedLookups(indices))),
    broken: against(scene, inOneSection(watchedLookups(indices, twins.neverTests))),
    finds,
    others: [
      {
        mistake: "tests for death before the load",
        broken: against(scene, inOneSection(watchedLookups(indices, twins.testsFirst))),
        finds,
      },
    ],
  };
}

function killed(name: (typeof REPLACING)[number]): ModelPair {
  const scene = SCENES[name];
  const reading = lookups(INDICES[name][0]);
  return {
    name: `maple tree, a writer that dies in a ${scene.options.type} (${name}) stops no reader`,
    sound: against(scene, reading),
    broken: against(scene, reading, { writes: twins.killsFirst }),
    finds: /nobody writes what is spun on/,
    options: { kills: 1, killable: [1] },
    isLong: name !== "rootLeaf" && name !== "inRootLeaf",
  };
}

function iterate(name: SceneName): ModelPair {
  const scene = SCENES[name];
  const broken = isReplacing(name) ? removeGracePeriod : (NOTHING_REPLACED[name] ?? removeGracePeriod);
  return {
    name: `maple tree, an iteration beside a ${scene.options.type} (${name})`,
    sound: against(scene, inOneSection(iterator)),
    broken: against(scene, inOneSection(iterator), { writes: broken }),
    finds: WILD,
  };
}

type Sections = "one section" | "many sections";

function step(name: SceneName, sections: Sections, from: number, to: number): ModelPair {
  const scene = SCENES[name];
  const isOne = sections === "one section";
  const reading = isOne ? inOneSection(cursor(from, to)) : cursor(from, to);
  return {
    name: `maple tree, a cursor in ${sections} beside a ${scene.options.type} (${name})`,
    sound: against(scene, reading),
    broken: isOne
      ? against(scene, reading, { writes: removeGracePeriod })
      : against(scene, twins.withoutVersion(reading)),
    finds: WILD,
    isLong: !isOne && name !== "rootLeaf" && name !== "inLeaf",
  };
}

/** Look-ups each in a section of its own: one may begin in any state of the writer's grace period. */
function sections(name: (typeof REPLACING)[number]): ModelPair {
  const scene = SCENES[name];
  const reading = lookups(...INDICES[name]);
  return {
    name: `maple tree, look-ups in sections of their own beside a ${scene.options.type} (${name})`,
    sound: against(scene, reading),
    broken: against(scene, reading, { reads: twins.readsOutside }),
    finds: WILD,
    isLong: name !== "rootLeaf",
  };
}

function gap(name: keyof typeof GAP_SCENES, end: "lowest" | "highest" = "lowest"): ModelPair {
  const scene = GAP_SCENES[name];
  const search = (sabotage?: Sabotage): Model<Int32Array> =>
    model(scene, lockingReader(scene, gapSearch(end, 10, 199), sabotage), writer(scene));
  return {
    name: `maple tree, a search of the ${end} gap beside a ${scene.options.type} (${name})`,
    sound: search(),
    broken: search(twins.takesNoLock),
    finds: WILD,
  };
}

function plain(name: keyof typeof PLAIN_SCENES, ...indices: readonly number[]): ModelPair {
  const scene = PLAIN_SCENES[name];
  const locked = (sabotage?: Sabotage): Model<Int32Array> =>
    model(scene, lockingReader(scene, lockedLookups(...indices), sabotage), writer(scene));
  return {
    name: `maple tree without RCU, readers under the lock beside ${scene.options.type}`,
    sound: locked(),
    broken: locked(twins.takesNoLock),
    finds: RACE,
  };
}

/** Two readers, whom the write's grace period has both to wait for. */
function twoReaders(name: (typeof REPLACING)[number]): ModelPair {
  const scene = SCENES[name];
  const [low, high] = INDICES[name];
  const both = (writes?: Sabotage): Model<Int32Array> =>
    model(
      scene,
      reader(scene, lookups(low)),
      writer(scene, writes),
      reader(scene, inOneSection(lookups(high, low)), undefined, 1),
    );
  return {
    name: `maple tree, two readers beside a ${scene.options.type} (${name})`,
    sound: both(),
    broken: both(removeGracePeriod),
    finds: WILD,
  };
}

/** What the first write replaces is built into the tree again by the second. */
function reuse(name: (typeof REPLACING)[number]): ModelPair {
  const scene = SCENES[name];
  const twice = (writes?: Sabotage): Model<Int32Array> => ({
    ...model(
      scene,
      reader(scene, inOneSection(lookups(...INDICES[name]))),
      writer(scene, writes, [[500, 509, 9]]),
    ),
    after: () => {},
  });
  return {
    name: `maple tree, nodes of a ${scene.options.type} (${name}) reused by the next write`,
    sound: twice(),
    broken: twice(removeGracePeriod),
    finds: WILD,
  };
}

/**
 * What is read plainly, pivots and types, never changes once it can be found, so no read of it may return
 * anything older. There is no reduction in this mode, hence the bounds.
 */
function stale(name: (typeof REPLACING)[number]): ModelPair {
  const scene = SCENES[name];
  const reading = lookups(INDICES[name][0]);
  return {
    name: `maple tree, stale values beside a ${scene.options.type} (${name})`,
    sound: against(scene, reading),
    broken: against(scene, reading, { writes: twins.publishesPlainly }),
    finds: /neither old nor new|RangeError|no end|spun on/,
    options: { stale: true },
    limits: { bound: 1, full: 1 },
    isLong: name !== "rootLeaf",
  };
}

export const pairs: readonly ModelPair[] = [
  ...(Object.keys(SCENES) as SceneName[]).map(lookUp),
  ...REPLACING.map(watched),
  ...REPLACING.map(killed),
  ...(Object.keys(SCENES) as SceneName[]).map(iterate),
  twoReaders("rootLeaf"),
  ...REPLACING.map(reuse),
  // Clearing builds no node, so there is none of which a plain publication could show an older half.
  ...REPLACING.filter((name) => name !== "cleared").map(stale),
  ...REPLACING.map(sections),
  step("rootLeaf", "one section", 10, 20),
  step("split", "one section", 10, 16),
  step("rebalanced", "one section", 39, 40),
  step("rootLeaf", "many sections", 15, 24),
  step("inLeaf", "many sections", 10, 12),
  step("split", "many sections", 10, 12),
  step("rebalanced", "many sections", 39, 40),
  ...(Object.keys(GAP_SCENES) as (keyof typeof GAP_SCENES)[]).map((name) => gap(name)),
  plain("append", 15, 45),
  plain("slot", 15, 25),
  plain("leaf", 12, 35),
];
