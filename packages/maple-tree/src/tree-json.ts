import type { TreeCore, TreeOptions } from "./core.ts";
import type { IndexDomain } from "./geometry.ts";

/** A tree's contents as plain data: what `toJSON()` gives and `fromJSON()` takes. */
export interface TreeJSON<V> {
  /** Does the tree keep gaps? */
  readonly gaps: boolean;
  /** Which indices the tree has; not there for the default, `u53`. */
  readonly domain?: IndexDomain;
  /** The stored ranges, ascending: first and last index, both inclusive, and the value. */
  readonly ranges: readonly (readonly [first: number, last: number, value: V])[];
}

/** What a tree's JSON says of it beside its ranges. */
export function jsonHead({
  gaps,
  domain,
}: Pick<TreeCore, "gaps" | "domain">): Omit<TreeJSON<unknown>, "ranges"> {
  return domain === "u53" ? { gaps } : { gaps, domain };
}

/** How the tree is made that this is the JSON of. */
export function jsonOptions({ gaps, domain }: TreeJSON<unknown>): Pick<TreeOptions, "gaps" | "domain"> {
  return domain === undefined ? { gaps } : { gaps, domain };
}
