// One SharedMapleTree, written by a Web Worker, read by another and by the main thread at the same time.
import { Arena } from "@faultline/arena";
import { SharedMapleTree } from "@faultline/maple-tree";
import { equal, plant, startWorker, test, thrownBy, turns, until } from "./harness.mjs";
import { newWords, signal, Word } from "./shared.mjs";
import { BLOCK_SIZE, BLOCKS, createTree, Judge, TreeSignal } from "./tree-agents.mjs";

const ROUNDS = 20_000;
/** Reads of the main thread between two turns of its event loop. */
const BATCH = 500;

test("SharedMapleTree: a worker writes while another and the main thread read under RCU", async () => {
  const tree = createTree();
  const signals = new Int32Array(new SharedArrayBuffer(TreeSignal.WORDS * 4));
  const task = {
    handle: tree.handle(),
    signals,
    readers: 1,
    rounds: ROUNDS,
    isPlanted: plant === "free-early",
  };
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
  tree.arena.close();
});

test("SharedMapleTree: a worker finds a range empty that the main thread has erased", async () => {
  const tree = createTree();
  const signals = new Int32Array(new SharedArrayBuffer(TreeSignal.WORDS * 4));
  const reads = startWorker().call("readTree", { handle: tree.handle(), signals });
  await until(() => Atomics.load(signals, TreeSignal.Readers) === 1);
  equal(tree.erase(BLOCK_SIZE) !== 0, true, "an object was there");
  // The worker stops at the first index that is wrong, and every other index is right.
  const { wrong } = await reads;
  const expected = Array.from({ length: BLOCK_SIZE }, (_, at) => BLOCK_SIZE + at);
  const isExpected = (what) =>
    expected.some((index) => what.startsWith(`${index} is`) || what.startsWith(`${index}..`));
  equal(
    [wrong.length > 0, wrong.filter((what) => !isExpected(what))],
    [true, []],
    "what the worker found wrong",
  );
});

test("SharedMapleTree: a write on the main thread refuses to wait for a worker's, and reads go on", async () => {
  const tree = createTree();
  const words = newWords();
  const end = startWorker().call("holdTree", { handle: tree.handle(), words });
  await until(() => Atomics.load(words, Word.Held) === 1);
  const entry = tree.load(0);
  for (const write of [
    () => tree.storeRange(0, 9, 7),
    () => tree.erase(0),
    () => tree.findGap({ size: 1 }),
  ]) {
    equal((await thrownBy(write)).code, "EWOULDBLOCK");
  }
  equal([tree.load(0), tree.entryAt(0).last], [entry, BLOCK_SIZE - 1], "what is stored");
  signal(words, Word.Release);
  await end;
  tree.storeRange(0, 9, 7);
  equal([tree.load(0), tree.load(10)], [7, entry], "what is stored once the worker has let go");
  equal(tree.validate(), [], "violations");
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
