// The mistakes that the protocol of the tree's readers and writers exists to avoid.
import { layout } from "@faultline/maple-tree/testing";
import { isParent, isSlot, type Loads, type Reading, type Sabotage, throughLoads } from "./maple-threads.ts";

/** Points at what is not there yet. */
export const publishesFirst: Sabotage = ({ core }, { published }) => {
  if (published === undefined) throw new Error("publishesFirst: the write publishes no node");
  const { node, slot, to } = published;
  let isReserved = false;
  const reserve = core.reserve.bind(core);
  core.reserve = (nodes) => {
    reserve(nodes);
    isReserved = true;
    core.publish(node, slot, to);
  };
  // A store into one slot reserves nothing, and may get another node than one that has.
  const newNode = core.newNode.bind(core);
  core.newNode = () => {
    const built = newNode();
    if (!isReserved) core.publish(node, slot, built | (to & layout.TAG_MASK));
    return built;
  };
};

/** Kills what is still the tree: readers restart, and find it again. */
export const killsFirst: Sabotage = ({ core }) => {
  const publish = core.publish.bind(core);
  core.publish = (node, slot, to) => {
    const old = core.i32[node === 0 ? core.header + layout.ROOT : node + layout.SLOTS + slot]!;
    if (old > 0) core.markDead(old & layout.NODE_MASK);
    publish(node, slot, to);
  };
};

/** Publishes with a store that orders nothing. */
export const publishesPlainly: Sabotage = ({ core }) => {
  core.publish = (node, slot, to) => {
    core.i32[node === 0 ? core.header + layout.ROOT : node + layout.SLOTS + slot] = to;
  };
};

/** Makes room, and then stores. */
export const erasesFirst: Sabotage = (tree) => {
  const store = tree.storeRange.bind(tree);
  tree.storeRange = (first, last, entry) => {
    const before = store(first, last, 0);
    store(first, last, entry);
    return before;
  };
};

/** Stores over the lower indices, and then over the upper ones. */
export const storesByHalves: Sabotage = (tree) => {
  const store = tree.storeRange.bind(tree);
  tree.storeRange = (first, last, entry) => {
    const middle = Math.floor((first + last) / 2);
    store(middle + 1, last, entry);
    return store(first, middle, entry);
  };
};

/** Stores the low half of an entry before the high one. */
export const publishesHalves: Sabotage = ({ core }) => {
  const publish = core.publish.bind(core);
  core.publish = (node, slot, to) => {
    publish(node, slot, to & ~3);
    publish(node, slot, to);
  };
};

/** Needs no lock. */
export const takesNoLock: Sabotage = ({ core }) => {
  core.locked = (fn) => fn();
};

/** Takes the tree for one without readers. */
export const writesInPlace: Sabotage = ({ core }) => {
  core.rcu = false;
};

/** Reads without a read section. */
export const readsOutside: Sabotage = ({ core }) => {
  core.readBegin = (): void => {};
  core.readEnd = (): void => {};
};

/** Takes every node for alive. */
export const neverTests: Loads = (load, view, word) => (isParent(word) ? 0 : load(view, word));

let tested = 0;
/** Tests a node before it loads the slot. */
export const testsFirst: Loads = (load, view, word) => {
  if (isParent(word)) return tested;
  if (isSlot(word)) tested = load(view, word - (word % layout.NODE_ALIGN) + layout.PARENT);
  return load(view, word);
};

/** The reading by a cursor that takes the tree for one which nobody has written to. */
export const withoutVersion =
  (reading: Reading): Reading =>
  (tree, ...given) =>
    throughLoads(
      (load, view, word) => (word === tree.root + layout.VERSION ? 2 : load(view, word)),
      () => reading(tree, ...given),
    );
