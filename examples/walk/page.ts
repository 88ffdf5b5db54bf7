import pc from "picocolors";

const WIDTH_MAX = 78;

/** What the text needs beyond ASCII, and what stands for it where the terminal has only ASCII. */
const SYMBOLS = {
  unicode: { ok: "✓", bad: "✗", arrow: "→", bar: "█", wait: "░", rule: "─" },
  ascii: { ok: "ok", bad: "XX", arrow: "->", bar: "#", wait: ".", rule: "-" },
} as const;

export type Symbols = { readonly [Name in keyof (typeof SYMBOLS)["unicode"]]: string };

export interface PageOptions {
  readonly ascii: boolean;
  readonly color: boolean;
  readonly write: (text: string) => void;
}

/** Whether this terminal shows only ASCII: asked for, or a locale or terminal without UTF-8. */
export function asciiOnly(env: NodeJS.ProcessEnv): boolean {
  if (env.TERM === "dumb") return true;
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || "";
  return locale !== "" && !/utf-?8/i.test(locale);
}

/** What a chapter prints on: lines of at most 78 columns, tables, and the checkpoints that must hold. */
export class Page {
  readonly symbols: Symbols;
  readonly #colors: ReturnType<typeof pc.createColors>;
  readonly #write: (text: string) => void;
  #failed = 0;

  constructor({ ascii, color, write }: PageOptions) {
    this.symbols = ascii ? SYMBOLS.ascii : SYMBOLS.unicode;
    this.#colors = pc.createColors(color);
    this.#write = write;
  }

  /** Checkpoints that did not hold so far. */
  get failed(): number {
    return this.#failed;
  }

  /** Prints a line as it is; for output that has its own shape. */
  line(text = ""): void {
    this.#write(`${text}\n`);
  }

  /** Prints prose, broken at 78 columns. */
  say(text: string, indent = 0): void {
    for (const line of wrap(text, WIDTH_MAX - indent)) this.line(" ".repeat(indent) + line);
  }

  heading(text: string): void {
    this.line();
    this.line(this.#colors.bold(text));
    this.line(this.#colors.dim(this.symbols.rule.repeat(Math.min(text.length, WIDTH_MAX))));
  }

  /** A small title within a chapter. */
  part(text: string): void {
    this.line();
    this.line(this.#colors.cyan(text));
  }

  quote(id: string, who: string, says: string): void {
    this.line(`${this.#colors.dim(id)} ${this.#colors.bold(who)}`);
    this.say(says, 3);
  }

  /** Prints rows in columns: text to the left, numbers to the right. */
  table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
    const cells = [head, ...rows.map((row) => row.map(String))];
    const widths = head.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? "").length)));
    const numeric = head.map((_, column) => rows.every((row) => typeof row[column] === "number"));
    const format = (row: readonly string[]): string =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return numeric[column] ? cell.padStart(width) : cell.padEnd(width);
        })
        .join("  ")
        .trimEnd();
    this.line(`  ${this.#colors.dim(format(head))}`);
    for (const row of cells.slice(1)) this.line(`  ${format(row)}`);
  }

  /** States what the run must have shown; a chapter with a failed checkpoint makes the walk exit with 1. */
  check(holds: boolean, text: string): void {
    if (!holds) this.#failed += 1;
    const mark = holds ? this.#colors.green(this.symbols.ok) : this.#colors.red(this.symbols.bad);
    const [first = "", ...rest] = wrap(text, WIDTH_MAX - 5);
    this.line(`  ${mark} ${first}`);
    for (const line of rest) this.line(`    ${line}`);
  }
}

/** Breaks `text` at blanks into lines of at most `width` columns; a longer word stands alone. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  if (line !== "") lines.push(line);
  return lines;
}

/** A count with its thousands set apart. */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}
