/*
 * Who waits for which lock, how long, and where: the kernel's lockstat, for this agent.
 *
 * A row is a lock class in one mode. An acquisition is contended if the lock was not to be had at once. Times
 * are milliseconds of this agent's clock, as fine as the platform makes it: a browser may round to 0.1 ms.
 *
 * What nobody holds, a completion for example, has a row in mode "wait": how often it was waited for, and how
 * long. Bounces are acquisitions, or contentions, of a lock that another agent has taken since; they are counted if
 * the agents share a table of owners (owner-table.ts), else 0.
 *
 * Source: Linux Documentation/locking/lockstat.rst.
 */
import type { LockMode } from "./lock-order.ts";

/** How it was wanted; "wait" if nobody ever holds it. */
export type StatMode = LockMode | "wait";

/** Places that are remembered per row; those of the kernel. */
const POINTS_MAX = 4;

/** Count, extremes, sum and mean of some durations, in milliseconds. All 0 if there were none. */
export interface DurationsMs {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly total: number;
  readonly avg: number;
}

/** A line of code that had to wait for the lock, and how often. */
export interface ContentionPoint {
  readonly caller: string;
  readonly count: number;
}

/** One class of locks in one mode. */
export interface LockStatRow {
  readonly className: string;
  readonly mode: StatMode;
  /** Times the lock was got, with and without waiting. */
  readonly acquisitions: number;
  /** Times it was not to be had at once, also if the wait was given up. */
  readonly contentions: number;
  /** Acquisitions after another agent's. */
  readonly acqBounces: number;
  /** Contentions with another agent that took it last. */
  readonly conBounces: number;
  /** How long those waited who got it in the end. */
  readonly waitMs: DurationsMs;
  /** How long it was held; holds that have not ended are not counted. */
  readonly holdMs: DurationsMs;
  /** The first four lines of code that had to wait. */
  readonly contentionPoints: readonly ContentionPoint[];
}

class Durations {
  count = 0;
  min = 0;
  max = 0;
  total = 0;

  add(ms: number): void {
    this.min = this.count === 0 ? ms : Math.min(this.min, ms);
    this.max = Math.max(this.max, ms);
    this.total += ms;
    this.count++;
  }

  merge({ count, min, max, total }: DurationsMs): void {
    if (count === 0) return;
    this.min = this.count === 0 ? min : Math.min(this.min, min);
    this.max = Math.max(this.max, max);
    this.total += total;
    this.count += count;
  }

  toJSON(): DurationsMs {
    const { count, min, max, total } = this;
    return { count, min, max, total, avg: count === 0 ? 0 : total / count };
  }
}

interface Row {
  readonly className: string;
  readonly mode: StatMode;
  acquisitions: number;
  contentions: number;
  acqBounces: number;
  conBounces: number;
  readonly wait: Durations;
  readonly hold: Durations;
  readonly points: Map<string, number>;
}

/** Lock statistics of one agent. */
export class LockStat {
  readonly #rows: Map<string, Row> = new Map();

  /**
   * A lock was not to be had at once.
   *
   * @param caller - the line that waits
   * @param isBounce - had another agent taken it last?
   */
  contended(className: string, mode: StatMode, caller: string, isBounce = false): void {
    const row = this.#row(className, mode);
    row.contentions++;
    if (isBounce) row.conBounces++;
    addPoint(row, caller, 1);
  }

  /**
   * A lock was got.
   *
   * @param waitedMs - `undefined` if it was to be had at once
   * @param isBounce - had another agent taken it last?
   */
  acquired(className: string, mode: StatMode, waitedMs: number | undefined, isBounce = false): void {
    const row = this.#row(className, mode);
    row.acquisitions++;
    if (isBounce) row.acqBounces++;
    if (waitedMs !== undefined) row.wait.add(waitedMs);
  }

  /** A hold has ended, by release or by downgrade. */
  released(className: string, mode: LockMode, heldMs: number): void {
    this.#row(className, mode).hold.add(heldMs);
  }

  /** Adds what another agent's `toJSON()` says. */
  merge(rows: readonly LockStatRow[]): void {
    for (const from of rows) {
      const row = this.#row(from.className, from.mode);
      for (const key of ["acquisitions", "contentions", "acqBounces", "conBounces"] as const) {
        row[key] += from[key];
      }
      row.wait.merge(from.waitMs);
      row.hold.merge(from.holdMs);
      for (const { caller, count } of from.contentionPoints) addPoint(row, caller, count);
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#rows.clear();
  }

  /** The rows as data, most contended first. */
  toJSON(): LockStatRow[] {
    const rows = [...this.#rows.values()].map((row) => ({
      className: row.className,
      mode: row.mode,
      acquisitions: row.acquisitions,
      contentions: row.contentions,
      acqBounces: row.acqBounces,
      conBounces: row.conBounces,
      waitMs: row.wait.toJSON(),
      holdMs: row.hold.toJSON(),
      contentionPoints: [...row.points].map(([caller, count]) => ({ caller, count })),
    }));
    return rows.sort((a, b) => b.contentions - a.contentions || b.acquisitions - a.acquisitions);
  }

  /** A table in the kernel's order of columns, with the contention points under each class; times in milliseconds. */
  toString(): string {
    const rows = this.toJSON();
    const width = Math.max(5, ...rows.map(({ className }) => className.length));
    const times = ["wait-min", "wait-max", "wait-total", "wait-avg"];
    const head = ["con-bounces", "contentions", ...times, "acq-bounces", "acquisitions"];
    head.push(...times.map((time) => time.replace("wait", "hold")));
    const lines = [`${"class".padEnd(width)}  mode   ${head.map(cell).join("  ")}`];
    for (const row of rows) {
      const cells = [...counts(row.conBounces, row.contentions), ...cellsOf(row.waitMs)];
      cells.push(...counts(row.acqBounces, row.acquisitions), ...cellsOf(row.holdMs));
      lines.push(`${row.className.padEnd(width)}  ${row.mode.padEnd(5)}  ${cells.join("  ")}`);
      for (const { caller, count } of row.contentionPoints) lines.push(`    ${count} x ${caller}`);
    }
    return lines.join("\n");
  }

  /** Throws an `Error` naming the row whose numbers contradict each other. */
  validate(): void {
    for (const row of this.toJSON()) {
      const name = `LockStat: ${row.className} (${row.mode})`;
      for (const { min, max, total, count } of [row.waitMs, row.holdMs]) {
        const isOrdered = 0 <= min && min <= max && max <= total + 1e-9;
        if (!isOrdered) throw new Error(`${name}: min ${min}, max ${max}, total ${total}, count ${count}`);
      }
      const points = row.contentionPoints.reduce((sum, { count }) => sum + count, 0);
      if (points > row.contentions)
        throw new Error(`${name}: ${points} at points, ${row.contentions} in all`);
      if (row.acqBounces > row.acquisitions || row.conBounces > row.contentions) {
        throw new Error(`${name}: ${row.acqBounces} and ${row.conBounces} bounces are too many`);
      }
      if (row.waitMs.count > Math.min(row.contentions, row.acquisitions)) {
        throw new Error(`${name}: ${row.waitMs.count} waits, ${row.contentions} contentions`);
      }
    }
  }

  #row(className: string, mode: StatMode): Row {
    const key = `${mode} ${className}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      const counts = { acquisitions: 0, contentions: 0, acqBounces: 0, conBounces: 0, points: new Map() };
      row = { className, mode, ...counts, wait: new Durations(), hold: new Durations() };
      this.#rows.set(key, row);
    }
    return row;
  }
}

function addPoint({ points }: Row, caller: string, count: number): void {
  const known = points.get(caller);
  if (known !== undefined || points.size < POINTS_MAX) points.set(caller, (known ?? 0) + count);
}

function counts(...numbers: number[]): string[] {
  return numbers.map((count) => cell(String(count)));
}

function cell(text: string): string {
  return text.padStart(12);
}

function cellsOf({ min, max, total, avg }: DurationsMs): string[] {
  return [min, max, total, avg].map((ms) => cell(ms.toFixed(3)));
}
