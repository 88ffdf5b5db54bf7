import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CliIo, main } from "../src/cli.ts";

const PROGRAMS = fileURLToPath(new URL("./data/programs/", import.meta.url));
const QUICK = ["--threads", "1,4", "--ms", "1"];

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fault-sim-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function call(argv: readonly string[], io: Partial<CliIo> = {}): Promise<Outcome> {
  let out = "";
  let err = "";
  const code = await main(argv, {
    stdout: (text) => {
      out += text;
    },
    stderr: (text) => {
      err += text;
    },
    stderrIsTty: false,
    stdoutIsTty: false,
    env: { LANG: "C.UTF-8" },
    ...io,
  });
  return { code, out, err };
}

describe("fault-sim", () => {
  it.each([["--help"], ["run --help"], ["replay --help"], ["designs --help"]])(
    "%s explains itself",
    async (line) => {
      const { code, out } = await call(line.split(" "));
      expect(code).toBe(0);
      expect(out).toContain("Usage: fault-sim");
    },
  );

  it.each([
    ["no command", ""],
    ["an unknown command", "fly"],
    ["an unknown option", "run --fast"],
    ["no threads", "run --threads 0"],
    ["threads that are no numbers", "run --threads many"],
    ["a range backwards", "run --threads 8..2"],
    ["more threads than CPUs", "run --threads 57"],
    ["a negative seed", "run --seed -1"],
    ["an unknown design", "run --designs mmap-lock,magic"],
    ["an unknown workload", "run --workload idle"],
    ["an unknown machine", "run --machine vax"],
    ["a share above one", "replay x --touch 2"],
    ["no recording", "replay"],
  ])("answers %s with exit code 2 and a message", async (_, line) => {
    const { code, err } = await call(line.split(" ").filter(Boolean));
    expect(code).toBe(2);
    expect(err).not.toBe("");
  });

  it.each(["designs", "workloads", "machines"])("lists %s as a table and as JSON", async (what) => {
    const table = await call([what]);
    const json = await call([what, "--json"]);
    const list = JSON.parse(json.out) as { name: string }[];
    expect(list.length).toBeGreaterThan(1);
    for (const { name } of list) expect(table.out).toContain(name);
  });
});

describe("fault-sim run", () => {
  it("prints the same JSON for the same seed, with the frozen costs", async () => {
    const first = await call(["run", ...QUICK, "--json", "--seed", "9"]);
    const second = await call(["run", ...QUICK, "--json", "--seed", "9"]);
    expect(second.out).toBe(first.out);
    const document = JSON.parse(first.out) as {
      results: unknown[];
      costsNs: object;
      machine: { name: string };
    };
    expect(document.results).toHaveLength(4);
    expect(document.machine.name).toBe("broadwell-56");
    expect(document.costsNs).toHaveProperty("fault-entry");
  });

  it("prints a table, a chart and the locks; in ASCII where the locale is not UTF-8", async () => {
    const utf8 = await call(["run", ...QUICK]);
    expect(utf8.out).toContain("▲ per-vma-lock");
    expect(utf8.out).toContain("vma_lock");
    const plain = await call(["run", ...QUICK], { env: { LANG: "C" } });
    expect(plain.out).toContain("+ per-vma-lock");
    expect([...plain.out].every((char) => char.charCodeAt(0) < 128)).toBe(true);
  });

  it("colours only for a terminal, and never with NO_COLOR", async () => {
    const colour = "\u001b[";
    expect((await call(["designs"])).out).not.toContain(colour);
    expect((await call(["designs"], { stdoutIsTty: true })).out).toContain(colour);
    expect((await call(["designs"], { stdoutIsTty: true, env: { NO_COLOR: "1" } })).out).not.toContain(
      escape,
    );
  });

  it("shows progress on stderr if that is a terminal, and nothing else there", async () => {
    expect((await call(["run", ...QUICK])).err).toBe("");
    const { err, out } = await call(["run", ...QUICK], { stderrIsTty: true });
    expect(err).toContain("1/4");
    expect(out).not.toContain("1/4");
  });

  it("writes the curves as SVG", async () => {
    const path = join(folder, "x.svg");
    expect((await call(["run", ...QUICK, "--svg", path])).code).toBe(0);
    const svg = readFileSync(path, "utf8");
    expect(svg).toMatch(/^<svg .*<\/svg>\n$/s);
    expect(svg.match(/<polyline/g)).toHaveLength(2);
    const { code, err } = await call(["run", ...QUICK, "--svg", join(folder, "no", "x.svg")]);
    expect([code, err]).toEqual([2, expect.stringContaining("cannot be written (ENOENT)")]);
  });
});

describe("fault-sim replay", () => {
  const recording = join(PROGRAMS, "true.strace.gz");

  it("compares with the recorded maps and tells the cost", async () => {
    const { code, out } = await call(["replay", recording, ...QUICK]);
    expect(code).toBe(0);
    expect(out).toContain("final maps: 1 of 1 processes equal at every address");
    expect(out).toContain("mmap_lock");
  });

  it("ends with 1 and the first difference when the maps differ", async () => {
    const text = gunzipSync(readFileSync(join(PROGRAMS, "true.maps.json.gz"))).toString();
    const maps = JSON.parse(text) as { final: { maps: string[][] }[] };
    const vvar = maps.final[0]?.maps.find((row) => row[0] === "7ffff7fc2000");
    vvar?.splice(2, 1, "rw-p");
    const changed = join(folder, "changed.json");
    writeFileSync(changed, JSON.stringify(maps));
    const { code, out } = await call(["replay", recording, "--maps", changed]);
    expect([code, out]).toEqual([
      1,
      expect.stringContaining("first difference: pid 12623, 0x7ffff7fc2000-0x7ffff7fc6000: recorded rw-p"),
    ]);
  });

  it("ends with 1 and a message for a recording it cannot read", async () => {
    const cut = join(folder, "cut.strace.gz");
    writeFileSync(cut, gzipSync("1 brk(NULL) = 0x1000\n").subarray(0, 25));
    expect(await call(["replay", cut])).toMatchObject({
      code: 1,
      err: expect.stringContaining("truncated") as string,
    });
    const odd = join(folder, "odd.strace");
    writeFileSync(odd, "1 brk(NULL) = 0x1000\nwhat?\n");
    expect(await call(["replay", odd])).toMatchObject({
      code: 1,
      err: expect.stringContaining("line 2") as string,
    });
    const lenient = await call(["replay", odd, "--lenient", "--no-cost"]);
    expect(lenient).toMatchObject({ code: 0, err: expect.stringContaining("line 2 skipped") as string });
    expect(lenient.out).toContain("nothing to compare with");
  });

  it("gives JSON with the replay and the sweep", async () => {
    const { out } = await call(["replay", recording, ...QUICK, "--json", "--space", "flat"]);
    const document = JSON.parse(out) as {
      replay: { compared: number; differences: unknown[] };
      results: unknown[];
    };
    expect(document.replay).toMatchObject({ compared: 1, differences: [] });
    expect(document.results).toHaveLength(4);
  });
});
