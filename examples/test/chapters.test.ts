import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { chapterFolders, loadChapter } from "../walk/catalog.ts";
import { Page } from "../walk/page.ts";
import { showChapter } from "../walk/show.ts";

const examples = new URL("../", import.meta.url);

it.each(chapterFolders())(
  "%s prints what is recorded beside it, and every checkpoint holds",
  async (folder) => {
    let printed = "";
    const page = new Page({ ascii: true, color: false, write: (text) => (printed += text) });
    const chapter = await loadChapter(folder);
    await showChapter(chapter, page);
    const recorded = new URL(`${folder}/output.out.txt`, examples);
    // `FAULTLINE_UPDATE=1 pnpm --filter @faultline/examples test` records what the chapters print now.
    if (process.env["FAULTLINE_UPDATE"] === "1") writeFileSync(recorded, printed);
    expect(page.failed, printed).toBe(0);
    expect(existsSync(recorded), `${recorded.pathname} is missing`).toBe(true);
    expect(printed).toBe(readFileSync(recorded, "utf8"));
    expect(printed.split("\n").filter((line) => line.length > 80)).toEqual([]);
    expect(chapter.number).toBe(Number(folder.slice(0, 2)));
  },
);
