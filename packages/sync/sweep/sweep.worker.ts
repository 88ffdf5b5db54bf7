/* A worker of the sweep: takes turns under the locks until it is terminated, or ends itself. See run.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { lightFuse } from "./fuse.ts";
import { kindsOf } from "./kinds.ts";
import type { Order } from "./run.ts";
import { Dice, Turns } from "./turns.ts";
import { HALT, kindWord, RESTING, registryOf, STOP, turnsWord } from "./words.ts";

const { buffer, id, lane, seed, choice, fuse } = workerData as Order;
const words = new Int32Array(buffer);
const registry = registryOf(words);
const dice = new Dice(seed);
registry.join(id);
const turns = kindsOf(choice).map((kind, index) => new Turns(words, index, kind, registry, dice));
parentPort?.postMessage("ready");

let turnsTaken = 0;
while (Atomics.load(words, STOP) === 0) {
  if (Atomics.load(words, HALT) === 1) {
    Atomics.store(words, kindWord(lane), RESTING);
    Atomics.wait(words, HALT, 1);
    continue;
  }
  if (turnsTaken++ === fuse?.unlitTurns) lightFuse(fuse.length, fuse.isAfter);
  const kind = dice.roll(turns.length);
  Atomics.store(words, kindWord(lane), kind);
  await turns[kind].turn();
  Atomics.add(words, turnsWord(lane), 1);
}
registry.leave();
