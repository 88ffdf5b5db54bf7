/*
 * Turns over a domain, in the manner of rcutorture: an element is published, replaced, and after a grace
 * period marked as gone. A reader must never see the mark on an element it found in its section.
 *
 * Elements pass from hand to hand: who replaces one owns it from then on, and reuses it after the grace
 * period. Its generation word is even while it may be read, odd while it is gone. Only lanes replace: an element
 * that a dead thread owns would be lost.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { RcuDomain, type RcuStall, SrcuDomain } from "../src/index.ts";
import type { Actor } from "./actor.ts";
import {
  AGENTS_MAX,
  type DomainKind,
  type DomainPlace,
  ELEMENTS_EACH,
  elementWord,
  NAMED,
  placeOf,
} from "./words.ts";

/** A wait of this length is reported. */
const STALL_MS = 100;
/** Callbacks of a flood: more than ever wait otherwise. */
const FLOOD = 2_000;
/** Looks of who polls, before it waits after all. */
const POLLS = 500;

type Domain = RcuDomain | SrcuDomain;
const WAITS = ["synchronize", "expedited", "waitCookie", "impatient waitCookie", "poll", "call"] as const;
type Wait = (typeof WAITS)[number];

/** Opens a domain as an agent; every other one reads by quiescent states in the domain named so. */
export function openDomain(
  words: Int32Array,
  kind: DomainKind,
  index: number,
  onStall?: (stall: RcuStall) => void,
): Domain {
  const stall = onStall === undefined ? {} : { onStall, stallMs: STALL_MS };
  const options = { agentsMax: AGENTS_MAX, agentName: agentName(index), ...stall };
  const at = placeOf(kind).domain;
  if (kind === "srcu") return new SrcuDomain(words, at, options);
  return new RcuDomain(words, at, {
    flavour: kind === "qsbr" && index % 2 === 1 ? "qsbr" : "mb",
    ...options,
  });
}

/** What stall reports call a thread. */
export function agentName(index: number): string {
  return `thread ${index}`;
}

/** Enters a section. @returns leaves it */
export function enter(rcu: Domain): () => void {
  if (rcu instanceof RcuDomain) {
    rcu.readLock();
    return () => rcu.readUnlock();
  }
  const index = rcu.readLock();
  return () => rcu.readUnlock(index);
}

/** One thread's part in a domain. */
export class RcuPart {
  readonly rcu: Domain;
  readonly #actor: Actor;
  readonly #kind: DomainKind;
  readonly #place: DomainPlace;
  readonly #isBroken: boolean;
  /** Elements this thread owns and nobody can see. */
  readonly #free: number[];
  /** Callbacks handed to `call`, and those that have run. */
  #called = 0;
  #ran = 0;

  /** @param isBroken - grace periods end at once, which readers must notice */
  constructor(actor: Actor, kind: DomainKind, isBroken: boolean) {
    this.#actor = actor;
    this.#kind = kind;
    this.#place = placeOf(kind);
    this.#isBroken = isBroken;
    this.rcu = openDomain(actor.words, kind, actor.index, () => this.#count("stalls seen by writers"));
    // Element 0 is the one that is published first.
    this.#free = Array.from({ length: ELEMENTS_EACH }, (_, i) => 1 + actor.index * ELEMENTS_EACH + i);
  }

  /** One turn: mostly a read section. */
  turn(): void {
    const actor = this.#actor;
    if (actor.oneIn(4)) this.#replace();
    else this.read();
    if (actor.oneIn(200)) this.#flood();
    if (!(this.rcu instanceof RcuDomain)) return;
    if (actor.oneIn(3)) this.rcu.quiescentState();
    if (actor.oneIn(50)) this.#goOffline(this.rcu);
  }

  /** One read section, perhaps a nested one. */
  read(): void {
    const actor = this.#actor;
    const isNested = actor.oneIn(3);
    const leave = enter(this.rcu);
    const leaveInner = isNested ? enter(this.rcu) : undefined;
    const check = this.#look();
    leaveInner?.();
    actor.holdAsleep();
    check();
    leave();
    this.#count(isNested ? "nested sections" : "sections");
  }

  /** Replaces the element and awaits the grace period; in SRCU also a section that spans an await. */
  async turnAsync(): Promise<void> {
    if (this.rcu instanceof SrcuDomain && this.#actor.oneIn(2)) return this.#readAsync();
    const old = this.#publish();
    if (old === undefined) return;
    await this.#awaitGracePeriod();
    this.#retire(old);
  }

  /** A reader that stalls until somebody has complained, and named it. */
  stall(patienceMs: number): void {
    const { words } = this.#actor;
    Atomics.store(words, NAMED, 0);
    const leave = enter(this.rcu);
    const check = this.#look();
    const isNamed = Atomics.wait(words, NAMED, 0, patienceMs) !== "timed-out";
    this.#actor.expect(isNamed, `${this.#name}: no report names a reader that stalls`);
    check();
    leave();
    this.#count("stalled readers");
  }

  /** Waits for the callbacks of this thread, and closes the domain. */
  finish(): void {
    this.rcu.barrier();
    const { pendingCallbacks } = this.rcu;
    this.#actor.expect(pendingCallbacks === 0, `${this.#name}: a callback is left after barrier`);
    this.#actor.expect(this.#ran === this.#called, `${this.#name}: a callback was lost, or ran twice`);
    this.#actor.expect(this.#free.length > 0, `${this.#name}: elements are lost`);
    this.rcu.close();
  }

  async #readAsync(): Promise<void> {
    const leave = enter(this.rcu);
    const check = this.#look();
    await sleep(this.#actor.roll(3));
    check();
    leave();
    this.#count("sections across an await");
  }

  /** Finds the element. @returns checks that it has stayed what it was */
  #look(): () => void {
    const { words } = this.#actor;
    const word = elementWord(this.#place, Atomics.load(words, this.#place.current));
    const generation = Atomics.load(words, word);
    return () => {
      const isSame = Atomics.load(words, word) === generation;
      this.#actor.expect(generation % 2 === 0, `${this.#name}: a reader found an element that was gone`);
      const fault = `${this.#name}: a grace period ended before a section that saw the element`;
      this.#actor.expect(isSame, fault);
    };
  }

  #replace(): void {
    const old = this.#publish();
    if (old === undefined) return;
    const wait = WAITS[this.#actor.roll(WAITS.length)];
    this.#count(wait);
    this.#afterGracePeriod(wait, () => this.#retire(old));
  }

  /** @returns the element that nobody new can find, `undefined` if there was none to put in its place */
  #publish(): number | undefined {
    const { words } = this.#actor;
    const fresh = this.#free.pop();
    if (fresh === undefined) {
      this.rcu.barrier();
      this.#count("barriers");
      return undefined;
    }
    const word = elementWord(this.#place, fresh);
    Atomics.store(words, word, (Atomics.load(words, word) + 1) & ~1);
    return Atomics.exchange(words, this.#place.current, fresh);
  }

  #retire(old: number): void {
    Atomics.add(this.#actor.words, elementWord(this.#place, old), 1);
    this.#free.push(old);
  }

  #afterGracePeriod(wait: Wait, retire: () => void): void {
    const { rcu } = this;
    if (this.#isBroken) return retire();
    if (wait === "call") {
      this.#call(retire);
      if (this.#actor.oneIn(2)) rcu.runCallbacks(1 + this.#actor.roll(4));
      return;
    }
    const cookie = rcu.cookie();
    if (wait === "synchronize") rcu.synchronize();
    else if (wait === "expedited") rcu.synchronizeExpedited();
    else if (wait === "impatient waitCookie") this.#waitImpatiently(cookie);
    else if (wait === "waitCookie" || !this.#pollFor(cookie)) rcu.waitCookie(cookie);
    this.#actor.expect(rcu.poll(cookie), `${this.#name}: poll denies what a wait has said`);
    retire();
  }

  #waitImpatiently(cookie: number): void {
    while (!this.rcu.waitCookie(cookie, { timeoutMs: this.#actor.roll(3) })) this.#count("waits timed out");
  }

  #pollFor(cookie: number): boolean {
    for (let look = 0; look < POLLS; look++) if (this.rcu.poll(cookie)) return true;
    return false;
  }

  /** With a signal that may abort it, with a time, or as long as it takes. */
  async #awaitGracePeriod(): Promise<void> {
    if (this.#isBroken) return;
    const { rcu } = this;
    const way = this.#actor.roll(3);
    if (way === 0) {
      this.#count("synchronizeAsync");
      return rcu.synchronizeAsync();
    }
    this.#count("waitCookieAsync");
    const cookie = rcu.cookie();
    while (!rcu.poll(cookie)) {
      const isGot = way === 1 ? await this.#awaitOrAbort(cookie) : await this.#awaitFor(cookie);
      if (isGot) return;
    }
  }

  async #awaitOrAbort(cookie: number): Promise<boolean> {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), this.#actor.roll(4));
    try {
      return await this.rcu.waitCookieAsync(cookie, { signal: controller.signal });
    } catch (error) {
      if ((error as { code?: unknown }).code !== "EINTR") throw error;
      this.#count("waits aborted");
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  async #awaitFor(cookie: number): Promise<boolean> {
    const isGot = await this.rcu.waitCookieAsync(cookie, { timeoutMs: this.#actor.roll(4) });
    if (!isGot) this.#count("waits timed out");
    return isGot;
  }

  #call(fn: () => void): void {
    this.#called++;
    this.rcu.call(() => {
      this.#ran++;
      fn();
    });
  }

  /** Very many callbacks at once; after barrier() every one of them has run. */
  #flood(): void {
    let ran = 0;
    for (let each = 0; each < FLOOD; each++) this.#call(() => ran++);
    this.rcu.barrier();
    this.#actor.expect(ran === FLOOD, `${this.#name}: barrier returned with ${FLOOD - ran} callbacks left`);
    this.#count("callback floods");
  }

  #goOffline(rcu: RcuDomain): void {
    rcu.offline();
    this.#actor.hold();
    rcu.online();
    this.#count("times offline");
  }

  get #name(): string {
    return this.#kind === "srcu" ? "SrcuDomain" : `RcuDomain (${this.#kind})`;
  }

  #count(what: string): void {
    this.#actor.count(`${this.#name} ${what}`);
  }
}
