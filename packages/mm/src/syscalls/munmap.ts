import { checkUnsigned, MmError } from "../errors.ts";
import { PAGE_SIZE, pageAlign, TASK_SIZE } from "../flags.ts";
import type { Mm } from "../mm.ts";
import type { Protocol } from "../protocol.ts";
import { underWriteLock, unmapRange } from "./common.ts";

/**
 * Unmaps. Holes are fine.
 *
 * @throws MmError EINVAL (unaligned, empty, beyond user space), ENOMEM if a split would exceed max_map_count,
 * EPERM at sealed memory (kernel: do_vmi_munmap)
 */
export function* munmapProtocol(mm: Mm, addr: number, length: number): Protocol<void> {
  checkUnsigned("munmap: addr", addr);
  checkUnsigned("munmap: length", length);
  yield* underWriteLock(mm, function* (bracket) {
    const end = checkUnmap(addr, length);
    yield* unmapRange(mm, addr, end, bracket);
  });
}

/** The end of a range that may be unmapped. @throws MmError EINVAL */
export function checkUnmap(addr: number, length: number): number {
  if (addr % PAGE_SIZE !== 0) throw new MmError("EINVAL", `munmap: address ${addr} is not page-aligned`);
  if (addr > TASK_SIZE || length > TASK_SIZE - addr) throw new MmError("EINVAL", "munmap: beyond user space");
  if (pageAlign(length) === 0) throw new MmError("EINVAL", "munmap: length is 0");
  return addr + pageAlign(length);
}
