/*
 * What a worker does under a lock, and what must hold there.
 *
 * A writer changes `before`, holds, changes `after`. It may die between any two of these; the next owner must then
 * be told, and makes the two agree again. So whoever is inside and was not told finds them agreeing, and
 * nobody inside. One repair in some is refused on purpose: then the lock must refuse everybody for ever.
 */
import { SyncError, type ThreadRegistry } from "../src/index.ts";
import type { Kind, Side, SweptLock } from "./kinds.ts";
import { countFault, type Fault, KindWords, STATIONS, type Station } from "./words.ts";

const UNREPAIRED_ONE_IN = 12;

/** Thrown by a repair that is refused on purpose. */
class Unrepaired extends Error {}

/** Dice that can be thrown without touching a shared word. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  }

  /** A number in `0..limit - 1`; xorshift32. */
  roll(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % limit;
  }
}

/** One thread's view of a kind of lock: takes turns under the station in use. */
export class Turns {
  readonly #words: Int32Array;
  readonly #kind: Kind;
  readonly #area: KindWords;
  readonly #registry: ThreadRegistry;
  readonly #dice: Dice;
  #generation = -1;
  #station: Station;
  #lock: SweptLock;

  constructor(words: Int32Array, index: number, kind: Kind, registry: ThreadRegistry, dice: Dice) {
    this.#words = words;
    this.#kind = kind;
    this.#area = new KindWords(words, index);
    this.#registry = registry;
    this.#dice = dice;
    this.#generation = this.#area.generation;
    this.#station = this.#area.station(this.#generation);
    this.#lock = this.#attach();
  }

  get lock(): SweptLock {
    return this.#lock;
  }

  /** One turn: takes the lock in some way, works, gives it back. */
  async turn(): Promise<void> {
    if (this.#generation !== this.#area.generation) {
      this.#generation = this.#area.generation;
      this.#station = this.#area.station(this.#generation);
      this.#lock = this.#attach();
    }
    const { write, read } = this.#lock;
    const isRead = this.#dice.roll(3) > 0;
    try {
      if (isRead && this.#lock.peek !== undefined) this.#peek(this.#lock.peek);
      else if (isRead && read !== undefined) await this.#inside(read, () => this.#read());
      else if (this.#lock.seats !== undefined) await this.#inside(write, () => this.#sit());
      else await this.#inside(write, () => this.#write());
    } catch (error) {
      this.#refused(error);
    }
  }

  #attach(): SweptLock {
    const repair = (): void => this.#repair();
    return this.#kind.attach(this.#words, this.#station.lock, { agents: this.#registry, repair });
  }

  async #inside(side: Side, work: () => void): Promise<void> {
    if (!(await this.#take(side))) return;
    work();
    side.unlock();
    this.#area.count("turns");
  }

  async #take(side: Side): Promise<boolean> {
    const way = this.#dice.roll(16);
    if (way < 2) {
      for (let attempt = 0; attempt < 20; attempt++) if (side.tryLock()) return true;
      return false;
    }
    if (way === 2) return await side.lockAsync();
    if (way > 4) return side.lock();
    const timeoutMs = this.#dice.roll(3);
    const isTaken = way === 3 ? side.lock({ timeoutMs }) : await side.lockAsync({ timeoutMs });
    if (!isTaken) this.#area.count("timeouts");
    return isTaken;
  }

  #write(): void {
    const { inside, before, after } = this.#station;
    const words = this.#words;
    this.#expect(Atomics.exchange(words, inside, this.#registry.self) === 0, "two inside at once");
    const agree = words[before] === words[after];
    this.#expect(agree, "half a change, and nobody said that an owner died");
    this.#increment(before);
    this.#hold();
    this.#increment(after);
    const was = Atomics.exchange(words, inside, 0);
    this.#expect(was === this.#registry.self, "two inside at once");
  }

  /** Plain where the lock orders everybody who looks. */
  #increment(word: number): void {
    if (this.#lock.peek === undefined) this.#words[word]++;
    else Atomics.store(this.#words, word, this.#words[word] + 1);
  }

  #read(): void {
    const { inside, before, after } = this.#station;
    const words = this.#words;
    this.#expect(Atomics.load(words, inside) === 0, "a reader beside a writer");
    const seen = words[before];
    this.#hold();
    this.#expect(words[after] === seen && words[before] === seen, "a reader saw half a change");
  }

  #peek(peek: NonNullable<SweptLock["peek"]>): void {
    const { before, after } = this.#station;
    const agree = peek(() => Atomics.load(this.#words, before) === Atomics.load(this.#words, after));
    this.#expect(agree, "a reader saw half a change");
    this.#area.count("turns");
  }

  /** Takes one of as many seats as may be inside; those of the dead are free. */
  #sit(): void {
    const { seats = 0 } = this.#lock;
    const first = this.#station.seats;
    const self = this.#registry.self;
    for (let seat = first; seat < first + seats; seat++) {
      const sitter = Atomics.load(this.#words, seat);
      if (sitter !== 0 && this.#registry.isAlive(sitter)) continue;
      if (Atomics.compareExchange(this.#words, seat, sitter, self) !== sitter) continue;
      this.#hold();
      Atomics.store(this.#words, seat, 0);
      return;
    }
    this.#expect(false, "more inside than there are permits");
  }

  /** As the next owner: nobody else is inside, whatever is left is the dead one's. */
  #repair(): void {
    const { inside, before, after } = this.#station;
    const words = this.#words;
    this.#area.count("told");
    const left = Atomics.load(words, inside);
    const isDead = left === 0 || !this.#registry.isAlive(left);
    this.#expect(isDead, "told of a death that did not happen");
    if (this.#generation < STATIONS - 1 && this.#dice.roll(UNREPAIRED_ONE_IN) === 0) {
      this.#area.count("given up");
      throw new Unrepaired();
    }
    Atomics.store(words, before, words[after]);
    Atomics.store(words, inside, 0);
    this.#area.count("repaired");
  }

  #refused(error: unknown): void {
    const isUnusable = error instanceof SyncError && error.code === "ENOTRECOVERABLE";
    if (isUnusable) {
      this.#area.count("refused");
      this.#area.moveOn(this.#generation);
    } else {
      console.error(this.#kind.name, error);
      this.#expect(false, "a lock threw what it should not");
    }
  }

  /** Stays inside: mostly not at all, at times for some 100 µs, now and then asleep for a millisecond. */
  #hold(): void {
    const way = this.#dice.roll(200);
    if (way < 3) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    const looks = way < 6 ? 10_000 : way < 40 ? this.#dice.roll(300) : 0;
    for (let look = 0; look < looks; look++) if (this.#words[this.#station.inside] < 0) return;
  }

  #expect(isKept: boolean, fault: Fault): void {
    if (!isKept) countFault(this.#words, fault);
  }
}
