/* A thread that dies: it reads and takes robust locks until its end comes, from outside or from itself. */
import { parentPort, workerData } from "node:worker_threads";
import { RcuDomain, ThreadRegistry } from "../src/index.ts";
import { Actor, type Report } from "./actor.ts";
import type { MortalOrder } from "./mortals.ts";
import { enter, openDomain } from "./rcu.ts";
import { attachRobust, robustTurn } from "./robust.ts";
import { DOMAIN_KINDS, elementWord, placeOf, REGISTRY } from "./words.ts";

const { buffer, id, index, seed, end, turns } = workerData as MortalOrder;
const words = new Int32Array(buffer);
const registry = new ThreadRegistry(words, REGISTRY);
registry.join(id);
const actor = new Actor(words, index, seed);
const robust = attachRobust(words, registry, () => actor.count("repairs after a death"));
const domains = DOMAIN_KINDS.map((kind) => ({ place: placeOf(kind), rcu: openDomain(words, kind, index) }));

function read(): void {
  const { place, rcu } = domains[actor.roll(domains.length)];
  const leave = enter(rcu);
  const word = elementWord(place, Atomics.load(words, place.current));
  const generation = Atomics.load(words, word);
  actor.hold();
  const isSame = Atomics.load(words, word) === generation && generation % 2 === 0;
  actor.expect(isSame, "a mortal reader saw an element go");
  leave();
  if (actor.oneIn(8)) rcu.poll(rcu.cookie());
  if (actor.oneIn(16)) rcu.synchronize();
  else if (rcu instanceof RcuDomain && actor.oneIn(4)) rcu.quiescentState();
}

for (let turn = 0; end === "terminate" || turn < turns; turn++) {
  if (actor.oneIn(2)) read();
  else robustTurn(actor, robust);
}
if (end === "leave") {
  for (const { rcu } of domains) rcu.close();
  registry.leave();
  parentPort?.postMessage({ seen: actor.seen, faults: actor.faults } satisfies Report);
} else {
  for (const { rcu } of domains) enter(rcu);
  robust.mutex.lock();
  if (end === "throw") throw new Error("a mortal ends");
  process.exit(1);
}
