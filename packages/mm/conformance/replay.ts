/*
 * Replays mm-trace/1 recordings: performs each operation on an address space and compares result, errno and the
 * list of mappings with what the kernel answered.
 */
import {
  AddressSpace,
  MmError,
  PAGE_SIZE,
  parseMapFlags,
  parseMremapFlags,
  parseProt,
  permsOf,
  type VmaInfo,
  vmFlagCodes,
} from "../src/index.ts";

type VmaRow = [
  start: number,
  end: number,
  perms: string,
  offset: number,
  file: string | number,
  flags: string,
];

interface Header {
  format: string;
  base: string;
  window: number;
  files: { id: string; pages: number }[];
  limits?: { max_map_count?: number; stack_guard_gap?: number };
}

interface Operation {
  i: number;
  op: string;
  p?: number;
  addr: number;
  len: number;
  prot: string;
  flags: string[];
  fd?: string;
  off?: number;
  old: number;
  new: number;
  to?: number;
  advice: string;
  onfault?: number;
  ret?: number | "outside";
  err?: string;
  splice?: [index: number, removed: number, added: VmaRow[]];
}

/** One operation whose answer differs. */
export interface Difference {
  /** Line of the file, from 1. */
  readonly line: number;
  readonly text: string;
}

/** What a replay found. */
export interface ReplayResult {
  readonly operations: number;
  readonly differences: Difference[];
}

/** Replays the lines of one trace. @throws Error if it is no mm-trace/1 */
export function replayTrace(text: string): ReplayResult {
  const lines = text.split("\n").filter((line) => line !== "");
  const header = JSON.parse(lines[0] ?? "{}") as Header;
  if (header.format !== "mm-trace/1") throw new Error(`not an mm-trace/1 file: format ${header.format}`);
  const replay = new TraceReplay(header);
  const differences: Difference[] = [];
  let operations = 0;
  for (let index = 1; index < lines.length; index++) {
    const operation = JSON.parse(lines[index]!) as Operation & { end?: Record<string, VmaRow[]> };
    const problem = operation.end !== undefined ? replay.checkEnd(operation.end) : replay.step(operation);
    if (operation.end === undefined) operations++;
    if (problem !== undefined) differences.push({ line: index + 1, text: problem });
    // After a wrong list every later one is wrong too: one report is enough.
    if (problem !== undefined && replay.isLost) break;
  }
  return { operations, differences };
}

class TraceReplay {
  readonly #mm: AddressSpace;
  readonly #base: number;
  readonly #end: number;
  readonly #opened = new Map<string, number>();
  readonly #files = new Map<string, number>();
  readonly #shmemNames = new Map<number, string>();
  #expected: VmaRow[] = [];
  isLost = false;

  constructor(header: Header) {
    this.#base = Number(header.base);
    this.#end = this.#base + header.window * PAGE_SIZE;
    const maxMapCount = header.limits?.max_map_count ?? 65530;
    this.#mm = AddressSpace.create({
      maxMapCount,
      stackGuardGapPages: header.limits?.stack_guard_gap ?? 256,
    });
    for (const file of header.files) this.#files.set(file.id, file.pages);
  }

  /** Performs one operation; what differs, if anything. */
  step(operation: Operation): string | undefined {
    const supported = (OPERATIONS as Record<string, Perform | undefined>)[operation.op];
    if (supported === undefined || (operation.p ?? 0) !== 0) {
      this.isLost = true;
      return `unsupported operation ${operation.op}${(operation.p ?? 0) === 0 ? "" : ` of process ${operation.p}`}`;
    }
    const { ret, err } = this.#perform(supported, operation);
    if (operation.splice !== undefined) {
      const [index, removed, added] = operation.splice;
      this.#expected.splice(index, removed, ...added);
    }
    this.#mm.validate();
    const problems: string[] = [];
    if (err !== operation.err) problems.push(`err ${err ?? "none"}, kernel ${operation.err ?? "none"}`);
    else if (ret !== operation.ret) problems.push(`ret ${ret}, kernel ${operation.ret}`);
    const list = this.#compareList();
    if (list !== undefined) problems.push(list);
    if (problems.length === 0) return undefined;
    this.isLost = list !== undefined;
    return `${operation.op} ${describe(operation)}: ${problems.join("; ")}`;
  }

  checkEnd(end: Record<string, VmaRow[]>): string | undefined {
    const final = JSON.stringify(end["0"] ?? []);
    return final === JSON.stringify(this.#expected)
      ? undefined
      : "end: the splices do not give the final list";
  }

  #perform(perform: Perform, operation: Operation): { ret: number | "outside"; err?: string } {
    try {
      const address = perform(this.#mm, operation, this.#base, (fd) => this.#open(fd));
      return { ret: address === undefined ? 0 : this.#place(address, operation) };
    } catch (error) {
      if (error instanceof MmError) return { ret: -1, err: error.code };
      throw error;
    }
  }

  /** Addresses are relative to the window; what lies outside is unmapped at once, as the recorder did. */
  #place(address: number, operation: Operation): number | "outside" {
    if (address >= this.#base && address < this.#end) return address - this.#base;
    this.#mm.munmap(address, operation.op === "mremap" ? operation.new : operation.len);
    return "outside";
  }

  #open(fd: string): number {
    const known = this.#opened.get(fd);
    if (known !== undefined) return known;
    const [name = "", handle] = fd.split(".");
    const pages = this.#files.get(name);
    if (pages === undefined) return 0;
    const options = { name, pages, readable: handle !== "wo", writable: handle !== "ro" };
    const file = this.#mm.files.open(options);
    this.#opened.set(fd, file.id);
    return file.id;
  }

  #compareList(): string | undefined {
    const actual = this.#mm.vmas().map((vma, index) => this.#row(vma, this.#expected[index]));
    const length = Math.max(actual.length, this.#expected.length);
    for (let index = 0; index < length; index++) {
      const ours = JSON.stringify(actual[index]);
      const kernel = JSON.stringify(this.#expected[index]);
      if (ours !== kernel) return `mapping ${index} is ${ours ?? "missing"}, kernel ${kernel ?? "has none"}`;
    }
    return undefined;
  }

  #row(vma: VmaInfo, kernel: VmaRow | undefined): VmaRow {
    const start = (vma.start - this.#base) / PAGE_SIZE;
    const end = (vma.end - this.#base) / PAGE_SIZE;
    const offset = vma.file === 0 ? 0 : vma.pgoff;
    return [
      start,
      end,
      permsOf(vma.vmFlags),
      offset,
      this.#fileName(vma.file, kernel?.[4]),
      vmFlagCodes(vma.vmFlags),
    ];
  }

  /** Shared anonymous objects have the recorder's numbers: bound when one is seen first. */
  #fileName(id: number, kernel: string | number | undefined): string | number {
    const file = this.#mm.files.get(id);
    if (file === undefined) return 0;
    if (file.kind !== "shmem") return file.name;
    const taken = [...this.#shmemNames.values()];
    if (
      !this.#shmemNames.has(id) &&
      typeof kernel === "string" &&
      /^S\d+$/.test(kernel) &&
      !taken.includes(kernel)
    ) {
      this.#shmemNames.set(id, kernel);
    }
    return this.#shmemNames.get(id) ?? "S?";
  }
}

type Perform = (
  mm: AddressSpace,
  operation: Operation,
  base: number,
  open: (fd: string) => number,
) => number | undefined;

const OPERATIONS = {
  mmap(mm, { addr, len, prot, flags, fd, off }, base, open) {
    const file = fd === undefined ? 0 : open(fd);
    const bits = parseMapFlags(flags);
    return mm.mmap({
      addr: base + addr,
      length: len,
      prot: parseProt(prot),
      flags: bits,
      file,
      offset: off ?? 0,
    });
  },
  munmap(mm, { addr, len }, base) {
    mm.munmap(base + addr, len);
    return undefined;
  },
  mprotect(mm, { addr, len, prot }, base) {
    mm.mprotect(base + addr, len, parseProt(prot));
    return undefined;
  },
  mremap(mm, operation, base) {
    const to = operation.to === undefined ? 0 : base + operation.to;
    return mm.mremap(
      base + operation.addr,
      operation.old,
      operation.new,
      parseMremapFlags(operation.flags),
      to,
    );
  },
  mlock(mm, { addr, len }, base) {
    mm.mlock(base + addr, len);
    return undefined;
  },
  mlock2(mm, { addr, len, onfault }, base) {
    mm.mlock(base + addr, len, onfault === 1);
    return undefined;
  },
  munlock(mm, { addr, len }, base) {
    mm.munlock(base + addr, len);
    return undefined;
  },
  madvise(mm, { addr, len, advice }, base) {
    mm.madvise(base + addr, len, advice);
    return undefined;
  },
} satisfies Record<string, Perform>;

function describe(operation: Operation): string {
  const { i: _i, op: _op, ret: _ret, err: _err, splice: _splice, ...args } = operation;
  return JSON.stringify(args);
}
