/* Checks that words can be those of an RCU domain, in a state that its protocol can produce. */
import type { Agent } from "./agent.ts";
import { AGENTS_HIGH, AGENTS_MAX, AWAITED, CLAIMED, DEPTH, IDLE, STATE, slotWord } from "./layout.ts";

/** Throws an `Error` naming the word and its value. */
export function validateDomain(words: Int32Array, base: number, own: Agent): void {
  const agentsMax = Atomics.load(words, base + AGENTS_MAX);
  const high = Atomics.load(words, base + AGENTS_HIGH);
  if (high < 0 || high > agentsMax) {
    throw new Error(`RcuDomain: AGENTS_HIGH at word ${base + AGENTS_HIGH} is ${high}, above ${agentsMax}`);
  }
  for (let index = 0; index < agentsMax; index++) validateSlot(words, slotWord(base, index), index, high);
  if (own.slot !== 0) validateOwn(words, own);
}

function validateSlot(words: Int32Array, slot: number, index: number, high: number): void {
  const state = Atomics.load(words, slot + STATE);
  const isState = state === IDLE || state === AWAITED || (state & 1) === 1;
  if (!isState) throw new Error(`RcuDomain: STATE of agent ${index} at word ${slot} is ${state}`);
  if (state !== IDLE && (Atomics.load(words, slot + CLAIMED) === 0 || index >= high)) {
    throw new Error(`RcuDomain: agent ${index} reads (STATE ${state}) in a slot nobody has claimed`);
  }
}

function validateOwn(words: Int32Array, own: Agent): void {
  const isAnnounced = Atomics.load(words, own.slot + STATE) !== IDLE;
  const depth = words[own.slot + DEPTH];
  const isReading = own.flavour === "qsbr" ? own.depth >= 0 : depth > 0;
  if (isReading === isAnnounced && (own.flavour === "mb" || depth <= 0)) return;
  const state = Atomics.load(words, own.slot + STATE);
  throw new Error(`RcuDomain: own DEPTH is ${own.flavour === "mb" ? depth : own.depth}, STATE is ${state}`);
}
