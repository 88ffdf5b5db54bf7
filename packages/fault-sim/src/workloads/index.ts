import { SimError } from "../errors.ts";
import { pageFault1 } from "./page-fault1.ts";
import { pft } from "./pft.ts";
import type { Workload } from "./workload.ts";

/** The workloads on offer. */
export const WORKLOADS: readonly Workload[] = [pft, pageFault1()];

/** The workload with this name; `pages` per mapping where it has such a choice. ENOENT if there is none. */
export function workloadByName(name: string, pages?: number): Workload {
  if (name === "page-fault1") return pageFault1(pages);
  const workload = WORKLOADS.find((one) => one.name === name);
  if (!workload) {
    throw new SimError(
      "ENOENT",
      `unknown workload "${name}"; known: ${WORKLOADS.map((one) => one.name).join(", ")}`,
    );
  }
  return workload;
}
