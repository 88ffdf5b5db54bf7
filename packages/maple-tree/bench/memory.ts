import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Figure } from "./contest.ts";
import { ENTRANTS, type Entrant } from "./contestants.ts";
import type { MemoryAnswer } from "./memory.child.ts";
import { MEMORY } from "./workloads.ts";

const CHILD = fileURLToPath(new URL("./memory.child.ts", import.meta.url));

/** W8 of one contestant: bytes per range after random inserts. Its time is that of the inserts, measured once. */
export async function memory(entrant: Entrant, n: number): Promise<Figure> {
  const child = fork(CHILD, [JSON.stringify({ entrant: ENTRANTS.indexOf(entrant), n })], {
    execArgv: [...process.execArgv, "--expose-gc", "--max-old-space-size=6144"],
  });
  const [answer] = (await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => {
      throw new Error(`${entrant.library}: no figure for memory`);
    }),
  ])) as [MemoryAnswer];
  child.kill();
  const nsPerOp = (answer.ms * 1e6) / n;
  // The buffer of a shared tree is not on the heap.
  const bytes = entrant.mode === "shared" ? answer.residentBytes : answer.heapBytes;
  return {
    workload: MEMORY,
    n,
    entrant,
    nsPerOp,
    medianNsPerOp: nsPerOp,
    bytesPerRange: bytes / n,
    residentBytesPerRange: answer.residentBytes / n,
  };
}
