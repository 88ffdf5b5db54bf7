/*
 * The tree as text, in the manner of the kernel's mt_dump(). Caller holds the lock, or is in a read section
 * of a tree that nobody changes.
 */
import type { TreeCore } from "../core.ts";
import * as L from "../layout.ts";
import { nodeGap } from "../search/gap.ts";
import { endOf } from "../search/path.ts";
import { dotOf } from "./dump-dot.ts";
import { svgOf } from "./dump-svg.ts";
import { structureOf } from "./structure.ts";

/** How {@link dump} prints. */
export interface DumpOptions {
  /**
   * `text`: a line for each node and range; `json`: the {@link TreeStructure}; `dot`: a graph for Graphviz; `svg`: a
   * picture. Default `text`. JSON has nodes by their word, and indices and entries as numbers, whatever the other options say.
   */
  readonly format?: "text" | "json" | "dot" | "svg";
  /** Print each node's word in the arena; default true. Without, the text depends on the contents only. */
  readonly addresses?: boolean;
  /** Indices in base 10 or 16; default 10. */
  readonly radix?: 10 | 16;
  /** How an entry is printed; default `value N`. */
  readonly entry?: (entry: number) => string;
  /** Nodes to stand out in a picture, those that a write has built for example; default none. */
  readonly marked?: ReadonlySet<number>;
  /** What a node is called, instead of its address; `undefined` for one without a name. */
  readonly name?: (node: number) => string | undefined;
}

const TYPE_NAMES = ["", "leaf", "range", "arange"];

/**
 * A stable picture of the tree: a header line, then a line for each node and each range, children indented.
 *
 * Node lines read `first-last: name type end N parent slot S: contents`; contents are, for an allocation node,
 * the gaps, `| end largest|`, then slot/pivot pairs.
 */
export function dump(core: TreeCore, options: DumpOptions = {}): string {
  const { format = "text" } = options;
  if (format === "json") return JSON.stringify(structureOf(core), undefined, 2);
  if (format === "dot") {
    const name = (node: number): string => nodeText(node, options).trim();
    return dotOf(structureOf(core), {
      maxIndex: core.maxIndex,
      entry: (entry) => entryText(entry, options),
      name,
    });
  }
  if (format === "svg") {
    return svgOf(structureOf(core), {
      maxIndex: core.maxIndex,
      entry: (entry) => entryText(entry, options),
      name: (node) => nodeText(node, options).trim(),
      isMarked: (node) => options.marked?.has(node) ?? false,
    });
  }
  if (format !== "text") {
    throw new RangeError(`dump: format must be text, json, dot or svg, got ${String(format)}`);
  }
  return dumpText(core, options);
}

function dumpText(core: TreeCore, options: DumpOptions): string {
  const root = core.rootWord;
  const lines = [
    `maple tree: height ${core.height}, nodes ${core.nodeCount}, ${core.gaps ? "gaps" : "plain"}${core.rcu ? ", rcu" : ""}${core.domain === "u53" ? "" : `, ${core.domain}`}`,
  ];
  if (root < 0) lines.push(`  0: ${entryText(-root, options)} (in the root)`);
  else if (root > 0) dumpNode(core, root, 0, core.maxIndex, 1, options, lines);
  else lines.push("  (empty)");
  return lines.join("\n");
}

function dumpNode(
  core: TreeCore,
  handle: number,
  min: number,
  max: number,
  depth: number,
  options: DumpOptions,
  lines: string[],
): void {
  const { i32, f64 } = core;
  const node = handle & L.NODE_MASK;
  const type = handle & L.TAG_MASK;
  const end = endOf(i32, node);
  const pad = "  ".repeat(depth);
  const dead = i32[node + L.PARENT] === node ? " DEAD" : "";
  lines.push(
    `${pad}${rangeText(core, min, max, options)}: ${TYPE_NAMES[type]}${nodeText(node, options)}${dead} end ${end}${gapsText(core, node, type, end, options)}`,
  );
  let first = min;
  for (let slot = 0; slot <= end; slot++) {
    const last = f64[(node >> 1) + L.PIVOTS_F64 + slot]!;
    const value = i32[node + L.SLOTS + slot]!;
    if (last > max) lines.push(`${pad}  ! pivot ${last} exceeds the node's ${max}`);
    if (type !== L.NodeType.Leaf) dumpNode(core, value, first, last, depth + 1, options, lines);
    else lines.push(`${pad}  ${rangeText(core, first, last, options)}: ${entryText(value, options)}`);
    first = last + 1;
  }
}

function gapsText(core: TreeCore, node: number, type: number, end: number, options: DumpOptions): string {
  if (type !== L.NodeType.Arange) return "";
  const gaps: string[] = [];
  for (let slot = 0; slot <= end; slot++) {
    gaps.push(core.f64[(node >> 1) + L.GAPS_F64 + slot]!.toString(options.radix ?? 10));
  }
  return `, gaps ${gaps.join(" ")}, largest ${nodeGap(core.i32, core.f64, node).toString(options.radix ?? 10)}`;
}

function nodeText(node: number, options: DumpOptions): string {
  const name = options.name?.(node);
  if (name !== undefined) return ` ${name}`;
  return options.addresses === false ? "" : ` @${node}`;
}

function rangeText(core: TreeCore, first: number, last: number, options: DumpOptions): string {
  const text = (index: number): string =>
    index === core.maxIndex ? "max" : index.toString(options.radix ?? 10);
  return first === last ? text(first) : `${text(first)}-${text(last)}`;
}

function entryText(entry: number, options: DumpOptions): string {
  if (entry === 0) return "(empty)";
  return options.entry?.(entry) ?? `value ${entry}`;
}
