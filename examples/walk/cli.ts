/*
 * The guided walk: `npm start`, `pnpm chapter 05`.
 *
 * On a terminal it waits for a key after each chapter; without one (a pipe, CI, --no-interactive) it prints
 * everything. Exit code 0 only if every checkpoint held, 2 for misuse.
 */
import { Command, InvalidArgumentError } from "commander";
import { chapterFolders, loadChapter } from "./catalog.ts";
import { asciiOnly, Page } from "./page.ts";
import { waitForKey } from "./pause.ts";
import { showChapter } from "./show.ts";

interface Options {
  readonly chapter?: string;
  readonly list?: true;
  readonly interactive: boolean;
  readonly ascii: boolean;
  readonly color: boolean;
}

const folders = chapterFolders();
const program = new Command("faultline")
  .description("Walks through the linux-mm discussion of 28 December 2022 on mmap_lock, claim by claim.")
  .option("-c, --chapter <number>", "run this chapter alone", parseChapter)
  .option("-l, --list", "list the chapters")
  .option("--no-interactive", "print everything, ask nothing")
  .option("--ascii", "use ASCII characters only", asciiOnly(process.env))
  .option("--no-color", "no colours (NO_COLOR does the same)")
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();

process.exit(await walk(program.opts<Options>()));

async function walk(options: Options): Promise<number> {
  const page = new Page({
    ascii: options.ascii,
    color: options.color && !process.env["NO_COLOR"] && process.stdout.isTTY === true,
    write: (text) => process.stdout.write(text),
  });
  if (options.list) return list(page);
  const chosen = options.chapter === undefined ? folders : [options.chapter];
  const interactive = options.interactive && isTerminal() && chosen.length > 1;
  for (const [index, folder] of chosen.entries()) {
    await showChapter(await loadChapter(folder), page);
    const last = index === chosen.length - 1;
    if (interactive && !last && (await waitForKey("any key: next chapter, q: quit")) === "quit") break;
  }
  if (page.failed > 0) page.line(`\n${page.failed} checkpoint(s) did not hold`);
  return page.failed > 0 ? 1 : 0;
}

async function list(page: Page): Promise<number> {
  for (const folder of folders) {
    const { number, title } = await loadChapter(folder);
    page.line(`${String(number).padStart(2)}  ${title}`);
  }
  return 0;
}

function parseChapter(value: string): string {
  const number = Number(value);
  const folder = folders.find((name) => Number(name.slice(0, 2)) === number);
  if (folder !== undefined) return folder;
  const known = folders.map((name) => Number(name.slice(0, 2))).join(", ");
  throw new InvalidArgumentError(`there is no chapter ${value}; there are ${known}`);
}

function isTerminal(): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true && !process.env["CI"];
}
