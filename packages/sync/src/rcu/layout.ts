/*
 * The words of an RCU domain.
 *
 *   word             name         meaning
 *   0                AGENTS_MAX   slots laid out behind the header; 0 until the first constructor wrote it
 *   1                GP_SEQ       2 * (grace periods completed), + 1 while one is in progress; wraps at 2^32
 *   2                GP_WANTED    cookie somebody asked for while a grace period was in progress (a hint)
 *   3                READER_LEFT  counts awaited readers that have left; writers sleep on it
 *   4                AGENTS_HIGH  highest slot ever claimed + 1, so that scans stop early
 *   5 … 15                        zero
 *   16 + 16 i        STATE        agent i: 0 idle | 4 idle, a grace period has begun since its snapshot |
 *                                 odd: reading, snapshot of GP_SEQ | 6 reading, a grace period has begun since |
 *                                 2 reading, awaited
 *   16 + 16 i + 1    CLAIMED      0 free | 1 taken by an agent without id | > 1 id of the agent that owns it |
 *                                 < 0: its owner is dead, agent -CLAIMED is giving the slot back
 *   16 + 16 i + 2    REST         -1 offline, else 0. Only its owner touches it
 *   16 + 16 i + 8 … 15            NAME of the agent, for stall reports (agent-name.ts)
 *
 * In flavour qsbr an agent counts as reading from its first section after a quiescent state to the next
 * quiescent state (qsbr.ts). The nesting of sections is in the agent's own memory (agent.ts).
 *
 * A slot is 64 bytes, so a reader's stores never invalidate another reader's cache line if the domain starts
 * at a multiple of 16 words.
 */

export const AGENTS_MAX = 0;
export const GP_SEQ = 1;
export const GP_WANTED = 2;
export const READER_LEFT = 3;
export const AGENTS_HIGH = 4;

export const HEADER_WORDS = 16;
export const SLOT_WORDS = 16;

export const STATE = 0;
export const CLAIMED = 1;
export const REST = 2;
export const NAME = 8;
export const NAME_WORDS = 8;

/** STATE of an agent outside every read section. */
export const IDLE = 0;
/** STATE of a reader which a writer waits for: older than the grace period in progress, notify on leaving. */
export const AWAITED = 2;
/** STATE of an agent outside every section that has not seen the grace period in progress begin. */
export const STALE = 4;
/** STATE of a reader older than the grace period in progress, which nobody sleeps for. */
export const OVERTAKEN = 6;
/** CLAIMED of a slot whose owner has no id. */
export const ANONYMOUS = 1;
/** REST of an agent that has gone offline. */
export const OFFLINE = -1;

/** Agent slots of a domain when the caller does not say. */
export const AGENTS_MAX_DEFAULT = 32;
/** Most agent slots a domain can have. */
export const AGENTS_MAX_LIMIT = 4096;

/** Is an agent with this STATE in a read section? */
export function isReading(state: number): boolean {
  return state !== IDLE && state !== STALE;
}

/** Words of a domain with `agentsMax` slots. */
export function domainWords(agentsMax: number): number {
  return HEADER_WORDS + SLOT_WORDS * agentsMax;
}

/** First word of agent slot `index` in the domain at `base`. */
export function slotWord(base: number, index: number): number {
  return base + HEADER_WORDS + SLOT_WORDS * index;
}
