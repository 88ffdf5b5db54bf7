import type { FileTable } from "./file-table.ts";
import { PAGE_SIZE, permsOf } from "./flags.ts";
import type { VmaInfo } from "./vma.ts";

/** Column at which /proc/PID/maps prints the name. */
const NAME_COLUMN = 73;

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

/** The break area, which /proc/PID/maps calls `[heap]`. */
export interface HeapRange {
  readonly startBrk: number;
  readonly brk: number;
}

/** What the last column says: the file, a given name, `[heap]`, or nothing. */
export function vmaName(vma: VmaInfo, files: FileTable, heap: HeapRange): string {
  const file = files.get(vma.file);
  if (file !== undefined) return file.name;
  if (vma.name !== 0) return files.name(vma.name);
  const inHeap = heap.startBrk !== heap.brk && vma.start <= heap.brk && vma.end > heap.startBrk;
  return inHeap ? "[heap]" : "";
}

/** The text of /proc/PID/maps, one line per mapping, each ended by a newline (kernel: show_map_vma). */
export function procMaps(vmas: Iterable<VmaInfo>, files: FileTable, heap: HeapRange): string {
  let text = "";
  for (const vma of vmas) {
    const file = files.get(vma.file);
    const offset = file === undefined ? 0 : vma.pgoff * PAGE_SIZE;
    const range = `${hex(vma.start, 8)}-${hex(vma.end, 8)}`;
    const line = `${range} ${permsOf(vma.vmFlags)} ${hex(offset, 8)} 00:00 ${file?.inode ?? 0} `;
    const name = vmaName(vma, files, heap);
    text += name === "" ? `${line}\n` : `${line.padEnd(NAME_COLUMN)}${name}\n`;
  }
  return text;
}
