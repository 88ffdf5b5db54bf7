// One SharedMapleTree, written by a Web Worker, read by another and by the main thread at the same time.
import { Arena } from "@faultline/arena";
import { SharedMapleTree } from "@faultline/maple-tree";
import { equal, plant, startWorker, test, turns, until } from "./harness.mjs";
import { BLOCK_SIZE, BLOCKS, createTree, Judge, TreeSignal } from "./tree-agents.mjs";

const ROUNDS = 20_000;
/** Reads of the main thread between two turns of its event loop. */
const BATCH = 500;

test("SharedMapleTree: a worker writes while another and the main thread read under RCU", async () => {
  const tree = createTree();
  const signals = new Int32Array(new SharedArrayBuffer(TreeSignal.WORDS * 4));
  const task = { handle: tree.handle(), signals, readers: 1, rounds: ROUNDS, isPlanted: plant === "free-early" };
  const writes = startWorker().call("writeTree", task);
  const reads = startWorker().call("readTree", task);
  await until(() => Atomics.load(signals, TreeSignal.Readers) === 1);
  const judge = new Judge(tree);
  while (Atomics.load(signals, TreeSignal.Done) === 0 && judge.wrong.length === 0) {
    for (let read = 0; read < BATCH; read++) judge.readOnce();
    await turns(1);
  }
  equal(judge.result.wrong, [], "what the main thread found wrong");
  const { reads: workerReads, wrong } = await reads;
  equal(wrong, [], "what the worker found wrong");
  equal([workerReads > 0, judge.result.reads > 0], [true, true], "both have read");
  equal(await writes, ROUNDS, "rounds written");
  equal(tree.validate(), [], "violations");
  await tree.arena.rcu.synchronizeAsync();
  const { caches } = tree.arena.stats();
  equal(caches.length > 0, true, "the arena's caches are seen from here");
});

test("SharedMapleTree: what the main thread writes a worker finds, and the other way round", async () => {
  const tree = createTree();
  const signals = new Int32Array(new SharedArrayBuffer(TreeSignal.WORDS * 4));
  equal(tree.erase(BLOCK_SIZE) !== 0, true, "the second block erased");
  Atomics.store(signals, TreeSignal.Done, 0);
  const { wrong } = await startWorker().call("readTree", { handle: tree.handle(), signals });
  equal(wrong.length > 0 && wrong.every((what) => what.includes("is empty")), true, JSON.stringify(wrong));
});

test("SharedMapleTree: a clone of its handle opens the same tree on the same thread", async () => {
  const tree = createTree();
  const opened = SharedMapleTree.open(structuredClone(tree.handle()));
  equal(opened.arena instanceof Arena, true, "class of the arena");
  equal(opened.findGap({ size: 1, min: 0 }), BLOCKS * BLOCK_SIZE, "first gap");
  opened.storeRange(2000, 2009, 7);
  equal(tree.load(2005), 7, "what the other instance stored");
  opened.arena.close();
  tree.arena.close();
});
