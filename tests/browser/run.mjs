/*
 * `pnpm browser`: the built packages in a real Chromium, on a page's main thread and in Web Workers.
 *
 * Prints every test of the page and ends with `N passed, N failed`. Needs `pnpm build`, and a Chromium: the
 * one in FAULTLINE_CHROMIUM, or the first of the usual names in PATH.
 *
 *   --screenshot FILE   also keeps a picture of the page
 *   --plant no-lock     locks of the counting workers do nothing: those tests have to fail
 *   --plant free-early  the tree's writer frees what readers may still see: the tree's test has to fail
 *   --plant deaf        nobody tells the RCU domains of deaths: the tests of dead workers have to fail
 */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { missingFile } from "./packages.mjs";
import { serve } from "./server.mjs";

/** The page gives up on a test long before; this is for a page that hangs as a whole. */
const PAGE_MS = 240_000;
const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const { values: options } = parseArgs({
  options: { screenshot: { type: "string" }, plant: { type: "string", default: "" } },
});
process.exitCode = await main();

async function main() {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    return refuse(
      `no Chromium found: install one (${NAMES.join(", ")}) or set FAULTLINE_CHROMIUM to its path`,
    );
  }
  const missing = missingFile();
  if (missing !== undefined) return refuse(`packages/${missing} is not there: run \`pnpm build\` first`);
  const server = await serve();
  // Chromium refuses its sandbox to root. playwright-core gives each start a user-data-dir of its own.
  const args = process.getuid?.() === 0 ? [...FLAGS, "--no-sandbox"] : FLAGS;
  const browser = await chromium.launch({ executablePath, args, headless: true });
  try {
    return await runPage(browser, `${server.url}?plant=${options.plant}`);
  } finally {
    await browser.close();
    server.close();
  }
}

async function runPage(browser, url) {
  process.stdout.write(`Chromium ${browser.version()}\n`);
  const page = await browser.newPage();
  const count = { passed: 0, failed: 0 };
  const report = (name, error) => {
    count[error === undefined ? "passed" : "failed"]++;
    process.stdout.write(error === undefined ? `ok ${name}\n` : `FAIL ${name}\n     ${error}\n`);
  };
  // Playwright gives up all of page's promises when it closes, so a timer is all that has to be cleared.
  let timer;
  const isOver = new Promise((resolve) => {
    timer = setTimeout(() => resolve(`the page has not finished after ${PAGE_MS / 1000} s`), PAGE_MS);
    page.on("pageerror", (error) => resolve(`an error nobody caught: ${error.stack}`));
    page.on("crash", () => resolve("the page has crashed"));
    void page.exposeFunction("reportTest", (name, error) => report(name, error ?? undefined));
    void page.exposeFunction("reportEnd", () => resolve(undefined));
  });
  await page.goto(url);
  const trouble = await isOver;
  clearTimeout(timer);
  if (trouble !== undefined) report("the page runs to its end", trouble);
  if (options.screenshot !== undefined) await page.screenshot({ path: options.screenshot, fullPage: true });
  process.stdout.write(`${count.passed} passed, ${count.failed} failed\n`);
  // A page without tests is not a page that passes.
  return count.failed > 0 || count.passed === 0 ? 1 : 0;
}

function findChromium() {
  const wanted = process.env.FAULTLINE_CHROMIUM;
  if (wanted) return isExecutable(wanted) ? wanted : undefined;
  const folders = (process.env.PATH ?? "").split(delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function refuse(why) {
  process.stderr.write(`browser: ${why}\n`);
  return 1;
}
