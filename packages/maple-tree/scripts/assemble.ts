/*
 * `pnpm --filter @faultline/maple-tree wasm`: assembles src/wasm/descent.wat into src/wasm/descent.generated.ts.
 *
 * What is generated is kept in the repository: tests, examples and docs run on the source without a build, and a
 * bundler sees an ordinary module. A test assembles again and compares, so it cannot go stale.
 *
 * wabt is the WebAssembly project's own toolkit, compiled to one JavaScript file without dependencies: the same
 * assembler on every platform, and threads (shared memory, atomics) are among its features.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import loadWabt from "wabt";

const SOURCE = new URL("../src/wasm/descent.wat", import.meta.url);
const GENERATED = new URL("../src/wasm/descent.generated.ts", import.meta.url);

/** The module's bytes. Throws if the text is no valid module. */
export async function assemble(): Promise<Uint8Array> {
  const wabt = await loadWabt();
  const module = wabt.parseWat("descent.wat", readFileSync(SOURCE, "utf8"), { threads: true });
  try {
    // Not validate(), which knows of no shared memory; the engine says what is wrong when it compiles the module.
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}

/** The text of the generated file for these bytes. */
export function moduleText(bytes: Uint8Array): string {
  const hex =
    Buffer.from(bytes)
      .toString("hex")
      .match(/.{1,96}/g) ?? [];
  return `/* Generated from descent.wat by \`pnpm --filter @faultline/maple-tree wasm\`: change that, not this. */

/** The bytes of the module, in hexadecimal. */
export const DESCENT_HEX: string =
  "${hex.join('" +\n  "')}";
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const bytes = await assemble();
  writeFileSync(GENERATED, moduleText(bytes));
  console.log(`${fileURLToPath(GENERATED)}: ${bytes.length} bytes of WebAssembly`);
}
