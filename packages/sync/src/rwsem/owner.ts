/*
 * Who held the lock last, and whether it is worth a spin.
 *
 *   bit 0        READER_OWNED   that was a reader
 *   bit 1        NONSPINNABLE   a writer has spun on the present readers for long enough: queue at once
 *   bits 2-31    agent          its id in the thread registry, 0 if it has joined none
 *
 * Written by those who had to wait, not by the fast paths. Measured (Node 24, uncontended downWrite + upWrite
 * beside a bare compareExchange + store): 1.12 times without an owner, 1.59 with one more Atomics.store, and
 * the goal is 1.3. A plain store would cost 1.19, but would race with the spinner's load. So a lock that
 * nobody fights for names nobody, and OWNER is a hint: who the lock belongs to now is read off COUNT only.
 *
 * NONSPINNABLE is about one phase of readers. The last of them clears it if somebody waits, a writer that
 * waited overwrites it, and a spinner that finds a writer inside knows that the readers are gone.
 */
import { currentAgentId } from "../threads/current.ts";
import type { RwSemState } from "./state.ts";

const READER_OWNED = 1 << 0;
const NONSPINNABLE = 1 << 1;
const AGENT_SHIFT = 2;

/** A holder that OWNER names. */
export interface RwSemOwner {
  /** Its id in the thread registry. */
  readonly agent: number;
  readonly mode: "read" | "write";
}

/** Records this thread as a writer. Source: rwsem_set_owner(). */
export function setWriteOwner({ words, owner }: RwSemState): void {
  Atomics.store(words, owner, currentAgentId() << AGENT_SHIFT);
}

/** Records this thread as one of the readers. Source: rwsem_set_reader_owned(). */
export function setReadOwner({ words, owner }: RwSemState): void {
  const flags = (Atomics.load(words, owner) & NONSPINNABLE) | READER_OWNED;
  Atomics.store(words, owner, (currentAgentId() << AGENT_SHIFT) | flags);
}

/** May a writer spin on the readers inside? */
export function isSpinnable({ words, owner }: RwSemState): boolean {
  return (Atomics.load(words, owner) & NONSPINNABLE) === 0;
}

/** Nobody spins on the readers inside any more. Source: rwsem_set_nonspinnable(). */
export function setNonspinnable({ words, owner }: RwSemState): void {
  Atomics.or(words, owner, NONSPINNABLE | READER_OWNED);
}

/** The readers are gone. Source: clear_nonspinnable(). */
export function clearNonspinnable(state: RwSemState): void {
  if (!isSpinnable(state)) Atomics.and(state.words, state.owner, ~NONSPINNABLE);
}

/** The last recorded holder, `undefined` if none is. */
export function ownerOf({ words, owner }: RwSemState): RwSemOwner | undefined {
  const value = Atomics.load(words, owner);
  const agent = value >>> AGENT_SHIFT;
  if (agent === 0) return undefined;
  return { agent, mode: (value & READER_OWNED) !== 0 ? "read" : "write" };
}
