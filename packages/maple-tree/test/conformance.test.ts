import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { replay } from "../conformance/replay.ts";

const folder = new URL("data/random/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".jsonl.gz"));

function traceOf(file: string): string {
  return gunzipSync(readFileSync(new URL(file, folder))).toString("utf8");
}

/** Line number, from 1, of the first line for which `choose` gives a replacement; and the trace with it. */
function alter(
  trace: string,
  choose: (line: (number | string | null)[]) => unknown[] | undefined,
): { text: string; at: number } {
  const lines = trace.split("\n");
  for (let i = 1; i < lines.length; i++) {
    const changed = lines[i] === "" ? undefined : choose(JSON.parse(lines[i]!));
    if (changed === undefined) continue;
    lines[i] = JSON.stringify(changed);
    return { text: lines.join("\n"), at: i + 1 };
  }
  throw new Error("no line to alter");
}

describe("traces recorded from Linux 6.12", () => {
  it("are twelve", () => {
    expect(files).toHaveLength(12);
  });

  it.each(files)("%s replays without a difference", (file) => {
    const result = replay(traceOf(file), { validateEvery: 250 });
    expect(result.differences).toEqual([]);
    expect(result.status).toBe("passed");
    expect(result.operations).toBeGreaterThan(1000);
    expect(result.dumps).toBeGreaterThan(0);
  });

  it("replays the same with RCU and without", () => {
    for (const rcu of [true, false]) {
      expect(replay(traceOf("tiny-alloc-103.jsonl.gz"), { rcu }).differenceCount).toBe(0);
    }
  });
});

describe("calls recorded from the kernel's own test-suite and from long-lived cursors", () => {
  const calls = ["kernel-suite", "mas-random"].flatMap((name) =>
    readdirSync(new URL(`data/${name}/`, import.meta.url))
      .filter((file) => file.endsWith(".jsonl.gz"))
      .map((file) => `../${name}/${file}`),
  );
  // Its ranges are halves of halves of the kernel's 64-bit index space.
  const beyond = calls.filter((file) => file.includes("check_bulk_rebalance"));

  it("are sixty, of which one needs indices that are not there", () => {
    expect([calls.length, beyond.length]).toEqual([60, 1]);
  });

  it.each(calls.filter((file) => !beyond.includes(file)))(
    "%s replays with the kernel's results, cursor states and node layouts",
    (file) => {
      const result = replay(traceOf(file));
      expect(result.differences).toEqual([]);
      expect([result.status, result.format]).toEqual(["passed", "suite"]);
    },
  );

  it("are named with the index if it is above 2^53-1", () => {
    const result = replay(traceOf(beyond[0]!));
    expect([result.status, result.name, result.reason]).toEqual([
      "unsupported",
      "check_bulk_rebalance",
      "needs index 9223372036854775807, above 2^53-1",
    ]);
  });

  it("differ at the line where a cursor's state, or its place in the node, was recorded otherwise", () => {
    const trace = traceOf("../mas-random/000-check_mas_random_1.jsonl.gz");
    const states: ((state: (string | number | null)[]) => (string | number | null)[])[] = [
      ([first, last, , ...rest]) => [first!, last!, "root", ...rest],
      ([first, last, status, min, max, offset]) => [first!, last!, status!, min!, max!, Number(offset) + 1],
    ];
    for (const wrong of states) {
      const { text, at } = alter(trace, ([op, args, result, state]) =>
        Array.isArray(state) && state[2] === "active" ? [op, args, result, wrong(state)] : undefined,
      );
      expect(replay(text).differences.map((d) => d.line)).toEqual([at]);
    }
  });
});

describe("a trace in which one recorded result is wrong", () => {
  const trace = traceOf("tiny-alloc-103.jsonl.gz");

  it("is reported with the line of a wrong look-up, and with nothing else", () => {
    const { text, at } = alter(trace, ([op, index, entry]) =>
      op === "l" && entry !== null ? [op, index!, Number(entry) + 1] : undefined,
    );
    const result = replay(text);
    expect(result.status).toBe("failed");
    expect(result.differenceCount).toBe(1);
    expect(result.differences[0]?.line).toBe(at);
    expect(result.differences[0]?.message).toMatch(/^got \[\d+\], recorded \[\d+\]$/);
  });

  it("is reported with the line of a wrong gap search", () => {
    const { text, at } = alter(trace, ([op, min, max, size, ret, first, last]) =>
      op === "a" && ret === 0 ? [op, min, max, size, ret, Number(first) + 1, last] : undefined,
    );
    expect(replay(text).differences.map((d) => d.line)).toEqual([at]);
  });

  it("is reported where the results depend on a store that was not made", () => {
    const { text, at } = alter(trace, ([op, first, last]) =>
      op === "s" && last === "max" ? ["n", first, last, 0] : undefined,
    );
    const result = replay(text);
    expect(result.status).toBe("failed");
    expect(result.differences.every((d) => d.line > at)).toBe(true);
  });

  it("is not replayed at all if it is of another format", () => {
    expect(replay('{"format":"maple-random-2"}\n').status).toBe("unsupported");
    expect(replay("not json").reason).toBe("the first line is not JSON");
  });
});
