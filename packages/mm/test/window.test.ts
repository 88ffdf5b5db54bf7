import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { replayTrace } from "../conformance/replay.ts";

const folder = new URL("./data/window/", import.meta.url);

function trace(name: string): string {
  return gunzipSync(readFileSync(new URL(name, folder))).toString("utf8");
}

describe("recordings of a running kernel replay without a difference", () => {
  test.each(readdirSync(folder))("%s", (name) => {
    const { operations, differences } = replayTrace(trace(name));
    expect(differences).toEqual([]);
    expect(operations).toBeGreaterThan(100);
  });

  test("a wrong result in a recording is reported with its line", () => {
    const lines = trace("01-mmap-munmap.jsonl.gz").split("\n");
    lines[3] = lines[3]!.replace('"ret":0', '"ret":-1,"err":"ENOMEM"');
    expect(replayTrace(lines.join("\n")).differences[0]).toMatchObject({ line: 4 });
  });

  test("an operation that is not supported is reported by name", () => {
    const lines = trace("01-mmap-munmap.jsonl.gz").split("\n");
    lines[1] = '{"i":0,"op":"dance","ret":0}';
    const { differences } = replayTrace(lines.join("\n"));
    expect(differences).toEqual([{ line: 2, text: "unsupported operation dance" }]);
  });
});
