import { Arena } from "@faultline/arena";
import { describe, expect, test } from "vitest";
import { AddressSpace, MAP, MmError, MREMAP, PROT, permsOf, VM } from "../src/index.ts";

const PAGE = 4096;
const AT = 0x1000_0000;
const RW = PROT.READ | PROT.WRITE;
const PRIVATE = MAP.PRIVATE | MAP.ANONYMOUS;

function code(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof MmError) return error.code;
    throw error;
  }
  return "ok";
}

/** `0-4 rw-p, 6-7 r--p`: pages after AT. */
function drawn(mm: AddressSpace): string {
  mm.validate();
  const page = (address: number): number => (address - AT) / PAGE;
  return mm
    .vmas()
    .map((vma) => `${page(vma.start)}-${page(vma.end)} ${permsOf(vma.vmFlags)}`)
    .join(", ");
}

function fixed(mm: AddressSpace, page: number, pages: number, prot: number = RW): number {
  return mm.mmap({ addr: AT + page * PAGE, length: pages * PAGE, prot, flags: PRIVATE | MAP.FIXED });
}

describe("mmap", () => {
  test("refuses bad requests with the kernel's errno", () => {
    const mm = AddressSpace.create();
    const ro = mm.files.open({ name: "ro", writable: false }).id;
    const wo = mm.files.open({ name: "wo", readable: false }).id;
    const base = { length: PAGE, prot: RW, flags: PRIVATE };
    expect(code(() => mm.mmap({ ...base, length: 0 }))).toBe("EINVAL");
    expect(code(() => mm.mmap({ ...base, length: 2 ** 64 - 1024 }))).toBe("ENOMEM");
    expect(code(() => mm.mmap({ ...base, length: 2 ** 50 }))).toBe("ENOMEM");
    expect(code(() => mm.mmap({ ...base, offset: 5 }))).toBe("EINVAL");
    expect(code(() => mm.mmap({ ...base, flags: MAP.ANONYMOUS }))).toBe("EINVAL");
    expect(code(() => mm.mmap({ ...base, addr: AT + 1, flags: PRIVATE | MAP.FIXED }))).toBe("EINVAL");
    expect(code(() => mm.mmap({ ...base, addr: PAGE, flags: PRIVATE | MAP.FIXED }))).toBe("EPERM");
    expect(code(() => mm.mmap({ ...base, flags: MAP.PRIVATE }))).toBe("EBADF");
    expect(code(() => mm.mmap({ ...base, flags: MAP.SHARED, file: ro }))).toBe("EACCES");
    expect(code(() => mm.mmap({ ...base, prot: 0, flags: MAP.PRIVATE, file: wo }))).toBe("EACCES");
    expect(mm.vmas()).toEqual([]);
  });

  test("refuses numbers that are no unsigned integers, by name and value", () => {
    const mm = AddressSpace.create();
    expect(() => mm.mmap({ length: 1.5, prot: 0, flags: PRIVATE })).toThrow(
      "mmap: length must be an integer in 0..2^64, got 1.5",
    );
    expect(() => mm.munmap(-1, 1)).toThrow("munmap: addr must be an integer in 0..2^64, got -1");
  });

  test("goes to the highest gap top-down, and leaves the guard gap below a stack", () => {
    const mm = AddressSpace.create({ mmapBase: AT + 1024 * PAGE, mmapMinAddr: AT });
    expect(mm.mmap({ length: PAGE, prot: RW, flags: PRIVATE })).toBe(AT + 1023 * PAGE);
    mm.munmap(AT + 1023 * PAGE, PAGE);
    fixed(mm, 1000, 24, PROT.READ);
    mm.mmap({ addr: AT + 900 * PAGE, length: PAGE, prot: RW, flags: PRIVATE | MAP.FIXED | MAP.GROWSDOWN });
    expect(mm.mmap({ length: 99 * PAGE, prot: RW, flags: PRIVATE })).toBe(AT + 901 * PAGE);
    expect(mm.mmap({ length: PAGE, prot: RW, flags: PRIVATE })).toBe(AT + (900 - 256 - 1) * PAGE);
  });

  test("goes to the lowest gap bottom-up", () => {
    const mm = AddressSpace.create({ layout: "bottom-up" });
    expect(mm.mmap({ length: PAGE, prot: RW, flags: PRIVATE })).toBe(0x2aaaaaaab000);
    expect(mm.mmap({ length: PAGE, prot: PROT.NONE, flags: PRIVATE })).toBe(0x2aaaaaaac000);
  });

  test("takes a hint if it is free and another place if not", () => {
    const mm = AddressSpace.create();
    const hint = { addr: AT + 5, length: PAGE, prot: RW, flags: PRIVATE };
    expect(mm.mmap(hint)).toBe(AT);
    expect(mm.mmap(hint)).not.toBe(AT);
  });

  test("FIXED cuts out what is there; FIXED_NOREPLACE refuses and leaves it", () => {
    const mm = AddressSpace.create();
    fixed(mm, 0, 6);
    fixed(mm, 2, 2, PROT.READ);
    expect(drawn(mm)).toBe("0-2 rw-p, 2-4 r--p, 4-6 rw-p");
    const flags = PRIVATE | MAP.FIXED_NOREPLACE;
    expect(code(() => mm.mmap({ addr: AT, length: PAGE, prot: 0, flags }))).toBe("EEXIST");
    fixed(mm, 2, 2);
    expect(drawn(mm)).toBe("0-6 rw-p");
  });

  test("may exceed the limit of mappings by one; a split may not reach beyond it", () => {
    const mm = AddressSpace.create({ maxMapCount: 2 });
    for (const page of [0, 4, 8]) fixed(mm, page, 3);
    expect(mm.mapCount).toBe(3);
    expect(code(() => fixed(mm, 12, 1))).toBe("ENOMEM");
    expect(code(() => mm.munmap(AT + PAGE, PAGE))).toBe("ENOMEM");
    expect(code(() => mm.mprotect(AT, PAGE, PROT.READ))).toBe("ENOMEM");
    expect(drawn(mm)).toBe("0-3 rw-p, 4-7 rw-p, 8-11 rw-p");
  });
});

describe("munmap, mprotect, madvise", () => {
  test("munmap refuses bad ranges and accepts holes", () => {
    const mm = AddressSpace.create();
    expect(code(() => mm.munmap(AT + 1, PAGE))).toBe("EINVAL");
    expect(code(() => mm.munmap(AT, 0))).toBe("EINVAL");
    expect(code(() => mm.munmap(AT, 2 ** 48))).toBe("EINVAL");
    expect(code(() => mm.munmap(AT, PAGE))).toBe("ok");
  });

  test("mprotect changes what lies before a hole and answers ENOMEM", () => {
    const mm = AddressSpace.create();
    fixed(mm, 0, 2);
    fixed(mm, 3, 2);
    expect(code(() => mm.mprotect(AT + PAGE, 3 * PAGE, PROT.READ))).toBe("ENOMEM");
    expect(drawn(mm)).toBe("0-1 rw-p, 1-2 r--p, 3-5 rw-p");
  });

  test("mprotect does not make a shared mapping of a read-only file writable", () => {
    const mm = AddressSpace.create();
    const file = mm.files.open({ name: "data", writable: false }).id;
    mm.mmap({ addr: AT, length: PAGE, prot: PROT.READ, flags: MAP.SHARED | MAP.FIXED, file });
    expect(code(() => mm.mprotect(AT, PAGE, RW))).toBe("EACCES");
  });

  test("madvise goes on over holes and reports them at the end", () => {
    const mm = AddressSpace.create();
    fixed(mm, 0, 1);
    fixed(mm, 2, 1);
    expect(code(() => mm.madvise(AT, 3 * PAGE, "DONTDUMP"))).toBe("ENOMEM");
    expect(mm.vmas().every((vma) => (vma.vmFlags & VM.DONTDUMP) !== 0)).toBe(true);
    expect(code(() => mm.madvise(AT, PAGE, "DANCE"))).toBe("EINVAL");
    expect(code(() => mm.madvise(AT, PAGE, "DONTNEED"))).toBe("ok");
  });
});

describe("mremap", () => {
  test("shrinks, grows in place, moves when it must", () => {
    const mm = AddressSpace.create();
    fixed(mm, 0, 4);
    expect(mm.mremap(AT, 4 * PAGE, 2 * PAGE, 0)).toBe(AT);
    expect(mm.mremap(AT, 2 * PAGE, 3 * PAGE, 0)).toBe(AT);
    fixed(mm, 3, 1, PROT.READ);
    expect(code(() => mm.mremap(AT, 3 * PAGE, 4 * PAGE, 0))).toBe("ENOMEM");
    const moved = mm.mremap(AT, 3 * PAGE, 4 * PAGE, MREMAP.MAYMOVE);
    expect(moved).toBe(mm.mmapBase - 4 * PAGE);
    expect(mm.mapCount).toBe(2);
    mm.validate();
  });

  test("FIXED replaces what is at the target; DONTUNMAP leaves the source", () => {
    const mm = AddressSpace.create();
    fixed(mm, 0, 2);
    fixed(mm, 8, 4, PROT.READ);
    mm.mremap(AT, 2 * PAGE, 2 * PAGE, MREMAP.MAYMOVE | MREMAP.FIXED, AT + 9 * PAGE);
    expect(drawn(mm)).toBe("8-9 r--p, 9-11 rw-p, 11-12 r--p");
    const flags = MREMAP.MAYMOVE | MREMAP.FIXED | MREMAP.DONTUNMAP;
    mm.mremap(AT + 9 * PAGE, 2 * PAGE, 2 * PAGE, flags, AT + 20 * PAGE);
    expect(drawn(mm)).toBe("8-9 r--p, 9-11 rw-p, 11-12 r--p, 20-22 rw-p");
  });

  test("refuses bad requests", () => {
    const mm = AddressSpace.create();
    fixed(mm, 0, 2);
    expect(code(() => mm.mremap(AT, PAGE, 0, 0))).toBe("EINVAL");
    expect(code(() => mm.mremap(AT + 1, PAGE, PAGE, 0))).toBe("EINVAL");
    expect(code(() => mm.mremap(AT, PAGE, PAGE, MREMAP.FIXED, AT + 8 * PAGE))).toBe("EINVAL");
    const move = MREMAP.MAYMOVE | MREMAP.FIXED;
    expect(code(() => mm.mremap(AT, 2 * PAGE, 2 * PAGE, move, AT + PAGE))).toBe("EINVAL");
    expect(code(() => mm.mremap(AT, 3 * PAGE, 4 * PAGE, MREMAP.MAYMOVE))).toBe("EFAULT");
    expect(code(() => mm.mremap(AT + 9 * PAGE, PAGE, PAGE, 0))).toBe("EFAULT");
  });
});

describe("brk, fork, maps, handle", () => {
  test("brk grows one heap mapping, shrinks it, and refuses to run into a neighbour", () => {
    const mm = AddressSpace.create({ startBrk: AT });
    expect(mm.brk(0)).toBe(AT);
    expect(mm.brk(AT + 100)).toBe(AT + 100);
    expect(mm.brk(AT + 3 * PAGE)).toBe(AT + 3 * PAGE);
    expect(drawn(mm)).toBe("0-3 rw-p");
    fixed(mm, 8, 1, PROT.READ);
    expect(mm.brk(AT + 8 * PAGE)).toBe(AT + 3 * PAGE);
    expect(mm.brk(AT + PAGE)).toBe(AT + PAGE);
    expect(drawn(mm)).toBe("0-1 rw-p, 8-9 r--p");
  });

  test("fork copies what may be copied", () => {
    const mm = AddressSpace.create({ startBrk: AT + 100 * PAGE });
    fixed(mm, 0, 4);
    mm.madvise(AT + PAGE, PAGE, "DONTFORK");
    const child = mm.fork();
    expect(drawn(child)).toBe("0-1 rw-p, 2-4 rw-p");
    expect(child.brk(0)).toBe(AT + 100 * PAGE);
    child.munmap(AT, 4 * PAGE);
    expect(drawn(mm)).toBe("0-1 rw-p, 1-2 rw-p, 2-4 rw-p");
  });

  test("maps prints files, the heap and named mappings in columns", () => {
    const mm = AddressSpace.create({ startBrk: 0x2000_0000 });
    const file = mm.files.open({ name: "/lib/libc.so", inode: 77 }).id;
    mm.mmap({ addr: AT, length: PAGE, prot: PROT.READ, flags: MAP.PRIVATE | MAP.FIXED, file, offset: PAGE });
    mm.brk(0x2000_1000);
    mm.insertRaw({ start: 0x7ff0_0000, end: 0x7ff0_2000, perms: "rw-p", name: "[stack]" });
    expect(mm.maps().split("\n")).toEqual([
      `${"10000000-10001000 r--p 00001000 00:00 77 ".padEnd(73)}/lib/libc.so`,
      `${"20000000-20001000 rw-p 00000000 00:00 0 ".padEnd(73)}[heap]`,
      `${"7ff00000-7ff02000 rw-p 00000000 00:00 0 ".padEnd(73)}[stack]`,
      "",
    ]);
  });

  test("an attached address space shows and changes the same mappings", () => {
    const mm = AddressSpace.create({ shared: true });
    fixed(mm, 0, 2);
    const other = AddressSpace.attach(mm.handle());
    other.munmap(AT, PAGE);
    expect(drawn(mm)).toBe("1-2 rw-p");
    expect(other.maps()).toBe(mm.maps());
  });

  test("running out of memory in a call leaves a consistent address space", () => {
    for (let nth = 1; nth <= 12; nth++) {
      const arena = Arena.create();
      const mm = AddressSpace.create({ arena });
      for (let page = 0; page < 60; page += 2) fixed(mm, page, 2, page % 4 === 0 ? RW : PROT.READ);
      const before = mm.maps();
      arena.failNth(nth);
      const answer = code(() => fixed(mm, 21, 1, PROT.EXEC));
      mm.validate();
      if (answer === "ENOMEM") expect(mm.vmas().at(-1)!.end).toBe(AT + 60 * PAGE);
      else expect(mm.maps()).not.toBe(before);
      arena.validate();
    }
  });
});
