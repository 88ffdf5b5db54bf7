import { describe, expect, test } from "vitest";
import {
  MAP,
  PROT,
  parseMapFlags,
  parseProt,
  parseVmFlagCodes,
  permsOf,
  VM,
  vmFlagCodes,
  vmFlagsOfPerms,
} from "../src/index.ts";

describe("flags", () => {
  test("every bit of VM has a two-letter code which parses back to it", () => {
    for (const bit of Object.values(VM)) {
      const code = vmFlagCodes(bit);
      expect(code).toMatch(/^[a-z]{2}$/);
      expect(parseVmFlagCodes(code)).toBe(bit);
    }
  });

  test("codes come out sorted", () => {
    const codes = vmFlagCodes(-1).split(" ");
    expect(codes).toEqual(codes.toSorted());
  });

  test("perms show access and whether memory is shared", () => {
    expect(permsOf(VM.READ | VM.WRITE)).toBe("rw-p");
    expect(permsOf(VM.EXEC | VM.MAYSHARE)).toBe("--xs");
  });

  test("flags made of perms give the same perms, and account private writable memory", () => {
    for (const perms of ["---p", "r--p", "rw-p", "r-xp", "rw-s", "rwxs"]) {
      expect(permsOf(vmFlagsOfPerms(perms))).toBe(perms);
    }
    expect(vmFlagCodes(vmFlagsOfPerms("rw-p"))).toBe("ac me mr mw rd wr");
    expect(vmFlagCodes(vmFlagsOfPerms("rw-s"))).toBe("me mr ms mw rd sh wr");
  });

  test("prot and mmap flags parse from names", () => {
    expect(parseProt("")).toBe(PROT.NONE);
    expect(parseProt("rwx")).toBe(PROT.READ | PROT.WRITE | PROT.EXEC);
    expect(parseMapFlags(["private", "anon", "fixed"])).toBe(MAP.PRIVATE | MAP.ANONYMOUS | MAP.FIXED);
  });

  test("unknown names are refused by name", () => {
    expect(() => parseProt("q")).toThrow('parseProt: unknown letter "q"');
    expect(() => parseMapFlags(["stack"])).toThrow('parseMapFlags: unknown flag "stack"');
    expect(() => parseVmFlagCodes("zz")).toThrow('parseVmFlagCodes: unknown code "zz"');
    expect(() => vmFlagsOfPerms("rw")).toThrow('vmFlagsOfPerms: bad perms "rw"');
  });
});
