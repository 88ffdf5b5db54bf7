/*
 * When has everybody who could still see the old version left?
 *
 * One grace period (GP) at a time is in progress in a domain. GP_SEQ is even between two of them and odd
 * during one. A reader announces itself by exchanging its snapshot (GP_SEQ << 1) | 1 into its own slot, and
 * leaves by exchanging 0 into it. The GP that made GP_SEQ the odd number `s` may end as soon as every slot
 * has been seen idle or holding exactly the snapshot of `s`. Any agent may start, scan and end a GP; both
 * transitions are a compareExchange on GP_SEQ, so each happens once.
 *
 * Why one phase is enough. All accesses to these words, to the slots, and to the published pointer are
 * Atomics operations, so they have one total order S that agrees with each agent's program order:
 *
 *     writer                                reader
 *     U: unpublish the old version          L: load GP_SEQ, perhaps many sections ago
 *     B: compareExchange GP_SEQ to s        A: exchange snapshot into own slot
 *     C: load the reader's slot             P: load the pointer, use what it names
 *     E: end, free the old version          X: exchange 0 into own slot
 *
 *   - C comes before A in S (the writer saw the slot as it was before): then U < B < C < A < P, the reader
 *     finds the new version. Its snapshot may be older than s, which only makes later GPs wait for it.
 *   - C sees A's value and it is the snapshot of s: then L read what B wrote, U < B < L < P, new version.
 *   - C sees A's value and it is another snapshot, OVERTAKEN or AWAITED: the GP does not end.
 *   - C comes after X: the reader has left. C reads what X (or a later operation of the same agent) wrote,
 *     so X synchronises with C, and everything the reader did, plain reads too, happens before E.
 *
 * When is a snapshot renewed? An old one is safe, but a section that begins with it would be waited for by a
 * GP that began before. So whoever begins a GP, or looks whether it may end, tells agents whose slot does
 * not hold the snapshot of `s`: by a compareExchange it makes IDLE STALE, and the snapshot of a reader
 * OVERTAKEN. The exchange of A or X returns that mark, and an agent that finds one loads GP_SEQ again. A reader
 * that finds STALE has announced an old snapshot by then; it exchanges the new one into its slot before P, which
 * is X of an empty section and A of the real one. Thus a read section pays for a load of GP_SEQ once in a GP.
 *
 * Flavours with a one-bit phase need two flips, since a reader delayed between L and A would announce a
 * phase that has come round again. Here that takes a delay of exactly k * 2^31 steps of GP_SEQ, and no
 * GP ends before it has marked the slot of an agent whose snapshot is older: slots are
 * compared for equality with the one snapshot of the GP in progress, never for order, so a reader that is
 * delayed by any other number of GPs is recognised as older.
 *
 * A cookie is the value GP_SEQ must reach. poll() refuses only while GP_SEQ is one to three steps short of
 * it: when the sequence has wrapped around a cookie that was kept too long, the answer may be a false "not
 * yet", never a false "yes".
 */
import {
  AGENTS_HIGH,
  AWAITED,
  GP_SEQ,
  GP_WANTED,
  IDLE,
  isReading,
  OVERTAKEN,
  READER_LEFT,
  STALE,
  STATE,
  slotWord,
} from "./layout.ts";

/** What a reader that starts while GP_SEQ is `seq` stores in its slot; odd, hence no mark. */
export function snapshotOf(seq: number): number {
  return (seq << 1) | 1;
}

/** Has GP_SEQ = `seq` reached `cookie`? A live cookie is at most three steps ahead. */
export function isElapsed(seq: number, cookie: number): boolean {
  const stepsLeft = (cookie - seq) | 0;
  return stepsLeft < 1 || stepsLeft > 3;
}

/**
 * Names the end of the first grace period that has not begun yet, and begins it if none is in progress.
 * Cost: two Atomics operations, and one or two for each agent slot in use if it begins one.
 */
export function requestCookie(words: Int32Array, base: number): number {
  const seq = Atomics.load(words, base + GP_SEQ);
  if ((seq & 1) === 0) {
    // Losing this race means that another agent began a grace period after our load: that one will do.
    if (Atomics.compareExchange(words, base + GP_SEQ, seq, (seq + 1) | 0) === seq)
      tellAll(words, base, seq + 1);
    return (seq + 2) | 0;
  }
  // The GP in progress may have begun before the caller's unpublish, so it does not count.
  const cookie = (seq + 3) | 0;
  Atomics.store(words, base + GP_WANTED, cookie);
  return cookie;
}

/**
 * Moves grace periods on as far as the readers allow.
 *
 * @returns whether `cookie` has been reached. Cost: one load if it has; else one load per agent slot in use
 */
export function advance(words: Int32Array, base: number, cookie: number): boolean {
  for (;;) {
    const seq = Atomics.load(words, base + GP_SEQ);
    if (isElapsed(seq, cookie)) return true;
    if ((seq & 1) === 1 && findBlocker(words, base, seq) !== -1) return false;
    if (Atomics.compareExchange(words, base + GP_SEQ, seq, (seq + 1) | 0) === seq)
      continueIfWanted(words, base, seq);
  }
}

/** After ending a GP, begins the next one at once if its cookie has been handed out: its wait starts now. */
function continueIfWanted(words: Int32Array, base: number, seq: number): void {
  const ended = (seq + 1) | 0;
  if ((seq & 1) === 0 || Atomics.load(words, base + GP_WANTED) !== ((seq + 3) | 0)) return;
  if (Atomics.compareExchange(words, base + GP_SEQ, ended, (ended + 1) | 0) === ended) {
    tellAll(words, base, ended + 1);
  }
}

/** Tells every agent in time that its snapshot is older than the grace period `seq`, which has just begun. */
function tellAll(words: Int32Array, base: number, seq: number): void {
  const high = Atomics.load(words, base + AGENTS_HIGH);
  for (let index = 0; index < high; index++) tell(words, slotWord(base, index) + STATE, seq);
}

/**
 * Marks an agent whose snapshot is older than the grace period `seq` (odd).
 *
 * @returns whether the agent holds it up
 */
function tell(words: Int32Array, word: number, seq: number): boolean {
  for (;;) {
    const state = Atomics.load(words, word);
    if (state === STALE || state === snapshotOf(seq)) return false;
    if (state === AWAITED || state === OVERTAKEN) return true;
    // A mark that loses against the agent's own exchange meets the agent in its next state.
    const mark = state === IDLE ? STALE : OVERTAKEN;
    if (Atomics.compareExchange(words, word, state, mark) === state) return mark === OVERTAKEN;
  }
}

/** Does an agent in this STATE hold up the grace period `seq` (odd)? */
export function isBlocking(state: number, seq: number): boolean {
  return isReading(state) && state !== snapshotOf(seq);
}

/** State word of the first agent that holds up the grace period `seq` (odd), which is told so, or -1. */
export function findBlocker(words: Int32Array, base: number, seq: number): number {
  const high = Atomics.load(words, base + AGENTS_HIGH);
  for (let index = 0; index < high; index++) {
    const word = slotWord(base, index) + STATE;
    if (tell(words, word, seq)) return word;
  }
  return -1;
}

/**
 * Asks one reader that holds up the grace period in progress to notify on leaving.
 *
 * @returns value of READER_LEFT to sleep on, or `undefined` if nobody holds it up any more
 *
 * No wake-up is lost: READER_LEFT is read first, then the reader is marked. A reader that leaves after the
 * mark finds it in its exchange and increments READER_LEFT, so the sleep on the old value returns at once.
 */
export function awaitBlocker(words: Int32Array, base: number): number | undefined {
  const ticket = Atomics.load(words, base + READER_LEFT);
  const seq = Atomics.load(words, base + GP_SEQ);
  if ((seq & 1) === 0) return undefined;
  const word = findBlocker(words, base, seq);
  if (word === -1) return undefined;
  const state = Atomics.load(words, word);
  if (state === AWAITED) return ticket;
  if (!isBlocking(state, seq)) return undefined;
  return Atomics.compareExchange(words, word, state, AWAITED) === state ? ticket : undefined;
}

/** Called by a reader that found AWAITED on leaving. */
export function announceLeft(words: Int32Array, base: number): void {
  Atomics.add(words, base + READER_LEFT, 1);
  Atomics.notify(words, base + READER_LEFT);
}
