/* Trees and cursors of a case, by the numbers the trace gives them. */
import { Arena } from "@faultline/arena";
import {
  KERNEL_GEOMETRY,
  type MapleCursor,
  MapleError,
  type Reservation,
  SharedMapleTree,
} from "@faultline/maple-tree";
import { Entries } from "./suite-values.ts";
import type { ReplayOptions } from "./trace.ts";

/** Bits of a tree's recorded flags. */
const FLAG_GAPS = 1;
const FLAG_RCU = 2;

const ERRNO = { EPERM: -1, ENOMEM: -12, EBUSY: -16, EEXIST: -17, EINVAL: -22 } as const;

/** A cursor of the trace: what it belongs to, and nodes it has reserved. */
export interface SuiteCursor {
  readonly tree: number;
  /** The cursor, and the tree it was made for: a number can be given to another tree later. */
  cursor: MapleCursor;
  of: SharedMapleTree;
  reservation: Reservation | undefined;
}

/** Everything a case works on. */
export class SuiteState {
  readonly entries: Entries = new Entries();
  readonly #arena: Arena = Arena.create({ bytes: 1 << 20, bytesMax: 2 ** 31 });
  readonly #flags = new Map<number, number>();
  readonly #trees = new Map<number, SharedMapleTree>();
  readonly #cursors = new Map<number, SuiteCursor>();
  readonly #injects: boolean;
  readonly #options: ReplayOptions;
  /** Nodes that calls which may not sleep can still take. */
  budget = 0;
  /** May the next call not sleep? */
  nowait = false;

  constructor(injects: boolean, options: ReplayOptions) {
    this.#injects = injects;
    this.#options = options;
  }

  /** Makes tree `t` anew, empty. */
  makeTree(t: number, flags: number): SharedMapleTree {
    this.#flags.set(t, flags);
    const rcu = this.#options.rcu ?? (flags & FLAG_RCU) !== 0;
    const tree = SharedMapleTree.create(this.#arena, {
      geometry: KERNEL_GEOMETRY,
      gaps: (flags & FLAG_GAPS) !== 0,
      rcu,
      lock: "none",
    });
    return this.putTree(t, tree);
  }

  /** Copies tree `t` to tree `to`, which has to be empty and of the same flags. @returns the errno */
  duplicate(t: number, to: number): number {
    const target = this.#trees.get(to);
    if (target !== undefined && (!target.isEmpty || this.#flags.get(t) !== this.#flags.get(to))) {
      return ERRNO.EINVAL;
    }
    this.#flags.set(to, this.#flags.get(t) ?? 0);
    return errnoOf(() => this.putTree(to, this.tree(t).clone()));
  }

  setRcu(t: number, on: boolean): void {
    const flags = this.#flags.get(t) ?? 0;
    this.#flags.set(t, on ? flags | FLAG_RCU : flags & ~FLAG_RCU);
    this.tree(t).rcuMode = this.#options.rcu ?? on;
  }

  /** Makes `tree` number `t`. */
  putTree(t: number, tree: SharedMapleTree): SharedMapleTree {
    tree.onAllocate = (nodes) => this.#mayAllocate(nodes);
    this.#trees.set(t, tree);
    return tree;
  }

  tree(t: number): SharedMapleTree {
    return this.#trees.get(t) ?? this.makeTree(t, 0);
  }

  makeCursor(m: number, t: number, first: number, last: number): void {
    this.#cursors.get(m)?.reservation?.release();
    const of = this.tree(t);
    this.#cursors.set(m, { tree: t, cursor: of.cursor(first, last), of, reservation: undefined });
  }

  /** Cursor `m`; if its tree has been made anew since, the same place in the new one. */
  cursor(m: number): SuiteCursor {
    const found = this.#cursors.get(m);
    if (found === undefined) throw new Error(`cursor ${m} was never declared`);
    const tree = this.tree(found.tree);
    if (found.of !== tree) {
      found.of = tree;
      found.cursor = tree.cursor(found.cursor.index, found.cursor.last);
    }
    return found;
  }

  /** What is wrong with any tree. */
  validate(): string[] {
    return [...this.#trees].flatMap(([t, tree]) =>
      tree.validate().map((v) => `tree ${t}: ${v.invariant} violated: ${v.message}`),
    );
  }

  #mayAllocate(nodes: number): boolean {
    if (!this.#injects || !this.nowait) return true;
    if (nodes > this.budget) return false;
    this.budget -= nodes;
    return true;
  }
}

/** The errno of a refusal, or 0; rethrows anything else. */
export function errnoOf(call: () => void): number {
  try {
    call();
    return 0;
  } catch (error) {
    if (error instanceof MapleError) return ERRNO[error.code];
    throw error;
  }
}
