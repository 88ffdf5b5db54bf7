// The first snippet of a package's README, and the output that the README says it prints.
import { readFileSync } from "node:fs";

/**
 * @param {URL} readme
 * @returns {{ code: string, output: string } | undefined} undefined when the README has no snippet
 */
export function firstSnippet(readme) {
  const text = readFileSync(readme, "utf8");
  const match = /```ts\n([\s\S]*?)```[\s\S]*?```text\n([\s\S]*?)```/.exec(text);
  if (match === null) return undefined;
  return { code: match[1], output: match[2] };
}
