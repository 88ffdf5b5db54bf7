/*
 * Failures on demand, for tests of what comes after ENOMEM. They belong to one agent's arena object, not to the
 * words: other agents go on undisturbed. Two rules can be armed, for any allocation and for each cache; a call
 * fails if either says so, and both count it.
 */

/** Which allocations a failure is meant for. */
export interface FailureScope {
  /** Name of the cache whose allocations count. Default: all of them, `allocWords` included. */
  readonly cache?: string;
}

interface Rule {
  /** Calls until the one that fails, 0: none does. */
  nth: number;
  probability: number;
  /** State of a xorshift generator, never 0. */
  random: number;
}

const EVERYTHING = "";

/** The armed failures of one agent. */
export class FailureInjection {
  readonly #rules: Map<string, Rule> = new Map();

  /** Is anything armed? The only question on the path of an allocation. */
  get isArmed(): boolean {
    return this.#rules.size > 0;
  }

  /** The `n`-th call from now fails, once; 0 disarms it. */
  failNth(n: number, { cache = EVERYTHING }: FailureScope): void {
    this.#rule(cache).nth = n;
    this.#dropIdle(cache);
  }

  /** Each call fails with this probability, 0 disarms it; equal seeds give equal failures. */
  failRandomly(probability: number, seed: number, { cache = EVERYTHING }: FailureScope): void {
    const rule = this.#rule(cache);
    rule.probability = probability;
    // An odd multiplier spreads small seeds over the word; the generator must not start at 0.
    rule.random = Math.imul(seed, 0x9e3779b1) | 1;
    this.#dropIdle(cache);
  }

  /** Counts one call of `cache`, `undefined` for allocWords. @returns whether it has to fail */
  take(cache: string | undefined): boolean {
    const general = this.#takeRule(EVERYTHING);
    const special = cache !== undefined && this.#takeRule(cache);
    return general || special;
  }

  #takeRule(key: string): boolean {
    const rule = this.#rules.get(key);
    if (rule === undefined) return false;
    const isNth = rule.nth > 0 && --rule.nth === 0;
    const isDrawn = rule.probability > 0 && draw(rule) < rule.probability;
    if (isNth) this.#dropIdle(key);
    return isNth || isDrawn;
  }

  #rule(key: string): Rule {
    let rule = this.#rules.get(key);
    if (rule === undefined) {
      rule = { nth: 0, probability: 0, random: 1 };
      this.#rules.set(key, rule);
    }
    return rule;
  }

  #dropIdle(key: string): void {
    const rule = this.#rules.get(key);
    if (rule?.nth === 0 && rule.probability === 0) this.#rules.delete(key);
  }
}

/** The next number in [0, 1). */
function draw(rule: Rule): number {
  rule.random ^= rule.random << 13;
  rule.random ^= rule.random >>> 17;
  rule.random ^= rule.random << 5;
  return (rule.random >>> 0) / 2 ** 32;
}
