/*
 * What an agent leaves behind when its thread ends without closing the arena: objects at hand, one in hand, a
 * reservation, and, if it died under the arena's lock, words half changed.
 *
 * Objects that it had allocated stay live: only their user knows whether others still reach them.
 */
import type { RcuDomain } from "@faultline/sync";
import { Depot } from "./depot.ts";
import * as L from "./layout.ts";
import { placeAt, State, stateIndex } from "./object-state.ts";
import type { Region } from "./region.ts";

/** Takes everything back from the magazines of agents that `isDead`. Lock held, all lists in order. @returns objects */
export function takeBack(region: Region, rcu: RcuDomain, isDead: (id: number) => boolean): number {
  let objects = 0;
  for (let index = 0; index < region.i32[L.CACHES]; index++) {
    const depot = new Depot(region, rcu, index);
    const shift = alignShiftOf(region, index);
    for (const record of recordsOf(region, index)) {
      const owner = region.i32[record + L.OWNER];
      if (owner > 0 && isDead(owner)) objects += emptyRecord(region, depot, record, shift);
    }
  }
  return objects;
}

/** Makes all that the arena's lock protects anew, from what cannot be half changed. Lock held. */
export function rebuildAll(region: Region, rcu: RcuDomain): void {
  const words = region.i32;
  // A carve that was interrupted has moved its start, but not yet its end, to a new chunk.
  if (words[L.CARVE] > words[L.CARVE_END]) words[L.CARVE_END] = L.roundUp(words[L.CARVE], L.CHUNK_WORDS);
  for (let index = 0; index < words[L.CACHES]; index++) {
    const reserved = recordsOf(region, index).reduce((sum, record) => sum + words[record + L.HELD], 0);
    new Depot(region, rcu, index).rebuild(reserved);
  }
}

function emptyRecord(region: Region, depot: Depot, record: number, shift: number): number {
  const { i32: words, u8 } = region;
  const entries = words.slice(record + L.ENTRIES, record + L.ENTRIES + words[record + L.COUNT]);
  const mine = new Set(entries);
  mine.add(words[record + L.IN_HAND]);
  mine.delete(0);
  let objects = 0;
  for (const word of mine) {
    const place = placeAt(u8, stateIndex(word, shift));
    // FREE and DEFERRED ones have reached the depot already; only the object in hand can be LIVE.
    const isLost = place === State.Magazine || (place === State.Live && word === words[record + L.IN_HAND]);
    if (!isLost) continue;
    depot.takeBack(word);
    objects++;
  }
  depot.reserve(-words[record + L.HELD]);
  words[record + L.COUNT] = 0;
  words[record + L.IN_HAND] = 0;
  words[record + L.HELD] = 0;
  words[record + L.PROMISED] = 0;
  words[record + L.OWNER] = 0;
  return objects;
}

function recordsOf(region: Region, index: number): number[] {
  const words = region.i32;
  const records: number[] = [];
  for (let at = words[L.cacheRecord(index) + L.MAGAZINES]; at !== 0; at = words[at + L.MAGAZINE_NEXT]) {
    records.push(at);
  }
  return records;
}

function alignShiftOf(region: Region, index: number): number {
  return 31 - Math.clz32(region.i32[L.cacheRecord(index) + L.ALIGN_WORDS]);
}
