/*
 * A tree as a graph in the DOT language of Graphviz: a record for each node, an edge for each child. Dead nodes
 * are dashed.
 */
import { type NodeStructure, rangeLabel, type SlotStructure, type TreeStructure } from "./structure.ts";

/** How labels are made. */
export interface DotLabels {
  /** Largest index of the tree. */
  readonly maxIndex: number;
  readonly entry: (entry: number) => string;
  readonly name: (node: number) => string;
}

/** Writes the graph. */
export function dotOf(tree: TreeStructure, labels: DotLabels): string {
  const lines = ["digraph maple {", "  node [shape=record, fontname=monospace];"];
  if (tree.root === null) lines.push('  root [label="empty"];');
  else if ("entry" in tree.root) lines.push(`  root [label="0: ${escaped(labels.entry(tree.root.entry))}"];`);
  else drawNode(tree.root, labels, lines);
  lines.push("}");
  return lines.join("\n");
}

function drawNode(node: NodeStructure, labels: DotLabels, lines: string[]): void {
  const title = `${node.type} ${labels.name(node.node)} ${rangeLabel(node, labels.maxIndex)}`;
  const slots = node.slots.map((slot, n) => `<s${n}> ${escaped(slotText(slot, labels))}`);
  const style = node.dead ? ", style=dashed" : "";
  lines.push(`  n${node.node} [label="{${escaped(title)}|{${slots.join("|")}}}"${style}];`);
  for (const [n, { child }] of node.slots.entries()) {
    if (child === undefined) continue;
    lines.push(`  n${node.node}:s${n} -> n${child.node};`);
    drawNode(child, labels, lines);
  }
}

function slotText(slot: SlotStructure, labels: DotLabels): string {
  const range = rangeLabel(slot, labels.maxIndex);
  if (slot.child !== undefined) return slot.gap === undefined ? range : `${range} gap ${slot.gap}`;
  return slot.entry === 0 ? `${range} -` : `${range} ${labels.entry(slot.entry ?? 0)}`;
}

/** Characters that mean something inside a record's label, or end it. */
function escaped(text: string): string {
  return text.replaceAll(/[\\"{}|<>]/g, (character) => `\\${character}`).replaceAll("\n", "\\n");
}
