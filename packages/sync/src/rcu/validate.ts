/* Checks that words can be those of an RCU domain, in a state that its protocol can produce. */
import { type Agent, DEPTH_MB_READING } from "./agent.ts";
import {
  AGENTS_HIGH,
  AGENTS_MAX,
  AWAITED,
  CLAIMED,
  isReading,
  OVERTAKEN,
  STATE,
  slotWord,
} from "./layout.ts";

/** Throws an `Error` naming the word and its value. */
export function validateDomain(words: Int32Array, base: number, own: Agent): void {
  const agentsMax = Atomics.load(words, base + AGENTS_MAX);
  const high = Atomics.load(words, base + AGENTS_HIGH);
  if (high < 0 || high > agentsMax) {
    throw new Error(`RcuDomain: AGENTS_HIGH at word ${base + AGENTS_HIGH} is ${high}, above ${agentsMax}`);
  }
  for (let index = 0; index < agentsMax; index++) throwIfStays(() => checkSlot(words, base, index));
  if (own.slot !== 0) validateOwn(words, own);
}

/** How often words of another agent are looked at before they count as broken. */
const LOOKS = 100;

/**
 * Throws what `look` complains about, if it does so again and again. Slots change between two loads: their agents
 * give them back and claim them, and enter sections. What is really broken stays so.
 */
export function throwIfStays(look: () => string | undefined): void {
  let complaint = look();
  for (let again = 1; again < LOOKS && complaint !== undefined; again++) complaint = look();
  if (complaint !== undefined) throw new Error(complaint);
}

function checkSlot(words: Int32Array, base: number, index: number): string | undefined {
  const slot = slotWord(base, index);
  const state = Atomics.load(words, slot + STATE);
  const isState = !isReading(state) || state === AWAITED || state === OVERTAKEN || (state & 1) === 1;
  if (!isState) return `RcuDomain: STATE of agent ${index} at word ${slot} is ${state}`;
  const isFree =
    Atomics.load(words, slot + CLAIMED) === 0 || index >= Atomics.load(words, base + AGENTS_HIGH);
  if (!isReading(state) || !isFree) return undefined;
  return `RcuDomain: agent ${index} reads (STATE ${state}) in a slot nobody has claimed`;
}

function validateOwn(words: Int32Array, own: Agent): void {
  const state = Atomics.load(words, own.slot + STATE);
  // Of a qsbr agent the long section counts, which may contain no real one.
  const isOpen = own.depth >= 0 || own.depth <= DEPTH_MB_READING;
  if (isOpen !== isReading(state)) throw new Error(`RcuDomain: own depth is ${own.depth}, STATE is ${state}`);
}
