import { AddressSpace, type Design, mergeExisting, mergeNew, VM, type Vma } from "../src/index.ts";

const PAGE = 4096;
export const RW: number = VM.READ | VM.WRITE | VM.MAYREAD | VM.MAYWRITE;

export interface Marks {
  /** anon_vma, with a chain of one entry unless said otherwise. */
  readonly av?: number;
  readonly chain?: number;
  readonly close?: boolean;
  readonly vmFlags?: number;
}

/**
 * Mappings as people draw them: `L[0,1) R[2,3)`, numbers are pages. Anonymous, read-write, page offset = page
 * number, so that they join if nothing stands in the way.
 */
export class Drawing {
  readonly mm: AddressSpace = AddressSpace.create();
  readonly #names = new Map<number, string>();
  readonly #locked = new Set<string>();

  constructor(text: string, marks: Readonly<Record<string, Marks>> = {}) {
    (this.mm as { design: Design }).design = this.#recordingLocks();
    for (const [, name = "", start, end] of text.matchAll(/(\w+)\[(\d+),(\d+)\)/g)) {
      this.add(name, Number(start), Number(end), marks[name]);
    }
  }

  add(name: string, start: number, end: number, marks: Marks = {}): void {
    this.mm.insertRaw({ start: start * PAGE, end: end * PAGE, vmFlags: marks.vmFlags ?? RW });
    this.#names.set(this.mm.tree.at(start * PAGE)!.word, name);
    this.mark(name, marks);
    this.#locked.clear();
  }

  mark(name: string, { av, chain = 1, close = false }: Marks): void {
    const vma = this.vma(name);
    vma.hasClose = close;
    if (av !== undefined) vma.setAnonVma(av, chain);
  }

  vma(name: string): Vma {
    return [...this.mm.tree.range()].find((vma) => this.#names.get(vma.word) === name)!;
  }

  /** new(r); whether it joined. */
  mergeNew(start: number, end: number, marks: Marks & { justExpand?: boolean } = {}): boolean {
    this.#locked.clear();
    const { vmFlags = RW, av = 0, chain = av === 0 ? 0 : 1, justExpand = false } = marks;
    const place = { start: start * PAGE, end: end * PAGE, pgoff: start, file: 0, name: 0 };
    const range = { ...place, vmFlags, anonVma: av, anonChain: chain, justExpand };
    return this.mm.run(mergeNew(this.mm, range)) !== undefined;
  }

  /** change(V, r); whether it joined. */
  change(name: string, start: number, end: number, vmFlags = RW): boolean {
    this.#locked.clear();
    const change = mergeExisting(this.mm, this.vma(name), start * PAGE, end * PAGE, vmFlags);
    return this.mm.run(change) !== undefined;
  }

  /** `A[0,4) B[5,9)=2`: name, pages, and the anon_vma if there is one. Checks offsets and the whole state. */
  draw(): string {
    this.mm.validate();
    const shown = [...this.mm.tree.range()].map((vma) => {
      if (vma.vmPgoff !== vma.vmStart / PAGE) throw new Error(`offset ${vma.vmPgoff} of ${vma}`);
      const av = vma.anonVma === 0 ? "" : `=${vma.anonVma}`;
      return `${this.#names.get(vma.word) ?? "?"}[${vma.vmStart / PAGE},${vma.vmEnd / PAGE})${av}`;
    });
    return shown.join(" ");
  }

  /** Names of the VMAs that the last operation write-locked. */
  get locked(): string[] {
    return [...this.#locked].sort();
  }

  #recordingLocks(): Design {
    const names = this.#names;
    const locked = this.#locked;
    const vmaStartWrite: Design["vmaStartWrite"] = function* (_mm, vma) {
      locked.add(names.get(vma.word) ?? "?");
      yield { op: "step", name: "vma_start_write" };
    };
    return { ...this.mm.design, vmaStartWrite };
  }
}
