/*
 * A tree as a graph in the DOT language of Graphviz: a record for each node, an edge for each child. Dead nodes
 * are dashed.
 */
import { type NodeStructure, rangeLabel, type SlotStructure, type TreeStructure } from "./structure.ts";

/** Writes the graph. `entry` gives the label of an entry, `name` that of a node. */
export function dotOf(
  tree: TreeStructure,
  entry: (entry: number) => string,
  name: (node: number) => string,
): string {
  const lines = ["digraph maple {", "  node [shape=record, fontname=monospace];"];
  if (tree.root === null) lines.push('  root [label="empty"];');
  else if ("entry" in tree.root) lines.push(`  root [label="0: ${escaped(entry(tree.root.entry))}"];`);
  else drawNode(tree.root, entry, name, lines);
  lines.push("}");
  return lines.join("\n");
}

function drawNode(
  node: NodeStructure,
  entry: (entry: number) => string,
  name: (node: number) => string,
  lines: string[],
): void {
  const title = `${node.type} ${name(node.node)} ${rangeLabel(node)}`;
  const slots = node.slots.map((slot, n) => `<s${n}> ${escaped(slotText(slot, entry))}`);
  const style = node.dead ? ", style=dashed" : "";
  lines.push(`  n${node.node} [label="{${escaped(title)}|{${slots.join("|")}}}"${style}];`);
  for (const [n, { child }] of node.slots.entries()) {
    if (child === undefined) continue;
    lines.push(`  n${node.node}:s${n} -> n${child.node};`);
    drawNode(child, entry, name, lines);
  }
}

function slotText(slot: SlotStructure, entry: (entry: number) => string): string {
  const range = rangeLabel(slot);
  if (slot.child !== undefined) return slot.gap === undefined ? range : `${range} gap ${slot.gap}`;
  return slot.entry === 0 ? `${range} -` : `${range} ${entry(slot.entry ?? 0)}`;
}

/** Characters that mean something inside a record's label, or end it. */
function escaped(text: string): string {
  return text.replaceAll(/[\\"{}|<>]/g, (character) => `\\${character}`).replaceAll("\n", "\\n");
}
