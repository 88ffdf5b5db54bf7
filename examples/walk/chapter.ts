import type { Page } from "./page.ts";

/** Who said what in the discussion, paraphrased. */
export interface Claim {
  /** `C1` … `C14`, in the order of the discussion. */
  readonly id: string;
  readonly who: string;
  readonly says: string;
}

/** One chapter: what was said, and a program that shows it. */
export interface Chapter {
  readonly number: number;
  readonly title: string;
  readonly claims: readonly Claim[];
  /** Prints the chapter's run; `page.check` states what must hold. */
  readonly run: (page: Page) => void | Promise<void>;
}
