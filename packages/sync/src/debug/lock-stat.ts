/*
 * Who waits for which lock, how long, and where: the kernel's lockstat, for this agent.
 *
 * A row is a lock class in one mode. An acquisition is contended if the lock was not to be had at once. Times
 * are milliseconds of this agent's clock, as fine as the platform makes it: a browser may round to 0.1 ms.
 *
 * Left out are the kernel's "bounces", acquisitions by another CPU than the one before: the locks record no
 * owner, and counting it here would need a shared word per lock.
 *
 * Source: Linux Documentation/locking/lockstat.rst.
 */
import type { LockMode } from "./lock-order.ts";

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
  readonly mode: LockMode;
  /** Times the lock was got, with and without waiting. */
  readonly acquisitions: number;
  /** Times it was not to be had at once, also if the wait was given up. */
  readonly contentions: number;
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

  toJSON(): DurationsMs {
    const { count, min, max, total } = this;
    return { count, min, max, total, avg: count === 0 ? 0 : total / count };
  }
}

interface Row {
  readonly className: string;
  readonly mode: LockMode;
  acquisitions: number;
  contentions: number;
  readonly wait: Durations;
  readonly hold: Durations;
  readonly points: Map<string, number>;
}

/** Lock statistics of one agent. */
export class LockStat {
  readonly #rows: Map<string, Row> = new Map();

  /** A lock was not to be had at once. @param caller - the line that waits */
  contended(className: string, mode: LockMode, caller: string): void {
    const row = this.#row(className, mode);
    row.contentions++;
    const count = row.points.get(caller);
    if (count !== undefined || row.points.size < POINTS_MAX) row.points.set(caller, (count ?? 0) + 1);
  }

  /** A lock was got. @param waitedMs - `undefined` if it was to be had at once */
  acquired(className: string, mode: LockMode, waitedMs: number | undefined): void {
    const row = this.#row(className, mode);
    row.acquisitions++;
    if (waitedMs !== undefined) row.wait.add(waitedMs);
  }

  /** A hold has ended, by release or by downgrade. */
  released(className: string, mode: LockMode, heldMs: number): void {
    this.#row(className, mode).hold.add(heldMs);
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
      waitMs: row.wait.toJSON(),
      holdMs: row.hold.toJSON(),
      contentionPoints: [...row.points].map(([caller, count]) => ({ caller, count })),
    }));
    return rows.sort((a, b) => b.contentions - a.contentions || b.acquisitions - a.acquisitions);
  }

  /** A table, with the contention points under each class; times in milliseconds. */
  toString(): string {
    const rows = this.toJSON();
    const width = Math.max(5, ...rows.map(({ className }) => className.length));
    const times = ["wait-min", "wait-max", "wait-total", "wait-avg"];
    const head = [
      "contentions",
      "acquisitions",
      ...times,
      ...times.map((time) => time.replace("wait", "hold")),
    ];
    const lines = [`${"class".padEnd(width)}  mode   ${head.map(cell).join("  ")}`];
    for (const row of rows) {
      const cells = [row.contentions, row.acquisitions].map((count) => cell(String(count)));
      cells.push(...cellsOf(row.waitMs), ...cellsOf(row.holdMs));
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
      if (row.waitMs.count > Math.min(row.contentions, row.acquisitions)) {
        throw new Error(`${name}: ${row.waitMs.count} waits, ${row.contentions} contentions`);
      }
    }
  }

  #row(className: string, mode: LockMode): Row {
    const key = `${mode} ${className}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      const counts = { acquisitions: 0, contentions: 0, points: new Map() };
      row = { className, mode, ...counts, wait: new Durations(), hold: new Durations() };
      this.#rows.set(key, row);
    }
    return row;
  }
}

function cell(text: string): string {
  return text.padStart(12);
}

function cellsOf({ min, max, total, avg }: DurationsMs): string[] {
  return [min, max, total, avg].map((ms) => cell(ms.toFixed(3)));
}
