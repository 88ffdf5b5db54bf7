/*
 * A check, from its options to its report.
 */
import { Exploration, turn } from "./exploration.ts";
import { install } from "./instrument.ts";
import { quieten } from "./microtasks.ts";
import type { CheckOptions, Model, Report } from "./model.ts";
import { checkOptions, loadModel } from "./options.ts";
import { Subject } from "./subject.ts";

/**
 * Runs a model through its interleavings.
 *
 * While it runs, `Atomics`, `SharedArrayBuffer`, `DataView` and the typed-array constructors of this realm are
 * replaced; they are put back before it returns. Give the model as a URL, so that its module is loaded with the
 * replaced globals; a model given as an object must touch them only inside its functions.
 *
 * @param model - the model, or the URL of a module that exports `setup`, `threads` and perhaps `after`
 * @returns the report; a violation is a value, not an exception
 * @throws InterleaveError `EINVAL` for a model or an option that cannot be, `ENOENT` for a missing file,
 * `EBUSY` if another check runs in this realm
 *
 * Cost: an execution costs its steps, plus one re-execution of a thread per switch: quadratic in the length
 * of a thread at worst.
 */
export async function check<Shared>(
  model: Model<Shared> | URL | string,
  options: CheckOptions = {},
): Promise<Report> {
  checkOptions(options);
  const restore = install();
  const loud = quieten();
  try {
    const loaded = await loadModel(model as Model | URL | string, options.exportName);
    const url = typeof model === "string" || model instanceof URL ? model : undefined;
    return await new Exploration(new Subject(loaded, options, url)).run();
  } finally {
    restore();
    // The rejections of the last execution are reported after a turn of the event loop.
    await turn();
    loud();
  }
}
