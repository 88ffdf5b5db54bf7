// pnpm sizes [--json] [--write]: bytes of each package minified, and minified and compressed with gzip, from its
// sources: its own code with what it imports left out, and everything that a program which imports all of it gets.
// --write puts them between the marks in the READMEs that have any.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const packages = new URL("../packages/", import.meta.url);

/** @param {string} name @param {boolean} alone */
async function bundle(name, alone) {
  const { outputFiles } = await build({
    stdin: {
      contents: `export * from "./src/index.ts";`,
      resolveDir: fileURLToPath(new URL(`${name}/`, packages)),
    },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    conditions: ["@faultline/source"],
    external: ["node:*", ...(alone ? ["@faultline/*"] : [])],
  });
  const bytes = outputFiles[0].contents;
  return { minified: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length };
}

const MARKS = /(<!-- sizes -->\n)[\s\S]*?(<!-- \/sizes -->)/;

/** @param {Size} size */
const inKb = ({ minified, gzip }) =>
  `${(minified / 1000).toFixed(1)} kB minified, ${(gzip / 1000).toFixed(1)} kB with gzip`;

/** @typedef {{ minified: number, gzip: number }} Size */
/** @param {string} folder @param {{ alone: Size, whole: Size }} row */
function writeInto(folder, { alone, whole }) {
  const readme = new URL(`${folder}/README.md`, packages);
  const text = readFileSync(readme, "utf8");
  const line = `${inKb(alone)}; ${inKb(whole)} with the packages it imports (\`pnpm sizes\`).`;
  writeFileSync(readme, text.replace(MARKS, `$1${line}\n$2`));
}

const rows = [];
for (const folder of readdirSync(packages)) {
  const { name } = JSON.parse(readFileSync(new URL(`${folder}/package.json`, packages), "utf8"));
  const row = { name, alone: await bundle(folder, true), whole: await bundle(folder, false) };
  if (process.argv.includes("--write")) writeInto(folder, row);
  rows.push(row);
}
if (process.argv.includes("--json")) console.log(JSON.stringify(rows, null, 2));
else {
  const line = (/** @type {readonly (string | number)[]} */ cells) =>
    `| ${cells.map((cell, i) => (i === 0 ? String(cell).padEnd(24) : String(cell).padStart(14))).join(" | ")} |`;
  console.log(line(["bytes", "minified", "and gzip", "with imports", "and gzip"]));
  console.log(line(["-".repeat(24), ...Array(4).fill(`${"-".repeat(13)}:`)]));
  for (const { name, alone, whole } of rows) {
    console.log(line([name, alone.minified, alone.gzip, whole.minified, whole.gzip]));
  }
}
