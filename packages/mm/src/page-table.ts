/*
 * Page tables: a radix tree of four levels of 512 entries, as on x86-64, in the arena's words.
 *
 *   a table, 528 words of the slab cache "page-table"        a PTE (entry of a last-level table)
 *     0  page-table lock (spinlock), used at the last level    bit 0  present       bit 4  zero page
 *     3  1 = unlinked                                          bit 1  writable      bit 5  exclusive
 *     4  first page it covers (f64)                            bit 2  anonymous     bit 6  no access (PROT_NONE)
 *     6  level, 0 = last                                       bit 3  of a file     8..31  page frame
 *    16  512 entries: words of tables below, or PTEs
 *
 * Locking. Entries above the last level change under page_table_lock, PTEs under the lock of their table; both
 * are read without any lock. An empty slot is filled after a second look under the lock, and what had been
 * allocated for nothing is freed again. Tables are unlinked when no VMA covers any part of their range, and freed
 * after a grace period: who walks without holding a VMA stays inside an RCU section, and looks at the unlinked
 * word under the table's lock. Order: page_table_lock and table locks are innermost; two table locks are taken in
 * the order of their words.
 *
 * Memory order. A table is zeroed before the Atomics.store that links it, and every walk starts with an
 * Atomics.load of that slot: a walker never sees an entry older than the table.
 */
import type { Arena, SlabCache } from "@faultline/arena";
import { orNoMemory } from "./errors.ts";
import { PAGE_SIZE, VM } from "./flags.ts";
import type { Mm } from "./mm.ts";
import { acquire, type LockRef, type Protocol, release, step, work } from "./protocol.ts";
import type { Vma } from "./vma.ts";

/** Bits of a page-table entry. */
export const PTE = {
  PRESENT: 1,
  WRITE: 2,
  ANON: 4,
  FILE: 8,
  /** The shared page of zeroes; never writable. */
  ZERO: 16,
  /** Anonymous and nobody else's: may become writable without a copy. */
  EXCLUSIVE: 32,
  /** The mapping allows no access at all; the page is kept. */
  NONE: 64,
} as const;

/** Entries of one table. */
export const TABLE_ENTRIES = 512;
const TOP = 3;
const TABLE_WORDS = 528;
/** Bytes that one table stands for in reports of deferred memory: a page. */
export const TABLE_BYTES: number = PAGE_SIZE;
const DEAD = 3;
const FIRST_PAGE = 4;
const LEVEL = 6;
const ENTRIES = 16;
const FRAME_SHIFT = 8;
/** Pages that one entry of a level covers. */
const SPAN: readonly number[] = [1, 512, 512 ** 2, 512 ** 3, 512 ** 4];

/** What is mapped at one page. */
export interface MappedPage {
  readonly address: number;
  readonly pte: number;
}

/** How many pages of each kind are mapped, and tables of all levels. */
export interface PageCounts {
  readonly anon: number;
  readonly file: number;
  readonly zero: number;
  readonly tables: number;
}

/** The slab cache tables come from. */
export function tableCache(arena: Arena): SlabCache {
  return arena.cache({ name: "page-table", objectWords: TABLE_WORDS, alignWords: 16 });
}

/** A present PTE for `frame`. */
export function makePte(bits: number, frame: number): number {
  return (frame << FRAME_SHIFT) | bits | PTE.PRESENT;
}

/** The page frame of a PTE. */
export function frameOf(pte: number): number {
  return pte >>> FRAME_SHIFT;
}

/** A PTE for people: `none`, `zero frame 0 read-only`, `anon frame 3 writable`. */
export function describePte(pte: number): string {
  if (pte === 0) return "none";
  const kind = (pte & PTE.ZERO) !== 0 ? "zero" : (pte & PTE.FILE) !== 0 ? "file" : "anon";
  const access = (pte & PTE.NONE) !== 0 ? "no access" : (pte & PTE.WRITE) !== 0 ? "writable" : "read-only";
  return `${kind} frame ${frameOf(pte)} ${access}`;
}

function indexAt(page: number, level: number): number {
  return Math.floor(page / SPAN[level]!) % TABLE_ENTRIES;
}

/** Word of the slot in `table` that leads to `page`. */
function slotOf(table: number, page: number, level: number): number {
  return table + ENTRIES + indexAt(page, level);
}

/** Word of the PTE of `address` in its last-level table. */
export function pteWord(table: number, address: number): number {
  return slotOf(table, Math.floor(address / PAGE_SIZE), 0);
}

/** The lock of a last-level table. */
export function tableLock(arena: Arena, table: number): LockRef {
  const start = arena.f64[(table + FIRST_PAGE) / 2]! * PAGE_SIZE;
  return { kind: "spinlock", word: table, name: `ptl 0x${start.toString(16)}` };
}

/** Whether `table` has been unlinked; under its lock. */
export function isTableDead(arena: Arena, table: number): boolean {
  return Atomics.load(arena.i32, table + DEAD) !== 0;
}

function loadTable(arena: Arena, slot: number): number {
  const table = Atomics.load(arena.i32, slot);
  arena.ensure(table);
  return table;
}

/** The last-level table of `address`, 0 if there is none. Without locks; see the head of the file. */
export function walkTables(mm: Mm, address: number): number {
  const page = Math.floor(address / PAGE_SIZE);
  let slot = mm.pgdWord;
  for (let level = TOP; ; level--) {
    const table = loadTable(mm.arena, slot);
    if (table === 0 || level === 0) return table;
    slot = slotOf(table, page, level);
  }
}

/** The PTE of `address`, 0 if none; read without a lock. */
export function readPte(mm: Mm, address: number): number {
  const table = walkTables(mm, address);
  return table === 0 ? 0 : Atomics.load(mm.arena.i32, pteWord(table, address));
}

/**
 * The last-level table of `address`, made if missing. Each missing level is allocated outside the lock and linked
 * after a second look under page_table_lock; `mayLink` is asked there too, for those who hold no VMA.
 *
 * @returns the word of the table, 0 if `mayLink` refused
 * @throws MmError ENOMEM; levels made by then stay (kernel: __pte_alloc and those above it)
 */
export function* allocTables(mm: Mm, address: number, mayLink: () => boolean = () => true): Protocol<number> {
  const page = Math.floor(address / PAGE_SIZE);
  let parent = 0;
  let slot = mm.pgdWord;
  for (let level = TOP; ; level--) {
    let table = loadTable(mm.arena, slot);
    if (table === 0) table = yield* linkTable(mm, { page, level, slot, parent, mayLink });
    if (table === 0 || level === 0) return table;
    parent = table;
    slot = slotOf(table, page, level);
  }
}

interface Link {
  readonly page: number;
  readonly level: number;
  readonly slot: number;
  readonly parent: number;
  readonly mayLink: () => boolean;
}

function* linkTable(mm: Mm, link: Link): Protocol<number> {
  yield* work("alloc-page-table");
  const fresh = newTable(mm.arena, link.level, link.page);
  yield* acquire(mm.pageTableLock, "write");
  let table = loadTable(mm.arena, link.slot);
  const unlinked = link.parent !== 0 && isTableDead(mm.arena, link.parent);
  if (table === 0 && !unlinked && link.mayLink()) {
    table = fresh;
    Atomics.store(mm.arena.i32, link.slot, fresh);
  }
  if (table === 0) yield* step("not linked");
  yield* release(mm.pageTableLock, "write");
  if (table !== fresh) tableCache(mm.arena).free(fresh);
  return unlinked ? 0 : table;
}

function newTable(arena: Arena, level: number, page: number): number {
  const word = orNoMemory("page table", () => tableCache(arena).alloc());
  arena.i32.fill(0, word, word + TABLE_WORDS);
  const span = SPAN[level + 1]!;
  arena.f64[(word + FIRST_PAGE) / 2] = Math.floor(page / span) * span;
  arena.i32[word + LEVEL] = level;
  return word;
}

/** A part of a range that lies in one last-level table; pages are numbers, `end` exclusive. */
interface TablePart {
  readonly table: number;
  readonly first: number;
  readonly end: number;
}

/** The first last-level table with a page of `[page, end)`, missing ones skipped. */
function nextPart(mm: Mm, page: number, end: number): TablePart | undefined {
  let at = page;
  descend: while (at < end) {
    let slot = mm.pgdWord;
    for (let level = TOP; ; level--) {
      const table = loadTable(mm.arena, slot);
      const span = SPAN[level + 1]!;
      const next = Math.floor(at / span) * span + span;
      if (table === 0) {
        at = next;
        continue descend;
      }
      if (level === 0) return { table, first: at, end: Math.min(next, end) };
      slot = slotOf(table, at, level);
    }
  }
  return undefined;
}

/** Every last-level table with a page of the byte range `[start, end)`. */
export function* tableParts(mm: Mm, start: number, end: number): Generator<TablePart> {
  const last = Math.ceil(end / PAGE_SIZE);
  let part = nextPart(mm, Math.floor(start / PAGE_SIZE), last);
  while (part !== undefined) {
    yield part;
    part = nextPart(mm, part.end, last);
  }
}

/**
 * Changes the PTEs of `[start, end)`, each table under its lock: `change` answers the new PTE, 0 to clear it.
 * `what` is the cost of one: clearing also frees a page.
 *
 * @returns how many have changed
 */
export function* changePtes(
  mm: Mm,
  start: number,
  end: number,
  change: (pte: number, address: number) => number,
  what: "zap-pte" | "change-pte" = "change-pte",
): Protocol<number> {
  let total = 0;
  for (const part of tableParts(mm, start, end)) {
    const lock = tableLock(mm.arena, part.table);
    yield* acquire(lock, "write");
    let changed = 0;
    for (let page = part.first; page < part.end; page++) {
      const word = slotOf(part.table, page, 0);
      const pte = mm.arena.i32[word]!;
      const wanted = pte === 0 ? 0 : change(pte, page * PAGE_SIZE);
      if (wanted === pte) continue;
      Atomics.store(mm.arena.i32, word, wanted);
      changed++;
    }
    yield* release(lock, "write");
    if (changed > 0) yield* work(what, changed);
    total += changed;
  }
  return total;
}

/** Unlinks the tables whose whole range lies in `[floor, ceiling)`; the result is for freeing after a grace period. */
export function unlinkTables(mm: Mm, start: number, end: number, floor: number, ceiling: number): number[] {
  const unlinked: number[] = [];
  const range = { start: start / PAGE_SIZE, end: end / PAGE_SIZE, floor: floor / PAGE_SIZE, ceiling };
  unlinkBelow(mm.arena, mm.pgdWord, TOP, { ...range, ceiling: ceiling / PAGE_SIZE }, unlinked);
  return unlinked;
}

interface PageRange {
  readonly start: number;
  readonly end: number;
  readonly floor: number;
  readonly ceiling: number;
}

function unlinkBelow(arena: Arena, slot: number, level: number, range: PageRange, unlinked: number[]): void {
  const table = Atomics.load(arena.i32, slot);
  if (table === 0) return;
  const first = arena.f64[(table + FIRST_PAGE) / 2]!;
  if (level > 0) {
    const from = Math.max(range.start, first);
    const to = Math.min(range.end, first + SPAN[level + 1]!);
    for (let at = from; at < to; at = (Math.floor(at / SPAN[level]!) + 1) * SPAN[level]!) {
      unlinkBelow(arena, slotOf(table, at, level), level - 1, range, unlinked);
    }
  }
  if (first < range.floor || first + SPAN[level + 1]! > range.ceiling) return;
  Atomics.store(arena.i32, table + DEAD, 1);
  Atomics.store(arena.i32, slot, 0);
  unlinked.push(table);
}

/** All mapped pages of `[start, end)` in order of address. */
export function* mappedPages(mm: Mm, start = 0, end: number = SPAN[4]! * PAGE_SIZE): Generator<MappedPage> {
  for (const part of tableParts(mm, start, end)) {
    for (let page = part.first; page < part.end; page++) {
      const pte = mm.arena.i32[slotOf(part.table, page, 0)]!;
      if (pte !== 0) yield { address: page * PAGE_SIZE, pte };
    }
  }
}

/** Counts pages by kind and the tables that hold them. */
export function countPages(mm: Mm): PageCounts {
  const counts = { anon: 0, file: 0, zero: 0, tables: countTables(mm.arena, mm.pgdWord, TOP) };
  for (const { pte } of mappedPages(mm)) {
    if ((pte & PTE.ZERO) !== 0) counts.zero++;
    else if ((pte & PTE.FILE) !== 0) counts.file++;
    else counts.anon++;
  }
  return counts;
}

function countTables(arena: Arena, slot: number, level: number): number {
  const table = loadTable(arena, slot);
  if (table === 0) return 0;
  let count = 1;
  for (let index = 0; level > 0 && index < TABLE_ENTRIES; index++) {
    count += countTables(arena, table + ENTRIES + index, level - 1);
  }
  return count;
}

/** What is wrong with the page tables: pages in no mapping, or with rights their mapping does not give. */
export function pageViolations(mm: Mm): string[] {
  const violations: string[] = [];
  for (const { address, pte } of mappedPages(mm)) {
    const why = violationOf(mm.tree.at(address), pte);
    if (why !== undefined) violations.push(`page 0x${address.toString(16)} ${why}`);
  }
  return violations;
}

function violationOf(vma: Vma | undefined, pte: number): string | undefined {
  if (vma === undefined) return "is mapped in no VMA";
  if ((pte & PTE.PRESENT) === 0) return `has a PTE that is not present: ${pte}`;
  const anonymous = (pte & PTE.ANON) !== 0;
  if ((pte & PTE.FILE) !== 0 && vma.file === 0) return `is of a file, in the anonymous VMA ${vma}`;
  if (anonymous && vma.anonVma === 0) return `is anonymous, in VMA ${vma} without anon_vma`;
  if ((pte & PTE.WRITE) === 0) return undefined;
  if ((vma.vmFlags & VM.WRITE) === 0) return `is writable, VMA ${vma} is not`;
  if ((pte & PTE.ZERO) !== 0) return "is the zero page, and writable";
  if (anonymous && (pte & PTE.EXCLUSIVE) === 0) return "is writable and shared with another process";
  if ((pte & PTE.FILE) !== 0 && (vma.vmFlags & VM.SHARED) === 0) return "is writable, file and private";
  return undefined;
}
