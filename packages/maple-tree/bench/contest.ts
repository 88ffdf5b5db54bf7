/*
 * Runs the workloads in one process per contestant. Rounds are interleaved, each contestant once per round, so a
 * slow minute of the machine meets all of them.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { CTree } from "./c-tree.ts";
import type { ContestAnswer, ContestOrder } from "./contest.child.ts";
import type { Entrant } from "./contestants.ts";
import { ENTRANTS } from "./contestants.ts";
import { MEMORY, type Sample } from "./workloads.ts";

/** One workload of one contestant at one number of ranges. */
export interface Figure {
  readonly workload: string;
  readonly n: number;
  readonly entrant: Entrant;
  /** Minimum over the rounds. */
  readonly nsPerOp: number;
  readonly medianNsPerOp: number;
  readonly bytesPerRange?: number;
  readonly residentBytesPerRange?: number;
}

const CHILD = fileURLToPath(new URL("./contest.child.ts", import.meta.url));

const SLOW_ROUNDS = 2;

/** Times of one contestant, round by round. */
abstract class Player {
  readonly entrant: Entrant;
  readonly #samples: Map<string, number[]> = new Map();

  constructor(entrant: Entrant) {
    this.entrant = entrant;
  }

  /** Plays a round. */
  abstract round(): Promise<readonly Sample[]>;
  abstract end(): void;

  note(samples: readonly Sample[]): readonly Sample[] {
    for (const { workload, nsPerOp } of samples) {
      const list = this.#samples.get(workload);
      if (list === undefined) this.#samples.set(workload, [nsPerOp]);
      else list.push(nsPerOp);
    }
    return samples;
  }

  figures(n: number): Figure[] {
    return [...this.#samples].map(([workload, list]) => {
      const sorted = list.toSorted((a, b) => a - b);
      const { entrant } = this;
      return { workload, n, entrant, nsPerOp: sorted[0], medianNsPerOp: sorted[sorted.length >> 1] };
    });
  }
}

/** The kernel's tree: a program that runs once per round. */
class CPlayer extends Player {
  readonly #tree: CTree;
  readonly #n: number;
  readonly #wanted: (workload: string) => boolean;
  #memory = 0;

  constructor(entrant: Entrant, tree: CTree, n: number, wanted: (workload: string) => boolean) {
    super(entrant);
    this.#tree = tree;
    this.#n = n;
    this.#wanted = wanted;
  }

  override async round(): Promise<readonly Sample[]> {
    const samples = this.#tree.run(this.#n, this.entrant.mode);
    this.#memory = samples.find(({ workload }) => workload === MEMORY)?.bytesPerRange ?? 0;
    return this.note(samples.filter(({ workload }) => workload !== MEMORY && this.#wanted(workload)));
  }

  override figures(n: number): Figure[] {
    const memory: Figure = {
      workload: MEMORY,
      n,
      entrant: this.entrant,
      nsPerOp: 0,
      medianNsPerOp: 0,
      bytesPerRange: this.#memory,
    };
    return this.#wanted(MEMORY) ? [...super.figures(n), memory] : super.figures(n);
  }

  override end(): void {}
}

class NodePlayer extends Player {
  readonly #child: ChildProcess;

  constructor(entrant: Entrant, n: number, workloads: readonly string[]) {
    super(entrant);
    const order: ContestOrder = { entrant: ENTRANTS.indexOf(entrant), n, workloads };
    this.#child = fork(CHILD, [JSON.stringify(order)], {
      execArgv: [...process.execArgv, "--expose-gc", "--max-old-space-size=6144"],
    });
  }

  /** @throws Error with what went wrong in the child */
  override async round(): Promise<readonly Sample[]> {
    this.#child.send("round");
    const ended = once(this.#child, "exit").then(([code, signal]) => {
      throw new Error(`${this.entrant.library}: the process ended (${code ?? signal})`);
    });
    ended.catch(() => {});
    const [answer] = (await Promise.race([once(this.#child, "message"), ended])) as [ContestAnswer];
    if ("failed" in answer) throw new Error(`${this.entrant.library}: ${answer.failed}`);
    return this.note(answer.samples);
  }

  override end(): void {
    this.#child.kill();
  }
}

/** Everybody must find the same. */
class Checks {
  readonly #known: Map<string, { check: readonly number[]; from: string }> = new Map();

  compare(entrant: Entrant, { workload, check }: Sample): void {
    const from = `${entrant.library} (${entrant.mode})`;
    const known = this.#known.get(workload);
    if (known === undefined) {
      this.#known.set(workload, { check, from });
      return;
    }
    const common = Math.min(known.check.length, check.length);
    for (let i = 0; i < common; i++) {
      if (known.check[i] === check[i]) continue;
      throw new Error(`${workload}: ${from} found ${check.join()}, ${known.from} ${known.check.join()}`);
    }
    if (check.length > known.check.length) this.#known.set(workload, { check, from });
  }
}

/**
 * Measures `n` ranges.
 *
 * @throws Error if two contestants do not find the same, or one fails
 */
export async function contest(
  entrants: readonly Entrant[],
  n: number,
  options: {
    readonly workloads: readonly string[];
    readonly rounds: number;
    readonly progress: (text: string) => void;
    readonly cTree?: CTree;
  },
): Promise<Figure[]> {
  const { workloads, cTree } = options;
  const wanted = (workload: string): boolean => workloads.some((name) => workload.startsWith(name));
  const players = [
    ...entrants.map((entrant) => new NodePlayer(entrant, n, workloads)),
    ...(cTree?.entrants.map((entrant) => new CPlayer(entrant, cTree, n, wanted)) ?? []),
  ];
  const checks = new Checks();
  try {
    for (let round = 1; round <= options.rounds; round++) {
      for (const player of players) {
        if (!player.entrant.usual && round > SLOW_ROUNDS) continue;
        options.progress(`n ${n}, round ${round}/${options.rounds}, ${player.entrant.library}`);
        for (const sample of await player.round()) checks.compare(player.entrant, sample);
      }
    }
    return players.flatMap((player) => player.figures(n));
  } finally {
    for (const player of players) player.end();
  }
}
