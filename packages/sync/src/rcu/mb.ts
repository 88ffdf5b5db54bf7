/*
 * Flavour mb: what a section does that finds a mark in its slot. The two exchanges of all others are in
 * RcuDomain's readLock() and readUnlock(); what a mark means, and why none is lost, is in grace-period.ts.
 */
import { type Agent, announceAgentLeft, leaveTo } from "./agent.ts";
import { snapshotOf } from "./grace-period.ts";
import { AWAITED, GP_SEQ } from "./layout.ts";

/** Takes a snapshot of this moment, for the sections to come. */
export function renewSnapshot(agent: Agent): void {
  agent.snapshot = snapshotOf(Atomics.load(agent.words, agent.base + GP_SEQ));
}

/**
 * The reader has announced an old snapshot: it announces a new one before it reads anything. By an exchange, since
 * a writer may have seen the old one and gone to sleep meanwhile.
 */
export function renewAnnounced(agent: Agent): void {
  renewSnapshot(agent);
  leaveTo(agent, agent.snapshot);
}

/** The reader has left, and been told that it was older than a grace period, or that a writer sleeps until it leaves. */
export function leaveMarked(agent: Agent, mark: number): void {
  renewSnapshot(agent);
  if (mark === AWAITED) announceAgentLeft(agent);
}
