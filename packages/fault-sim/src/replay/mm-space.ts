import { AddressSpace, FileTable, MAP, MREMAP, PROT, permsOf, type VmaInfo } from "@faultline/mm";
import type { Piece } from "./recording.ts";
import type { NewMapping, ReplaySpace, SpaceFactory } from "./space.ts";

const PAGE = 4096;

/** A replay's address space on @faultline/mm: its tree, its merging and splitting, its checks. */
export class MmSpace implements ReplaySpace {
  readonly mm: AddressSpace;
  readonly #fileIds: Map<string, number>;

  constructor(mm: AddressSpace, fileIds: Map<string, number>) {
    this.mm = mm;
    this.#fileIds = fileIds;
  }

  map(mapping: NewMapping): void {
    const { start, length, offset } = mapping;
    const type = mapping.shared ? MAP.SHARED : MAP.PRIVATE;
    const common = { addr: start, length, prot: protOf(mapping) };
    if (mapping.file === "") this.mm.mmap({ ...common, flags: type | MAP.FIXED | MAP.ANONYMOUS });
    else this.mm.mmap({ ...common, flags: type | MAP.FIXED, file: this.fileId(mapping.file), offset });
  }

  unmap(start: number, length: number): void {
    this.mm.munmap(start, length);
  }

  protect(start: number, length: number, prot: { read: boolean; write: boolean; exec: boolean }): void {
    this.mm.mprotect(start, length, protOf(prot));
  }

  move(start: number, oldLength: number, newLength: number, newStart: number, keepSource: boolean): void {
    const fixed = newStart === start ? 0 : MREMAP.MAYMOVE | MREMAP.FIXED;
    const flags = fixed | (keepSource ? MREMAP.MAYMOVE | MREMAP.DONTUNMAP : 0);
    this.mm.mremap(start, oldLength, newLength, flags, fixed === 0 ? 0 : newStart);
  }

  dontFork(start: number, length: number, dont: boolean): void {
    this.mm.madvise(start, length, dont ? "DONTFORK" : "DOFORK");
  }

  brk(address: number): void {
    const now = this.mm.brk(address);
    if (now !== address) throw new Error(`the break stayed at 0x${now.toString(16)}`);
  }

  fork(): MmSpace {
    return new MmSpace(this.mm.fork(), this.#fileIds);
  }

  pieces(): Piece[] {
    this.mm.validate();
    return this.mm.vmas().map((vma) => this.#piece(vma));
  }

  /** The id of the file with this name in the table; opened when first asked for. */
  fileId(name: string): number {
    let id = this.#fileIds.get(name);
    if (id === undefined) {
      id = this.mm.files.open({ name }).id;
      this.#fileIds.set(name, id);
    }
    return id;
  }

  #piece(vma: VmaInfo): Piece {
    const { start, end } = vma;
    const opened = vma.file === 0 ? undefined : this.mm.files.get(vma.file);
    const perms = permsOf(vma.vmFlags);
    if (opened === undefined || opened.kind === "shmem") {
      return { start, end, perms, offset: 0, file: this.mm.files.name(vma.name) };
    }
    return { start, end, perms, offset: vma.pgoff * PAGE, file: opened.name };
  }
}

/** Makes {@link MmSpace}s: each process's first address space has an arena of its own, children share it. */
export const mmSpaces: SpaceFactory = (pieces, startBrk) => {
  const files = new FileTable();
  const breakAt = startBrk === undefined ? {} : { startBrk: Math.ceil(startBrk / PAGE) * PAGE };
  const space = new MmSpace(AddressSpace.create({ files, ...breakAt }), new Map());
  for (const { start, end, perms, offset, file } of pieces) {
    const special = file === "" || file.startsWith("[");
    if (special) space.mm.insertRaw({ start, end, perms, name: file });
    else space.mm.insertRaw({ start, end, perms, file: space.fileId(file), pgoff: offset / PAGE });
  }
  return space;
};

function protOf(mapping: { read: boolean; write: boolean; exec: boolean }): number {
  return (mapping.read ? PROT.READ : 0) | (mapping.write ? PROT.WRITE : 0) | (mapping.exec ? PROT.EXEC : 0);
}
