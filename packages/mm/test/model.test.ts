import fc from "fast-check";
import { expect, test } from "vitest";
import { AddressSpace, MAP, MmError, MREMAP, PROT, vmFlagCodes } from "../src/index.ts";

const PAGE = 4096;
const BASE = 0x1000_0000;
const PAGES = 48;

interface PageModel {
  readonly prot: number;
  readonly dump: boolean;
}
type Model = (PageModel | undefined)[];

interface Step {
  readonly kind: "mmap" | "noreplace" | "munmap" | "mprotect" | "dontdump" | "dodump" | "move" | "shrink";
  readonly at: number;
  readonly pages: number;
  readonly to: number;
  readonly prot: number;
}

const kinds = ["mmap", "noreplace", "munmap", "mprotect", "dontdump", "dodump", "move", "shrink"] as const;
const page = fc.integer({ min: 0, max: PAGES - 1 });
const steps = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    at: page,
    pages: fc.integer({ min: 1, max: 12 }),
    to: page,
    prot: fc.constantFrom(PROT.NONE, PROT.READ, PROT.READ | PROT.WRITE),
  }),
  { minLength: 1, maxLength: 60 },
);

/** The naive answer: every page on its own. */
function model(pages: Model, { kind, at, pages: count, to, prot }: Step): string {
  const range = Array.from({ length: count }, (_, index) => at + index);
  const holeAt = range.find((index) => pages[index] === undefined);
  switch (kind) {
    case "mmap":
      for (const index of range) pages[index] = { prot, dump: true };
      return "ok";
    case "noreplace":
      if (range.some((index) => pages[index] !== undefined)) return "EEXIST";
      for (const index of range) pages[index] = { prot, dump: true };
      return "ok";
    case "munmap":
      for (const index of range) pages[index] = undefined;
      return "ok";
    case "mprotect":
      for (const index of range) {
        if (index < (holeAt ?? Number.POSITIVE_INFINITY)) pages[index] = { ...pages[index]!, prot };
      }
      return holeAt === undefined ? "ok" : "ENOMEM";
    case "dontdump":
    case "dodump":
      for (const index of range) {
        if (pages[index] !== undefined) pages[index] = { ...pages[index], dump: kind === "dodump" };
      }
      return holeAt === undefined ? "ok" : "ENOMEM";
    case "shrink":
      if (pages[at] === undefined) return "EFAULT";
      for (const index of range.slice(1)) pages[index] = undefined;
      return "ok";
    case "move":
      if (to < at + count && at < to + count) return "EINVAL";
      if (pages[at] === undefined) return "EFAULT";
      for (const index of range) {
        if (pages[index] !== undefined) pages[index - at + to] = pages[index];
        pages[index] = undefined;
      }
      return "ok";
  }
}

function perform(mm: AddressSpace, { kind, at, pages, to, prot }: Step): string {
  const addr = BASE + at * PAGE;
  const length = pages * PAGE;
  const flags = MAP.PRIVATE | MAP.ANONYMOUS;
  const move = MREMAP.MAYMOVE | MREMAP.FIXED;
  try {
    if (kind === "mmap") mm.mmap({ addr, length, prot, flags: flags | MAP.FIXED });
    else if (kind === "noreplace") mm.mmap({ addr, length, prot, flags: flags | MAP.FIXED_NOREPLACE });
    else if (kind === "munmap") mm.munmap(addr, length);
    else if (kind === "mprotect") mm.mprotect(addr, length, prot);
    else if (kind === "move") mm.mremap(addr, length, length, move, BASE + to * PAGE);
    else if (kind === "shrink") mm.mremap(addr, length, PAGE, 0);
    else mm.madvise(addr, length, kind.toUpperCase());
  } catch (error) {
    if (error instanceof MmError) return error.code;
    throw error;
  }
  return "ok";
}

function codesOf({ prot, dump }: PageModel): string {
  const write = (prot & PROT.WRITE) !== 0;
  const codes = ["me", "mr", "mw"];
  if (write) codes.push("ac", "wr");
  if ((prot & PROT.READ) !== 0) codes.push("rd");
  if (!dump) codes.push("dd");
  return codes.sort().join(" ");
}

function perPage(mm: AddressSpace): (string | undefined)[] {
  const pages: (string | undefined)[] = [];
  for (const vma of mm.vmas()) {
    for (let at = vma.start; at < vma.end; at += PAGE) pages[(at - BASE) / PAGE] = vmFlagCodes(vma.vmFlags);
  }
  return Array.from({ length: PAGES + 12 }, (_, index) => pages[index]);
}

test("random calls agree with a model that knows single pages only, and neighbours that fit are joined", () => {
  const property = fc.property(steps, (sequence) => {
    const mm = AddressSpace.create();
    const pages: Model = [];
    for (const operation of sequence) {
      const expected = model(pages, operation);
      expect(perform(mm, operation)).toBe(expected);
      mm.validate();
      mm.arena.validate();
      expect(perPage(mm)).toEqual(
        Array.from({ length: PAGES + 12 }, (_, index) => (pages[index] ? codesOf(pages[index]) : undefined)),
      );
      // Nothing was ever touched, so nothing but a difference in flags can keep neighbours apart.
      const vmas = mm.vmas();
      for (const [index, vma] of vmas.entries()) {
        const next = vmas[index + 1];
        if (next?.start === vma.end) expect(next.vmFlags).not.toBe(vma.vmFlags);
      }
    }
  });
  fc.assert(property, { numRuns: 200 });
});
