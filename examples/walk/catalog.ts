import { readdirSync } from "node:fs";
import type { Chapter } from "./chapter.ts";

const examples = new URL("../", import.meta.url);

/** The folders of the chapters, `NN-slug`, in the order of the discussion. */
export function chapterFolders(): string[] {
  return readdirSync(examples)
    .filter((name) => /^\d\d-/.test(name))
    .sort();
}

/** Loads the chapter of a folder. */
export async function loadChapter(folder: string): Promise<Chapter> {
  const module = (await import(new URL(`${folder}/main.ts`, examples).href)) as { chapter: Chapter };
  return module.chapter;
}
