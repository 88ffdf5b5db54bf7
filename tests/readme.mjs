// The snippets of a package's README, and the output that the README says they print.
import { readFileSync } from "node:fs";

/**
 * Those which are followed at once by a block of text.
 *
 * @param {URL} readme
 * @returns {{ code: string, output: string }[]}
 */
export function snippets(readme) {
  const text = readFileSync(readme, "utf8");
  const found = text.matchAll(/```ts\n((?:(?!```)[\s\S])*?)```\n\n```text\n([\s\S]*?)```/g);
  return [...found].map(([, code, output]) => ({ code, output }));
}

/**
 * @param {URL} readme
 * @returns {{ code: string, output: string } | undefined} undefined when the README has no snippet
 */
export function firstSnippet(readme) {
  return snippets(readme)[0];
}
