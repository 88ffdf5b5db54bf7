/* The process of one contestant: runs a round of workloads whenever it is told to. */
import { ENTRANTS } from "./contestants.ts";
import { inputsOf, round, type Sample } from "./workloads.ts";

/** What the child is started for. */
export interface ContestOrder {
  readonly entrant: number;
  readonly n: number;
  /** Beginnings of the names of the workloads that run. */
  readonly workloads: readonly string[];
}

/** A round's results, or why there are none. */
export type ContestAnswer = { readonly samples: readonly Sample[] } | { readonly failed: string };

const order = JSON.parse(process.argv[2]) as ContestOrder;
const send = (answer: ContestAnswer): void => void process.send?.(answer);

try {
  const contestant = await ENTRANTS[order.entrant].load();
  const inputs = inputsOf(order.n, contestant.lookups);
  const wanted = (workload: string): boolean => order.workloads.some((name) => workload.startsWith(name));
  process.on("message", () => {
    try {
      send({ samples: [...round(contestant, inputs, wanted)] });
    } catch (error) {
      send({ failed: String(error instanceof Error ? error.stack : error) });
    }
  });
} catch (error) {
  process.once("message", () => send({ failed: String(error) }));
}
