/** An open file, as mmap sees it. Two opens of one file are two entries: their mappings do not join. */
export interface OpenFile {
  /** 1, 2, … */
  readonly id: number;
  /** What /proc/PID/maps prints. */
  readonly name: string;
  readonly inode: number;
  /** Opened for reading, for writing. */
  readonly readable: boolean;
  readonly writable: boolean;
  /** `disk`: large mappings are aligned for huge pages. `shmem`: anonymous memory that is shared. */
  readonly kind: "file" | "disk" | "shmem";
  /** Size in pages. Mappings may reach beyond it; touching there is SIGBUS. */
  pages: number;
  /** Whether its driver maps pages without mmap_lock; `false`: a fault under a VMA lock has to come back. */
  readonly mapPages: boolean;
}

/** What {@link FileTable.open} needs; everything but the name has a default. */
export interface OpenFileOptions {
  readonly name: string;
  /** Default: a fresh number. */
  readonly inode?: number;
  /** Default true. */
  readonly readable?: boolean;
  /** Default true. */
  readonly writable?: boolean;
  /** Default `file`. */
  readonly kind?: OpenFile["kind"];
  /** Default: 2^31. */
  readonly pages?: number;
  /** Default true. */
  readonly mapPages?: boolean;
}

/** A file table as plain data, for another agent. */
export interface FileTableHandle {
  readonly files: readonly OpenFile[];
  readonly names: readonly string[];
}

/**
 * Names behind the file and name ids in VMA records. Records are shared words, names are strings: each agent
 * has its own table, and one that attaches starts with a copy. A file opened later is known to that agent
 * only, so open what several agents map before passing the handle on.
 */
export class FileTable {
  readonly #files: OpenFile[] = [];
  readonly #names: string[] = [];

  constructor(from?: FileTableHandle) {
    for (const file of from?.files ?? []) this.#files.push({ ...file });
    for (const name of from?.names ?? []) this.#names.push(name);
  }

  open(options: OpenFileOptions): OpenFile {
    const id = this.#files.length + 1;
    const {
      inode = id,
      readable = true,
      writable = true,
      kind = "file",
      pages = 2 ** 31,
      mapPages = true,
    } = options;
    const file: OpenFile = { id, name: options.name, inode, readable, writable, kind, pages, mapPages };
    this.#files.push(file);
    return file;
  }

  /** The file with this id, or `undefined`. */
  get(id: number): OpenFile | undefined {
    return this.#files[id - 1];
  }

  /** The id of a name, the same for equal strings; 0 for the empty string. */
  nameId(name: string): number {
    if (name === "") return 0;
    const at = this.#names.indexOf(name);
    return at >= 0 ? at + 1 : this.#names.push(name);
  }

  name(id: number): string {
    return this.#names[id - 1] ?? "";
  }

  handle(): FileTableHandle {
    return { files: this.#files.map((file) => ({ ...file })), names: [...this.#names] };
  }
}
