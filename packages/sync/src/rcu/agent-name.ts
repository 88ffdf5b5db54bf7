/*
 * What an agent is called, in its slot: 16 UTF-16 units in 8 words, zero-filled, as long as the kernel's comm.
 *
 * The owner writes it after claiming the slot and before its first section; who reports a stall reads it. A
 * reader that meets a slot changing hands sees half of each name, in a report about a moment that is over.
 */
import { NAME, NAME_WORDS } from "./layout.ts";

/** Longest part of a name that is kept, in UTF-16 units. */
const NAME_MAX: number = 2 * NAME_WORDS;

/** Puts the name, which may be empty, into the slot. */
export function writeAgentName(words: Int32Array, slot: number, name: string): void {
  const units = Array.from({ length: NAME_MAX }, (_, at) => (at < name.length ? name.charCodeAt(at) : 0));
  for (let word = 0; word < NAME_WORDS; word++) {
    Atomics.store(words, slot + NAME + word, units[2 * word] | (units[2 * word + 1] << 16));
  }
}

/** The name in the slot, `undefined` if it has none. */
export function readAgentName(words: Int32Array, slot: number): string | undefined {
  const units: number[] = [];
  for (let word = 0; word < NAME_WORDS; word++) {
    const pair = Atomics.load(words, slot + NAME + word);
    units.push(pair & 0xffff, pair >>> 16);
  }
  const end = units.indexOf(0);
  const name = String.fromCharCode(...units.slice(0, end < 0 ? units.length : end));
  return name === "" ? undefined : name;
}
