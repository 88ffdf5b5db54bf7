/*
 * What the text of a source file tells: its shared operations, its annotations, its relative imports. It is
 * read as tokens, which TypeScript shares with JavaScript: no parser, and no build of the file, is needed.
 */
import jsTokens, { type Token } from "js-tokens";

/** A place in a file that does a shared operation, or may. */
export interface Operation {
  readonly line: number;
  /** Method of Atomics, or `undefined` for an access by index. */
  readonly method: string | undefined;
  /** What is accessed by index, such as `words`. */
  readonly of: string;
}

/** A comment `interleave: intended race - reason`; of any other text after `interleave:` the reason is empty. */
export interface Annotation {
  /** Line of the access that it is about. */
  readonly line: number;
  readonly reason: string;
  readonly text: string;
}

/** What was found in a file. */
export interface Source {
  readonly operations: readonly Operation[];
  readonly annotations: readonly Annotation[];
  /** Relative specifiers. */
  readonly imports: readonly string[];
}

type Placed = Token & { readonly line: number };

const NO_CODE: ReadonlySet<string> = new Set([
  "WhiteSpace",
  "LineTerminatorSequence",
  "SingleLineComment",
  "MultiLineComment",
]);
/** They touch no memory. */
const NO_ACCESS: ReadonlySet<string> = new Set(["pause", "isLockFree"]);

/** Reads a source. */
export function readSource(text: string): Source {
  const all = placed(text);
  const code = all.filter(({ type }) => !NO_CODE.has(type));
  return {
    operations: code.flatMap((_, i) => operationAt(code, i) ?? []),
    annotations: all.flatMap((token) => annotationOf(token, code) ?? []),
    imports: code.flatMap((token, i) => importAt(token, code[i - 1]) ?? []),
  };
}

function placed(text: string): Placed[] {
  let line = 1;
  return [...jsTokens(text)].map((token) => {
    const here = { ...token, line };
    line += token.value.match(/\r\n|[\n\r\u2028\u2029]/g)?.length ?? 0;
    return here;
  });
}

function operationAt(code: readonly Placed[], i: number): Operation | undefined {
  const token = code[i]!;
  if (token.value === "[") return indexed(code, i);
  if (token.value !== "Atomics" || !/^\??\.$/.test(code[i + 1]?.value ?? "")) return undefined;
  const method = code[i + 2];
  if (method === undefined || NO_ACCESS.has(method.value)) return undefined;
  if (code[i + 3]?.value !== "(" && code[i + 3]?.value !== "?.") return undefined;
  return { line: method.line, method: method.value, of: "" };
}

/** `name[…]`, but no type such as `number[]` or `Options["size"]`. */
function indexed(code: readonly Placed[], i: number): Operation | undefined {
  const inside = code[i + 1];
  if (inside === undefined || inside.value === "]" || inside.type === "StringLiteral") return undefined;
  const before = code[i - 1]?.value === "!" ? code[i - 2] : code[i - 1];
  if (before?.type !== "IdentifierName" && before?.type !== "PrivateIdentifier") return undefined;
  return { line: code[i]!.line, method: undefined, of: before.value };
}

function annotationOf(token: Placed, code: readonly Placed[]): Annotation | undefined {
  if (token.type !== "SingleLineComment" && token.type !== "MultiLineComment") return undefined;
  const text = token.value.replace(/^\/[/*]+|\*\/$/g, "").trim();
  if (!/^interleave\s*:/.test(text)) return undefined;
  const reason = /^interleave\s*:\s*intended race\s*[-–—:]\s*(\S[\s\S]*)$/.exec(text)?.[1] ?? "";
  const isBeside = code.some(({ line }) => line === token.line);
  const below = code.find(({ line }) => line > token.line);
  return { line: isBeside ? token.line : (below?.line ?? token.line), reason, text };
}

function importAt(token: Placed, before: Placed | undefined): string | undefined {
  if (token.type !== "StringLiteral" || (before?.value !== "from" && before?.value !== "import"))
    return undefined;
  const specifier = token.value.slice(1, -1);
  return specifier.startsWith(".") ? specifier : undefined;
}
