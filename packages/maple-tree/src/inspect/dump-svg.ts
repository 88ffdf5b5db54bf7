/*
 * A tree as an SVG picture: a row of boxes for each level, a box for each node, a cell for each slot with the
 * range above and the entry or the gap below, a line to each child. Dead nodes are dashed, marked ones filled.
 *
 * Sizes are in pixels. Text is measured by its length: the font is monospace.
 */
import {
  indexLabel,
  type NodeStructure,
  rangeLabel,
  type SlotStructure,
  type TreeStructure,
} from "./structure.ts";

/** How labels are made and which nodes stand out. */
export interface SvgLabels {
  /** Largest index of the tree. */
  readonly maxIndex: number;
  readonly entry: (entry: number) => string;
  readonly name: (node: number) => string;
  readonly isMarked: (node: number) => boolean;
}

const CHARACTER = 6.6;
const PADDING = 6;
const CELL_HEIGHT = 34;
const TITLE_HEIGHT = 16;
const LEVEL_GAP = 44;
const NODE_GAP = 14;
const MARGIN = 12;

/** A node with its place: `x` and `width` of its own box, `span` of everything below it. */
interface Box {
  readonly node: NodeStructure;
  readonly title: string;
  readonly cells: readonly Cell[];
  readonly width: number;
  readonly span: number;
  readonly children: readonly Box[];
}

interface Cell {
  readonly above: string;
  readonly below: string;
  readonly width: number;
}

/** Draws the tree. Cost: O(slots). */
export function svgOf(tree: TreeStructure, labels: SvgLabels): string {
  const header = `height ${tree.height}, nodes ${tree.nodes}`;
  const shapes: string[] = [text(MARGIN, MARGIN + 10, header, "title")];
  let width = measure(header);
  let height = MARGIN + TITLE_HEIGHT;
  if (tree.root === null) {
    shapes.push(text(MARGIN, height + 14, "(empty)"));
    height += 20;
  } else if ("entry" in tree.root) {
    shapes.push(text(MARGIN, height + 14, `0: ${labels.entry(tree.root.entry)} (in the root)`));
    height += 20;
  } else {
    const box = layOut(tree.root, labels);
    draw(box, MARGIN, height + 4, labels, shapes);
    width = Math.max(width, box.span);
    height += 4 + tree.height * (TITLE_HEIGHT + CELL_HEIGHT) + (tree.height - 1) * LEVEL_GAP;
  }
  const size = `${round(width + 2 * MARGIN)} ${round(height + MARGIN)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size}" role="img" aria-label="maple tree, ${header}">`,
    STYLE,
    ...shapes,
    "</svg>",
  ].join("\n");
}

const STYLE = `<style>
  text { font: 11px ui-monospace, monospace; fill: #1b1f24; }
  .title { fill: #57606a; }
  .node { fill: #f6f8fa; stroke: #57606a; }
  .marked { fill: #ddf4ff; }
  .dead { stroke-dasharray: 4 3; fill: #ffebe9; }
  .cell, .edge { stroke: #8c959f; fill: none; }
</style>`;

function layOut(node: NodeStructure, labels: SvgLabels): Box {
  const cells = node.slots.map((slot) => cellOf(slot, labels));
  const title = `${node.type} ${labels.name(node.node)}${node.dead ? " DEAD" : ""}`;
  const width = Math.max(measure(title), sum(cells.map((cell) => cell.width)));
  const children = node.slots.flatMap(({ child }) => (child === undefined ? [] : [layOut(child, labels)]));
  const below = sum(children.map((child) => child.span)) + Math.max(0, children.length - 1) * NODE_GAP;
  return { node, title, cells, width, span: Math.max(width, below), children };
}

function cellOf(slot: SlotStructure, labels: SvgLabels): Cell {
  const above = rangeLabel(slot, labels.maxIndex);
  const below =
    slot.child === undefined
      ? slot.entry === 0
        ? "–"
        : labels.entry(slot.entry ?? 0)
      : slot.gap === undefined
        ? ""
        : `gap ${indexLabel(slot.gap, labels.maxIndex)}`;
  return { above, below, width: Math.max(measure(above), measure(below)) };
}

function draw(box: Box, left: number, top: number, labels: SvgLabels, shapes: string[]): void {
  const x = left + (box.span - box.width) / 2;
  const state = `${labels.isMarked(box.node.node) ? " marked" : ""}${box.node.dead ? " dead" : ""}`;
  shapes.push(text(x, top + 11, box.title, "title"));
  const y = top + TITLE_HEIGHT;
  shapes.push(
    `<rect class="node${state}" x="${round(x)}" y="${y}" width="${round(box.width)}" height="${CELL_HEIGHT}" rx="3"/>`,
  );
  const childTop = y + CELL_HEIGHT + LEVEL_GAP;
  const below =
    sum(box.children.map((child) => child.span)) + Math.max(0, box.children.length - 1) * NODE_GAP;
  let childLeft = left + (box.span - below) / 2;
  let cellX = x;
  for (const [slot, cell] of box.cells.entries()) {
    if (slot > 0) shapes.push(line("cell", cellX, y, cellX, y + CELL_HEIGHT));
    shapes.push(text(cellX + PADDING, y + 14, cell.above), text(cellX + PADDING, y + 28, cell.below));
    const child = box.children[slot];
    if (child !== undefined) {
      const middle = childLeft + child.span / 2;
      shapes.push(line("edge", cellX + cell.width / 2, y + CELL_HEIGHT, middle, childTop));
      draw(child, childLeft, childTop, labels, shapes);
      childLeft += child.span + NODE_GAP;
    }
    cellX += cell.width;
  }
}

function line(kind: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="${kind}" x1="${round(x1)}" y1="${y1}" x2="${round(x2)}" y2="${y2}"/>`;
}

function text(x: number, y: number, content: string, kind?: string): string {
  const attribute = kind === undefined ? "" : ` class="${kind}"`;
  return `<text${attribute} x="${round(x)}" y="${y}">${escaped(content)}</text>`;
}

function measure(content: string): number {
  return content.length * CHARACTER + 2 * PADDING;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}

/** Characters that mean something in XML, and those it cannot hold. */
function escaped(content: string): string {
  const names: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return content.replaceAll(/[&<>"]/g, (character) => names[character]!).replaceAll(/[\p{Cc}]/gu, "�");
}
