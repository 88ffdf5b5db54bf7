import type { Chapter } from "./chapter.ts";
import type { Page } from "./page.ts";

/** Prints one chapter: title, what was said, the run. */
export async function showChapter(chapter: Chapter, page: Page): Promise<void> {
  page.heading(`${chapter.number} - ${chapter.title}`);
  for (const { id, who, says } of chapter.claims) page.quote(id, who, says);
  page.line();
  await chapter.run(page);
}
