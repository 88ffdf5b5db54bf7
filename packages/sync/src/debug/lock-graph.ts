/*
 * "Held A, then took B": the graph of lock classes, and the search for a circle in it.
 *
 * A circle means that some schedule deadlocks, even if no run has done so yet: each thread in it holds one
 * class and waits for the next. With readers that is not quite so. An edge A -> B says how A was held (shared
 * or not) and how B was wanted (by a recursive reader or not). A recursive reader waits only for a writer,
 * never for another reader; so where a circle arrives at a class as a recursive reader and leaves it from a
 * shared hold, the two do not wait for each other, and it is no deadlock. A reader of RwSem is not recursive:
 * it waits behind a queued writer, who waits for the reader that holds, so reads in opposite order count.
 *
 * Source: Linux Documentation/locking/lockdep-design.rst, "strong dependency paths".
 */
import type { Site } from "./site.ts";

/** One end of an edge: a class as it was held, or as it was wanted. */
export interface GraphLock {
  readonly className: string;
  readonly isShared: boolean;
  /** Only for a wanted lock: a reader that does not wait behind queued writers. */
  readonly isRecursiveRead: boolean;
  /** Where it was taken. */
  readonly site: Pick<Site, "stack">;
}

/** "`to` was taken while `from` was held", with the place where that was first seen. */
export interface LockEdge {
  readonly from: GraphLock;
  readonly to: GraphLock;
}

interface Step {
  readonly className: string;
  readonly arrivedRecursive: boolean;
  readonly edge: LockEdge;
  readonly before: Step | undefined;
}

/** Dependencies between lock classes of one agent, or of several after `merge`. */
export class LockGraph {
  /** By `from`, then by `to` and the two modes. */
  readonly #edges: Map<string, Map<string, LockEdge>> = new Map();

  /** Has this very dependency been seen? */
  has(edge: LockEdge): boolean {
    return this.#edges.get(edge.from.className)?.has(edgeKey(edge)) === true;
  }

  /** Remembers a dependency; the first sighting stays, as it is the one with the earliest stacks. */
  add(edge: LockEdge): void {
    let out = this.#edges.get(edge.from.className);
    if (out === undefined) {
      out = new Map();
      this.#edges.set(edge.from.className, out);
    }
    if (!out.has(edgeKey(edge))) out.set(edgeKey(edge), edge);
  }

  /** The known dependencies that together with `edge` make a deadlock possible, shortest first found. */
  findCycle(edge: LockEdge): readonly LockEdge[] | undefined {
    const goal = edge.from;
    const visited = new Set<string>();
    const queue: Step[] = [];
    this.#expand(edge.to.className, edge.to.isRecursiveRead, undefined, visited, queue);
    for (let at = 0; at < queue.length; at++) {
      const step = queue[at];
      const closes = step.className === goal.className && !(step.arrivedRecursive && goal.isShared);
      if (closes) return chainOf(step);
      this.#expand(step.className, step.arrivedRecursive, step, visited, queue);
    }
    return undefined;
  }

  /** A shortest chain of known dependencies from a class to one that `isGoal`, `undefined` if there is none. */
  findPath(from: string, isGoal: (className: string) => boolean): readonly LockEdge[] | undefined {
    const visited = new Set<string>();
    const queue: Step[] = [];
    this.#expand(from, false, undefined, visited, queue);
    for (let at = 0; at < queue.length; at++) {
      const step = queue[at];
      if (isGoal(step.className)) return chainOf(step);
      this.#expand(step.className, false, step, visited, queue);
    }
    return undefined;
  }

  /** Throws an `Error` naming the dependency that is filed under another class, or leads to its own. */
  validate(): void {
    for (const [from, out] of this.#edges) {
      for (const [key, edge] of out) {
        const text = `LockGraph: ${describe(edge.from)} -> ${describe(edge.to)}`;
        if (edge.from.className !== from || edgeKey(edge) !== key) {
          throw new Error(`${text} is filed under ${from}, ${key}`);
        }
        if (edge.to.className === from) throw new Error(`${text} leads to the class it comes from`);
      }
    }
  }

  #expand(
    from: string,
    arrivedRecursive: boolean,
    before: Step | undefined,
    visited: Set<string>,
    queue: Step[],
  ): void {
    for (const edge of this.#edges.get(from)?.values() ?? []) {
      if (arrivedRecursive && edge.from.isShared) continue;
      const { className, isRecursiveRead } = edge.to;
      const key = `${className} ${isRecursiveRead}`;
      if (visited.has(key)) continue;
      visited.add(key);
      queue.push({ className, arrivedRecursive: isRecursiveRead, edge, before });
    }
  }

  /** Every dependency as plain data: post it to another agent, which merges it. */
  toJSON(): LockEdge[] {
    const all = [...this.#edges.values()].flatMap((out) => [...out.values()]);
    return all.map(({ from, to }) => ({ from: plain(from), to: plain(to) }));
  }

  /** One dependency a line, as in `inode -> page (read)`. */
  toString(): string {
    const all = [...this.#edges.values()].flatMap((out) => [...out.values()]);
    return all.map(({ from, to }) => `${describe(from)} -> ${describe(to)}`).join("\n");
  }
}

/** A class and the mode, as reports write it. */
export function describe(lock: Pick<GraphLock, "className" | "isShared">): string {
  return lock.isShared ? `${lock.className} (read)` : lock.className;
}

function edgeKey({ from, to }: LockEdge): string {
  return `${from.isShared} ${to.isShared} ${to.isRecursiveRead} ${to.className}`;
}

function plain(lock: GraphLock): GraphLock {
  const { className, isShared, isRecursiveRead, site } = lock;
  return { className, isShared, isRecursiveRead, site: { stack: [...site.stack] } };
}

function chainOf(last: Step): LockEdge[] {
  const chain: LockEdge[] = [];
  for (let step: Step | undefined = last; step !== undefined; step = step.before) chain.unshift(step.edge);
  return chain;
}
