import { SimError } from "../engine/errors.ts";
import type { SimDesign } from "./design.ts";
import { mmapLock } from "./mmap-lock.ts";
import { perVmaLock } from "./per-vma-lock.ts";

/** The designs on offer. */
export const DESIGNS: readonly SimDesign[] = [mmapLock, perVmaLock];

/** The design with this name; ENOENT, with the names on offer, if there is none. */
export function designByName(name: string): SimDesign {
  const design = DESIGNS.find((one) => one.name === name);
  if (!design)
    throw new SimError(
      "ENOENT",
      `unknown design "${name}"; known: ${DESIGNS.map((one) => one.name).join(", ")}`,
    );
  return design;
}
