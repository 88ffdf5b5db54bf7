/* Checks of arguments that both kinds of domain have. */
import { SyncError } from "../errors.ts";
import { checkWords } from "../words.ts";
import { AGENTS_MAX, AGENTS_MAX_DEFAULT, AGENTS_MAX_LIMIT, domainWords, HEADER_WORDS } from "./layout.ts";

/** Lowest id of an agent: 0 is nobody, 1 in CLAIMED is somebody without id. */
const AGENT_ID_MIN = 2;
const AGENT_ID_MAX = 0x7fffffff;

export function checkAgentsMax(what: string, agentsMax: number): void {
  if (!Number.isInteger(agentsMax) || agentsMax < 1 || agentsMax > AGENTS_MAX_LIMIT) {
    throw new RangeError(`${what}: agentsMax must be an integer in 1..${AGENTS_MAX_LIMIT}, got ${agentsMax}`);
  }
}

export function checkAgentId(what: string, id: number): void {
  if (!Number.isInteger(id) || id < AGENT_ID_MIN || id > AGENT_ID_MAX) {
    throw new RangeError(`${what} must be an integer in ${AGENT_ID_MIN}..${AGENT_ID_MAX}, got ${id}`);
  }
}

/**
 * Writes AGENTS_MAX into the words of a new domain, or compares it with that of an existing one.
 *
 * @throws RangeError if the words do not fit in the view
 * @throws SyncError `EINVAL` if the domain exists with another number
 */
export function claimAgentsMax(
  what: string,
  words: Int32Array,
  word: number,
  asked: number | undefined,
): void {
  checkWords(what, words, word, HEADER_WORDS);
  if (asked !== undefined) checkAgentsMax(what, asked);
  const agentsMax = asked ?? (Atomics.load(words, word + AGENTS_MAX) || AGENTS_MAX_DEFAULT);
  checkWords(what, words, word, domainWords(agentsMax));
  const existing = Atomics.compareExchange(words, word + AGENTS_MAX, 0, agentsMax);
  if (existing !== 0 && existing !== agentsMax) {
    throw new SyncError("EINVAL", `${what}: agentsMax is ${existing} in the words, got ${agentsMax}`);
  }
}
