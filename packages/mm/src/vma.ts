/*
 * A VMA: 32 words of the arena's slab cache "vma", 16-word aligned.
 *
 *   word
 *    0  vm_start, bytes (f64)        8  file id      12  vm_lock_seq (-1 = never locked)
 *    2  vm_end, bytes (f64)          9  name id      13  1 = attached (in the tree)
 *    4  vm_pgoff, pages (f64)       10  anon_vma id  14  word of the address space
 *    6  vm_flags                    11  chain length 15  1 = has a close hook
 *   16  vm_lock, alone in its cache line: >0 readers, -1 a writer
 *
 * Which locks make a field readable or writable is the design's business (mm's README has the table). The
 * plain accesses here rely on it: a VMA is stable under mmap_lock or its own read lock. vm_lock_seq and the
 * attached word are also read by agents that hold neither, so they go through Atomics.
 */
import type { Arena, SlabCache } from "@faultline/arena";
import { orNoMemory } from "./errors.ts";
import { PAGE_SIZE, permsOf } from "./flags.ts";
import type { LineRef, LockRef } from "./protocol.ts";

/** Words of a VMA record. */
export const VMA_WORDS = 32;
/** VMA records start at multiples of this; a handle is `word / VMA_ALIGN`. */
export const VMA_ALIGN = 16;

const START = 0;
const END = 2;
const PGOFF = 4;
const FLAGS = 6;
const FILE = 8;
const NAME = 9;
const ANON_VMA = 10;
const ANON_CHAIN = 11;
const LOCK_SEQ = 12;
const ATTACHED = 13;
const MM = 14;
const CLOSE = 15;
const LOCK = 16;

/** One mapping as plain data. */
export interface VmaInfo {
  /** First byte, and first byte after. */
  readonly start: number;
  readonly end: number;
  readonly vmFlags: number;
  /** Page of the file at `start`; of anonymous memory: where it was created. */
  readonly pgoff: number;
  /** Id in the address space's {@link FileTable}; 0 = anonymous. */
  readonly file: number;
  /** Name id in the table (`[stack]`); 0 = none. */
  readonly name: number;
  /** 0 = no page was ever written. */
  readonly anonVma: number;
}

/** The slab cache VMAs come from. */
export function vmaCache(arena: Arena): SlabCache {
  return arena.cache({ name: "vma", objectWords: VMA_WORDS, alignWords: VMA_ALIGN });
}

/** A view of one VMA record. Two views of the same word are the same VMA. */
export class Vma {
  readonly arena: Arena;
  /** First word of the record. */
  readonly word: number;

  constructor(arena: Arena, word: number) {
    this.arena = arena;
    this.word = word;
  }

  /** A zeroed, detached record. @throws MmError ENOMEM */
  static alloc(arena: Arena, mmWord: number): Vma {
    const word = orNoMemory("VMA", () => vmaCache(arena).alloc());
    const vma = new Vma(arena, word);
    arena.i32.fill(0, word, word + VMA_WORDS);
    vma.vmLockSeq = -1;
    arena.i32[word + MM] = mmWord;
    return vma;
  }

  /** What the tree stores. */
  get handle(): number {
    return this.word / VMA_ALIGN;
  }

  get vmStart(): number {
    return this.#f64(START);
  }
  set vmStart(value: number) {
    this.arena.f64[(this.word + START) / 2] = value;
  }

  get vmEnd(): number {
    return this.#f64(END);
  }
  set vmEnd(value: number) {
    this.arena.f64[(this.word + END) / 2] = value;
  }

  /** Pages. */
  get vmPgoff(): number {
    return this.#f64(PGOFF);
  }
  set vmPgoff(value: number) {
    this.arena.f64[(this.word + PGOFF) / 2] = value;
  }

  get vmFlags(): number {
    return this.#i32(FLAGS);
  }
  set vmFlags(value: number) {
    this.arena.i32[this.word + FLAGS] = value;
  }

  /** Id of the open file; 0 = private anonymous memory. */
  get file(): number {
    return this.#i32(FILE);
  }
  set file(value: number) {
    this.arena.i32[this.word + FILE] = value;
  }

  /** Id of a name in the file table; 0 = none. */
  get name(): number {
    return this.#i32(NAME);
  }
  set name(value: number) {
    this.arena.i32[this.word + NAME] = value;
  }

  /** 0 until the first write fault. */
  get anonVma(): number {
    return this.#i32(ANON_VMA);
  }
  /** Length of the anon_vma chain: 0 = none, 1 = own, more = inherited by fork. */
  get anonChain(): number {
    return this.#i32(ANON_CHAIN);
  }
  /** Sets or (0, 0) unlinks the anon_vma. */
  setAnonVma(anonVma: number, chain: number): void {
    this.arena.i32[this.word + ANON_VMA] = anonVma;
    this.arena.i32[this.word + ANON_CHAIN] = chain;
  }

  /** Equal to the address space's mmLockSeq: write-locked. */
  get vmLockSeq(): number {
    return Atomics.load(this.arena.i32, this.word + LOCK_SEQ);
  }
  set vmLockSeq(value: number) {
    Atomics.store(this.arena.i32, this.word + LOCK_SEQ, value);
  }

  /** Whether the tree leads here. */
  get isAttached(): boolean {
    return Atomics.load(this.arena.i32, this.word + ATTACHED) === 1;
  }
  set isAttached(value: boolean) {
    Atomics.store(this.arena.i32, this.word + ATTACHED, value ? 1 : 0);
  }

  /** Word of the address space this VMA belongs to. */
  get mmWord(): number {
    return this.#i32(MM);
  }

  /** Whether the mapping's owner wants to hear of its end; such a VMA is not removed by joining. */
  get hasClose(): boolean {
    return this.#i32(CLOSE) === 1;
  }
  set hasClose(value: boolean) {
    this.arena.i32[this.word + CLOSE] = value ? 1 : 0;
  }

  get pages(): number {
    return (this.vmEnd - this.vmStart) / PAGE_SIZE;
  }

  /** The VMA's own lock (§4); 16 words, the first of which is used. */
  get lock(): LockRef {
    const range = `${this.vmStart.toString(16)}-${this.vmEnd.toString(16)}`;
    return { kind: "vma", word: this.word + LOCK, name: `vma ${range}` };
  }

  /** The record's first cache line, for cost models. */
  get line(): LineRef {
    return { word: this.word, name: "vma" };
  }

  /** The offset that belongs to `address`, in pages. */
  pgoffAt(address: number): number {
    return this.vmPgoff + (address - this.vmStart) / PAGE_SIZE;
  }

  setRange(start: number, end: number, pgoff: number): void {
    this.vmStart = start;
    this.vmEnd = end;
    this.vmPgoff = pgoff;
  }

  /** Everything but range, lock and attachment (kernel: vm_area_dup). */
  copyAttributes(from: Vma): void {
    this.vmFlags = from.vmFlags;
    this.file = from.file;
    this.name = from.name;
    this.hasClose = from.hasClose;
    this.setAnonVma(from.anonVma, from.anonChain);
  }

  info(): VmaInfo {
    return {
      start: this.vmStart,
      end: this.vmEnd,
      vmFlags: this.vmFlags,
      pgoff: this.vmPgoff,
      file: this.file,
      name: this.name,
      anonVma: this.anonVma,
    };
  }

  toString(): string {
    return `${this.vmStart.toString(16)}-${this.vmEnd.toString(16)} ${permsOf(this.vmFlags)}`;
  }

  #i32(offset: number): number {
    return this.arena.i32[this.word + offset]!;
  }

  #f64(offset: number): number {
    return this.arena.f64[(this.word + offset) / 2]!;
  }
}
