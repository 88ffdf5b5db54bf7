/*
 * The files that a check concerns: the model's module, what it imports by relative paths, and the files in
 * which operations were seen. Where files cannot be read, as in a browser, there are none.
 */
import type { Op } from "./op.ts";
import { readSource, type Source } from "./source.ts";
import { type Place, placeOf } from "./trace.ts";

interface Files {
  readFileSync(path: string, encoding: "utf8"): string;
}
interface Urls {
  fileURLToPath(url: string): string;
  pathToFileURL(path: string): URL;
}
interface Builtins {
  getBuiltinModule?(name: string): unknown;
}

const node: Builtins | undefined = (globalThis as { process?: Builtins }).process;
const files = node?.getBuiltinModule?.("node:fs") as Files | undefined;
const urls = node?.getBuiltinModule?.("node:url") as Urls | undefined;

/** What the report says of an intended race. */
export interface Intended {
  readonly at: string;
  readonly reason: string;
}

/** Reads each file once. */
export class Sources {
  readonly #byPath: Map<string, Source | undefined> = new Map();
  readonly #used: Set<string> = new Set();

  /** Takes in a module and what it imports by relative paths. */
  addModule(url: URL | string): void {
    const path =
      urls !== undefined && String(url).startsWith("file:") ? urls.fileURLToPath(bare(url)) : undefined;
    if (path === undefined || this.#byPath.has(path)) return;
    for (const specifier of this.#at(path)?.imports ?? []) this.addModule(new URL(specifier, bare(url)));
  }

  /** Takes in the files of operations that have stacks. */
  addOps(ops: readonly Op[]): void {
    for (const op of ops) {
      const place = placeOf(op.stack);
      if (place !== undefined) this.#at(place.path);
    }
  }

  #at(path: string): Source | undefined {
    if (this.#byPath.has(path)) return this.#byPath.get(path);
    let source: Source | undefined;
    try {
      const text = files?.readFileSync(path, "utf8");
      source = text === undefined ? undefined : readSource(text);
    } catch {
      // A file that is not there any more, or was never one: nothing is known of it.
    }
    this.#byPath.set(path, source);
    return source;
  }

  /** Every file with what was found in it. */
  *all(): Generator<readonly [path: string, source: Source]> {
    for (const [path, source] of this.#byPath) if (source !== undefined) yield [path, source];
  }

  /** Is the plain access at the place said to race on purpose? */
  isIntended(place: Place | undefined): boolean {
    if (place === undefined) return false;
    const { path, line } = place;
    const found =
      this.#at(path)?.annotations.some((note) => note.line === line && note.reason !== "") ?? false;
    if (found) this.#used.add(`${path}:${line}`);
    return found;
  }

  /** The annotations that have let a race pass. */
  intended(): Intended[] {
    return this.#notes(true).map(([at, { reason }]) => ({ at, reason }));
  }

  /** What is wrong with the other annotations. */
  complaints(): string[] {
    return this.#notes(false).map(([at, { reason, text }]) =>
      reason === ""
        ? `${at}: "${text}" is not "interleave: intended race - reason"`
        : `${at}: no race was seen that is intended here (${reason})`,
    );
  }

  #notes(used: boolean): (readonly [at: string, note: Source["annotations"][number]])[] {
    return [...this.all()].flatMap(([path, { annotations }]) =>
      annotations
        .filter(({ line }) => this.#used.has(`${path}:${line}`) === used)
        .map((note) => [`${nameOf(path)}:${note.line}`, note] as const),
    );
  }
}

/** Last part of a path. */
export function nameOf(path: string): string {
  return /[^/\\]*$/.exec(path)![0];
}

function bare(url: URL | string): string {
  return String(url).replace(/[?#].*$/, "");
}
