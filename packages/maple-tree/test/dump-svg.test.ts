import { MapleTree, TEACHING_GEOMETRY } from "@faultline/maple-tree";
import { describe, expect, it } from "vitest";

function treeOf(ranges: number): MapleTree<string> {
  const tree = new MapleTree<string>({ geometry: TEACHING_GEOMETRY, gaps: true });
  for (let i = 0; i < ranges; i++) tree.setRange(20 * i, 20 * i + 9, `<v${i}>`);
  return tree;
}

describe("a tree as a picture", () => {
  it("has a box for each node, a line to each child, and a label for each range", () => {
    const tree = treeOf(40);
    const svg = tree.dump({ format: "svg" });
    expect(svg.match(/<rect class="node"/g)).toHaveLength(tree.nodeCount);
    expect(svg.match(/<line class="edge"/g)).toHaveLength(tree.nodeCount - 1);
    for (const { first, last } of tree.entries()) expect(svg).toContain(`>${first}-${last}</text>`);
    expect(svg).toContain("&lt;v7&gt;");
    expect(svg).not.toContain("<v7>");
  });

  it("shows no box outside its frame, and no two that overlap in a level", () => {
    const svg = treeOf(60).dump({ format: "svg" });
    const [width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg)!.slice(1).map(Number) as [
      number,
      number,
    ];
    const boxes = [
      ...svg.matchAll(/<rect class="node" x="([\d.]+)" y="(\d+)" width="([\d.]+)" height="(\d+)"/g),
    ].map((found) => found.slice(1).map(Number) as [number, number, number, number]);
    for (const [x, y, w, h] of boxes) {
      expect(x).toBeGreaterThanOrEqual(0);
      expect(x + w).toBeLessThanOrEqual(width);
      expect(y + h).toBeLessThanOrEqual(height);
    }
    for (const [i, [x, y, w]] of boxes.entries()) {
      for (const [otherX, otherY, otherW] of boxes.slice(i + 1)) {
        if (y === otherY) expect(x + w <= otherX || otherX + otherW <= x).toBe(true);
      }
    }
  });

  it("makes the nodes stand out that a write has built", () => {
    const tree = treeOf(10);
    let built: readonly number[] = [];
    tree.onWrite = (event) => {
      built = event.built;
    };
    for (let i = 0; built.length === 0; i++) tree.setRange(1000 + 20 * i, 1009 + 20 * i, "new");
    const svg = tree.dump({ format: "svg", marked: new Set(built) });
    expect(svg.match(/class="node marked"/g)).toHaveLength(built.length);
  });

  it("draws an empty tree, and one that is a single value in the root", () => {
    const tree = new MapleTree<string>();
    expect(tree.dump({ format: "svg" })).toContain("(empty)");
    tree.set(0, "one");
    expect(tree.dump({ format: "svg" })).toContain("0: one (in the root)");
  });
});
