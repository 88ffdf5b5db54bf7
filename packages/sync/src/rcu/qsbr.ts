/*
 * Flavour qsbr: read sections that cost nothing, because the agent says now and then that it is in none.
 *
 * Between two of an agent's quiescent states, writers see one long section, which contains all its real
 * ones. So the words, the writers and the whole argument of grace-period.ts are those of flavour mb with that
 * long section as the reader's, and agents of both flavours can share a domain. What remains to be shown is
 * how the long section begins and ends.
 *
 *   online      depth >= 0, STATE = snapshot (or AWAITED). The first section after a quiescent state begins
 *               it: L load GP_SEQ, A store the snapshot, exactly as an mb reader, before the section's P.
 *   quiescent   outside every section. One exchange of STATE from the old snapshot to that of GP_SEQ, loaded
 *               just before, is X of the section that ends and A of the one that begins: a writer which reads
 *               the new value sees all plain accesses of the old section done (the exchange synchronises with
 *               its load), and later sections read pointers after L. If GP_SEQ has not moved since the last
 *               snapshot, STATE holds what the exchange would store or was marked by a writer of a later
 *               grace period, whose beginning comes after our load: then the next quiescent state answers.
 *   offline     depth < 0, STATE idle: X alone.
 *
 * Real sections touch a field of this agent's own memory. No compiler or processor may move a section's
 * accesses across the agent's next Atomics call, and there is always one before a writer stops waiting.
 *
 * Progress. An agent that goes to sleep in its event loop must not hold writers up, so coming online queues a
 * microtask, which runs when the stack is empty (nobody is in a section, sections being synchronous) and goes
 * offline. Blocking calls of this package go offline before they sleep (`setBeforeSleep`). An agent that neither returns to its event loop nor
 * blocks has to call quiescentState().
 *
 * A section that spans an await is still open when that microtask runs: it is queued before any continuation
 * of the section. The agent then stays online, so the section is protected as if it were allowed, and depth
 * gets the bit SPANNED, which sends the unlock that ends the section to the slow path and an error.
 */
import { SyncError } from "../errors.ts";
import { setBeforeSleep } from "../words.ts";
import { type Agent, DEPTH_OFFLINE, leaveTo } from "./agent.ts";
import { snapshotOf } from "./grace-period.ts";
import { GP_SEQ, IDLE, OFFLINE, REST, STATE } from "./layout.ts";

/** Bit of `depth`: the section was open at the end of a turn. Above every nesting depth. */
export const SPANNED: number = 1 << 30;

/** Agents of this thread that writers see reading. */
const online = new Set<Agent>();
const turn: Promise<void> = Promise.resolve();

/**
 * Begins the first section after a quiescent state.
 *
 * @throws SyncError `EINVAL` after `offline()`
 */
export function enterOnline(agent: Agent): void {
  if (agent.words[agent.slot + REST] === OFFLINE) {
    throw new SyncError("EINVAL", "RcuDomain.readLock: this agent is offline");
  }
  agent.snapshot = snapshotOf(Atomics.load(agent.words, agent.base + GP_SEQ));
  Atomics.store(agent.words, agent.slot + STATE, agent.snapshot);
  agent.depth = 1;
  online.add(agent);
  setBeforeSleep(goOfflineBeforeSleep);
  queueEndOfTurn(agent);
}

/** Ends the agent's long section and begins the next. The agent is online and in no section. */
export function quiesce(agent: Agent): void {
  const snapshot = snapshotOf(Atomics.load(agent.words, agent.base + GP_SEQ));
  if (snapshot === agent.snapshot) return;
  agent.snapshot = snapshot;
  leaveTo(agent, snapshot);
}

/** Ends the agent's long section. It is in no section; nothing happens if it is not online. */
export function goOffline(agent: Agent): void {
  if (agent.depth < 0) return;
  agent.depth = DEPTH_OFFLINE;
  online.delete(agent);
  leaveTo(agent, IDLE);
}

/** While this thread sleeps no domain waits for it, except those it reads in. The next section comes online. */
function goOfflineBeforeSleep(): void {
  for (const agent of online) if (agent.depth === 0) goOffline(agent);
}

/**
 * The part of readUnlock that is rare: misuse, and the end of a section that has spanned an await.
 *
 * @throws SyncError `EPERM` outside every section; `EINVAL` when the outermost section of an earlier turn ends
 */
export function unlockSlow(agent: Agent): void {
  if (agent.depth <= 0) throw new SyncError("EPERM", "RcuDomain.readUnlock: not in a read section");
  agent.depth--;
  if (agent.depth !== SPANNED) return;
  agent.depth = 0;
  queueEndOfTurn(agent);
  const why = "the section was open at the end of an event-loop turn; it must not span an await";
  throw new SyncError("EINVAL", `RcuDomain.readUnlock: ${why}`);
}

function queueEndOfTurn(agent: Agent): void {
  if (agent.isTurnPending) return;
  agent.isTurnPending = true;
  turn.then(() => endTurn(agent));
}

function endTurn(agent: Agent): void {
  agent.isTurnPending = false;
  if (agent.depth > 0) agent.depth |= SPANNED;
  else goOffline(agent);
}
