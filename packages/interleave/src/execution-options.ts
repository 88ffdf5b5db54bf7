import type { Promises } from "./promises.ts";
import type { Race } from "./races.ts";
import type { Sites } from "./sites.ts";

/** What executions need to know. */
export interface ExecutionOptions {
  readonly maxSteps: number;
  readonly spinLimit: number;
  readonly freeReads: number;
  readonly timeouts: number;
  readonly kills: number;
  readonly killable: readonly number[] | undefined;
  readonly races: boolean;
  /** How often a thread may be passed over in a row. */
  readonly fairness: number | undefined;
  /** How often a thread may be overtaken before it starves. */
  readonly starvation: number | undefined;
  readonly stale: boolean;
  readonly promises: Promises;
  /** Pasts of threads behind which an endless spin begins. */
  readonly endless: Set<string>;
  readonly traced: boolean;
  /** Where operations stand; `undefined` if nobody asks. */
  readonly sites: Sites | undefined;
  /** Is the race meant? */
  readonly isAllowed: (race: Race) => boolean;
}
