/*
 * The vitest matcher. Import this module once, in the test file or in a set-up file.
 */
import { expect } from "vitest";
import { check } from "./check.ts";
import type { CheckOptions, Model } from "./model.ts";
import { reportText } from "./table.ts";

declare module "vitest" {
  // The parameters are those of vitest's own declaration.
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown> {
    /** Runs the model, or the module at a URL, and fails with the schedule of the first violation. Await it. */
    toHoldInEveryInterleaving(options?: CheckOptions): Promise<void>;
  }
}

expect.extend({
  async toHoldInEveryInterleaving(model: unknown, options: CheckOptions = {}) {
    const report = await check(model as Model | URL, options);
    return {
      pass: report.ok,
      message: () => reportText(report),
    };
  },
});
