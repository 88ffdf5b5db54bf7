/* The words of a RobustRwSem as the slow paths see them; see state.ts. */

import { SyncError } from "../errors.ts";
import type { Agents } from "../robust/recovery.ts";
import { readerBit, readerBitsIn, SEATS, WHO_MASK, writerBits } from "./robust-count.ts";
import { newSitter, Seats, type Sitter, selfOf, sitterFor } from "./seats.ts";
import { SLOT_QUEUE_WORDS, SlotQueue } from "./slot-queue.ts";
import { RwSemState } from "./state.ts";

const SEAT_WORDS = 8;
const QUEUE = 32;

/** Words a RobustRwSem occupies. */
export const ROBUST_RWSEM_WORDS: number = QUEUE + SLOT_QUEUE_WORDS;

/** One agent's view of one robust lock. */
export class RobustState extends RwSemState {
  readonly agents: Agents;
  /** Who uses the lock. */
  readonly seats: Seats;
  /** What this agent holds; one that holds nothing before the first use. */
  sitter: Sitter = newSitter(0);
  override readonly queue: SlotQueue;

  readonly #tidy: () => boolean;

  /**
   * @param repair - of the queue, see recovery.ts
   * @param tidy - cleans up if anybody has died, and says whether anybody had
   */
  constructor(words: Int32Array, base: number, agents: Agents, repair: () => void, tidy: () => boolean) {
    const queue = new SlotQueue(words, base + QUEUE, agents, repair);
    super(words, base, queue);
    this.queue = queue;
    this.agents = agents;
    this.seats = new Seats(words, base + SEAT_WORDS, agents);
    this.#tidy = tidy;
  }

  /**
   * This agent's record, on a seat.
   *
   * @throws SyncError `EINVAL` if this thread has not joined, `ENOSPC` if all seats are taken
   */
  sit(): Sitter {
    const id = selfOf(this.agents);
    if (this.sitter.id !== id) this.sitter = sitterFor(this.words, this.count, id);
    if (this.sitter.seat < 0) this.sitter.seat = this.#takeSeat(id);
    return this.sitter;
  }

  #takeSeat(id: number): number {
    let seat = this.seats.take(id);
    if (seat < 0 && this.#tidy()) seat = this.seats.take(id);
    if (seat >= 0) return seat;
    throw new SyncError("ENOSPC", `RobustRwSem: all ${SEATS} seats are taken; close() those not in use`);
  }

  override get spinMark(): number {
    return this.agents.self;
  }

  override asWriter(count: number): number {
    return (count & ~WHO_MASK) | writerBits(this.sitter.seat);
  }

  /** Bits that are set already are not added again: another task of the agent reads, which must not end meanwhile. */
  override biasOf(readers: readonly number[]): number {
    let bits = 0;
    for (const slot of readers) bits |= readerBit(this.seats.seatOf(this.queue.ownerOf(slot)));
    return bits & ~this.load();
  }

  override readersIn(count: number): number {
    return readerBitsIn(count);
  }

  /** Agents that read, by what `count` says. */
  readersOf(count: number): number[] {
    const ids: number[] = [];
    for (let seat = 0; seat < SEATS; seat++)
      if ((count & readerBit(seat)) !== 0) ids.push(this.seats.at(seat));
    return ids;
  }
}
