/*
 * Where in the user's code something happened. Taking a site is one `new Error`; the engine turns it into
 * text only when somebody asks, which is when there is something to report.
 */

/** Directory of this package's code, as it appears in stack frames. */
const PACKAGE: string = ((import.meta as { url?: string }).url ?? "\0")
  .replace(/^file:\/\//, "")
  .replace(/debug\/[^/]*$/, "");

/** A moment in the program, with the calls that led to it. */
export class Site {
  readonly #error: Error = new Error("site");

  /** The calls, innermost first, without those inside this package's debugging code. */
  get stack(): readonly string[] {
    const frames = this.#frames();
    const foreign = frames.filter((frame) => !frame.includes(`${PACKAGE}debug/`));
    return foreign.length > 0 ? foreign : frames;
  }

  /** The innermost call that is not inside this package: the line that took the lock. */
  get caller(): string {
    const frames = this.#frames();
    return frames.find((frame) => !frame.includes(PACKAGE)) ?? frames[0] ?? "unknown";
  }

  #frames(): string[] {
    const lines = (this.#error.stack ?? "").split("\n").map((line) => line.trim());
    // V8 puts the message first, other engines start with the frames, as in "name@file:1:2".
    return lines.filter((line) => line.startsWith("at ") || line.includes("@"));
  }
}
