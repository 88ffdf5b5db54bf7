/*
 * The flag words: vm_flags of a VMA, prot and flags of the calls, and their spellings.
 *
 * vm_flags has the kernel's bits (include/linux/mm.h), except for the two that live above bit 31 there:
 * SEALED and MAYBE_GUARD are put into bits which the kernel uses for things that do not exist here.
 */

/** Bytes of a page. */
export const PAGE_SIZE = 4096;
/** First address after user space (x86-64, 4 levels). */
export const TASK_SIZE = 0x7fff_ffff_f000;

/** Bits of `vmFlags`. */
export const VM = {
  READ: 0x1,
  WRITE: 0x2,
  EXEC: 0x4,
  SHARED: 0x8,
  MAYREAD: 0x10,
  MAYWRITE: 0x20,
  MAYEXEC: 0x40,
  MAYSHARE: 0x80,
  GROWSDOWN: 0x100,
  PFNMAP: 0x400,
  SEALED: 0x800,
  MAYBE_GUARD: 0x1000,
  LOCKED: 0x2000,
  IO: 0x4000,
  SEQ_READ: 0x8000,
  RAND_READ: 0x1_0000,
  DONTCOPY: 0x2_0000,
  DONTEXPAND: 0x4_0000,
  LOCKONFAULT: 0x8_0000,
  ACCOUNT: 0x10_0000,
  NORESERVE: 0x20_0000,
  WIPEONFORK: 0x200_0000,
  DONTDUMP: 0x400_0000,
  SOFTDIRTY: 0x800_0000,
  MIXEDMAP: 0x1000_0000,
  HUGEPAGE: 0x2000_0000,
  NOHUGEPAGE: 0x4000_0000,
  /** Bit 31, the sign of a 32-bit word. */
  MERGEABLE: -0x8000_0000,
} as const;

/** Read, write, execute: what a fault may do. */
export const VM_ACCESS: number = VM.READ | VM.WRITE | VM.EXEC;
/** Mappings with one of these never join a neighbour. */
export const VM_SPECIAL: number = VM.IO | VM.DONTEXPAND | VM.PFNMAP | VM.MIXEDMAP;
/** What `mlock` sets and `munlock` clears. */
export const VM_LOCKED_MASK: number = VM.LOCKED | VM.LOCKONFAULT;
/** Differences that do not keep neighbours apart. */
export const VM_IGNORE_MERGE: number = VM.SOFTDIRTY | VM.MAYBE_GUARD;

/** `prot` of mmap and mprotect. */
export const PROT = { NONE: 0, READ: 1, WRITE: 2, EXEC: 4, GROWSDOWN: 0x0100_0000 } as const;

/** `flags` of mmap. */
export const MAP = {
  SHARED: 1,
  PRIVATE: 2,
  SHARED_VALIDATE: 3,
  TYPE: 0xf,
  FIXED: 0x10,
  ANONYMOUS: 0x20,
  GROWSDOWN: 0x100,
  LOCKED: 0x2000,
  NORESERVE: 0x4000,
  POPULATE: 0x8000,
  SYNC: 0x8_0000,
  FIXED_NOREPLACE: 0x10_0000,
} as const;

/** `flags` of mremap. */
export const MREMAP = { MAYMOVE: 1, FIXED: 2, DONTUNMAP: 4 } as const;

const CODES: readonly (readonly [code: string, bit: number])[] = [
  ["ac", VM.ACCOUNT],
  ["dc", VM.DONTCOPY],
  ["dd", VM.DONTDUMP],
  ["de", VM.DONTEXPAND],
  ["ex", VM.EXEC],
  ["gd", VM.GROWSDOWN],
  ["gu", VM.MAYBE_GUARD],
  ["hg", VM.HUGEPAGE],
  ["io", VM.IO],
  ["lf", VM.LOCKONFAULT],
  ["lo", VM.LOCKED],
  ["me", VM.MAYEXEC],
  ["mg", VM.MERGEABLE],
  ["mm", VM.MIXEDMAP],
  ["mr", VM.MAYREAD],
  ["ms", VM.MAYSHARE],
  ["mw", VM.MAYWRITE],
  ["nh", VM.NOHUGEPAGE],
  ["nr", VM.NORESERVE],
  ["pf", VM.PFNMAP],
  ["rd", VM.READ],
  ["rr", VM.RAND_READ],
  ["sd", VM.SOFTDIRTY],
  ["sh", VM.SHARED],
  ["sl", VM.SEALED],
  ["sr", VM.SEQ_READ],
  ["wf", VM.WIPEONFORK],
  ["wr", VM.WRITE],
];

/** The sorted two-letter codes of `vmFlags`, as the VmFlags line of /proc/PID/smaps spells them. */
export function vmFlagCodes(vmFlags: number): string {
  return CODES.filter(([, bit]) => (vmFlags & bit) !== 0)
    .map(([code]) => code)
    .join(" ");
}

/** The inverse of {@link vmFlagCodes}, in any order. @throws RangeError on an unknown code */
export function parseVmFlagCodes(codes: string): number {
  let vmFlags = 0;
  for (const code of codes.split(" ").filter((word) => word !== "")) {
    const found = CODES.find(([name]) => name === code);
    if (found === undefined) throw new RangeError(`parseVmFlagCodes: unknown code ${JSON.stringify(code)}`);
    vmFlags |= found[1];
  }
  return vmFlags;
}

/** The four letters of /proc/PID/maps: `rw-p`. */
export function permsOf(vmFlags: number): string {
  const letter = (bit: number, name: string): string => ((vmFlags & bit) !== 0 ? name : "-");
  const kind = (vmFlags & VM.MAYSHARE) !== 0 ? "s" : "p";
  return letter(VM.READ, "r") + letter(VM.WRITE, "w") + letter(VM.EXEC, "x") + kind;
}

/** vm_flags of a mapping of which only the four letters are known. Private writable memory is accounted. */
export function vmFlagsOfPerms(perms: string): number {
  if (!/^[r-][w-][x-][sp]$/.test(perms))
    throw new RangeError(`vmFlagsOfPerms: bad perms ${JSON.stringify(perms)}`);
  const may = VM.MAYREAD | VM.MAYWRITE | VM.MAYEXEC;
  const vmFlags = may | parseProt(perms.slice(0, 3).replaceAll("-", ""));
  if (perms[3] === "s") return vmFlags | VM.MAYSHARE | VM.SHARED;
  return (vmFlags & VM.WRITE) !== 0 ? vmFlags | VM.ACCOUNT : vmFlags;
}

const PROT_LETTERS: Readonly<Record<string, number>> = {
  r: PROT.READ,
  w: PROT.WRITE,
  x: PROT.EXEC,
  D: PROT.GROWSDOWN,
};

/** `prot` from letters of `rwx` (and `D`, PROT_GROWSDOWN); the empty string is PROT_NONE. */
export function parseProt(letters: string): number {
  let prot = 0;
  for (const letter of letters) {
    const bit = PROT_LETTERS[letter];
    if (bit === undefined) throw new RangeError(`parseProt: unknown letter ${JSON.stringify(letter)}`);
    prot |= bit;
  }
  return prot;
}

const MAP_NAMES: Readonly<Record<string, number>> = {
  shared: MAP.SHARED,
  private: MAP.PRIVATE,
  shared_validate: MAP.SHARED_VALIDATE,
  fixed: MAP.FIXED,
  anon: MAP.ANONYMOUS,
  growsdown: MAP.GROWSDOWN,
  locked: MAP.LOCKED,
  noreserve: MAP.NORESERVE,
  populate: MAP.POPULATE,
  sync: MAP.SYNC,
  fixed_noreplace: MAP.FIXED_NOREPLACE,
};

/** `flags` of mmap from lower-case names without `MAP_`. @throws RangeError on an unknown name */
export function parseMapFlags(names: Iterable<string>): number {
  return parseNames("parseMapFlags", MAP_NAMES, names);
}

const MREMAP_NAMES: Readonly<Record<string, number>> = {
  maymove: MREMAP.MAYMOVE,
  fixed: MREMAP.FIXED,
  dontunmap: MREMAP.DONTUNMAP,
  bad: 1 << 20,
};

/** `flags` of mremap from lower-case names without `MREMAP_`; `bad` is a bit that does not exist. */
export function parseMremapFlags(names: Iterable<string>): number {
  return parseNames("parseMremapFlags", MREMAP_NAMES, names);
}

function parseNames(call: string, table: Readonly<Record<string, number>>, names: Iterable<string>): number {
  let flags = 0;
  for (const name of names) {
    const bits = table[name];
    if (bits === undefined) throw new RangeError(`${call}: unknown flag ${JSON.stringify(name)}`);
    flags |= bits;
  }
  return flags;
}

/** Rounds down to a page. */
export function pageFloor(address: number): number {
  return address - (address % PAGE_SIZE);
}

/** Rounds a length up to pages as 64-bit arithmetic does: a length near 2^64 becomes 0. */
export function pageAlign(length: number): number {
  const rest = length % PAGE_SIZE;
  const up = rest === 0 ? length : length - rest + PAGE_SIZE;
  return up >= 2 ** 64 ? 0 : up;
}
