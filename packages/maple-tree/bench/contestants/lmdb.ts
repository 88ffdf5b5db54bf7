import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open, type RootDatabase } from "lmdb";
import type { Contestant, RangeMap } from "../range-map.ts";

const folder = mkdtempSync(join(tmpdir(), "faultline-lmdb-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
let files = 0;

const VALUE_BYTES = 16;
const scratch = Buffer.alloc(VALUE_BYTES);

/**
 * The ordered map that workers and processes can share: a file in memory. Keys are last bytes, so that a look-up
 * is one search upwards. Without syncing to the disk, and with one transaction around all changes of a workload.
 */
class LmdbRanges implements RangeMap {
  readonly database: RootDatabase<Buffer, number>;

  constructor() {
    this.database = open<Buffer, number>({
      path: join(folder, String(files++)),
      encoding: "binary",
      noSync: true,
      mapSize: 2 ** 32,
      compression: false,
    });
  }

  insert(start: number, end: number, value: number): void {
    scratch.writeDoubleLE(start, 0);
    scratch.writeInt32LE(value, 8);
    this.database.putSync(end - 1, scratch);
  }

  lookup(address: number): number {
    for (const { value } of this.database.getRange({ start: address, limit: 1, snapshot: false })) {
      return value.readDoubleLE(0) <= address ? value.readInt32LE(8) : 0;
    }
    return 0;
  }

  sum(): number {
    return this.window(0, Number.POSITIVE_INFINITY);
  }

  window(address: number, most: number): number {
    let sum = 0;
    const limit = Number.isFinite(most) ? { limit: most } : {};
    for (const { key, value } of this.database.getRange({ start: address, ...limit })) {
      sum += value.readDoubleLE(0) + (key + 1) + value.readInt32LE(8);
    }
    return sum;
  }

  overwrite(): never {
    throw new Error("not measured");
  }

  erase(): never {
    throw new Error("not measured");
  }

  gapLow(): never {
    throw new Error("not measured");
  }

  gapHigh(): never {
    throw new Error("not measured");
  }

  visit(fn: (start: number, end: number, value: number) => void): void {
    for (const { key, value } of this.database.getRange({ start: 0 })) {
      fn(value.readDoubleLE(0), key + 1, value.readInt32LE(8));
    }
  }
}

export const contestant: Contestant = {
  make: () => new LmdbRanges(),
  batch: (map, fn) => (map as LmdbRanges).database.transactionSync(fn),
  most: { W5: 0, W6: 0, W7: 0 },
  lookups: 100_000,
};
