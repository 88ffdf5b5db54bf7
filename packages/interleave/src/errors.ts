/** Codes of {@link InterleaveError}. */
export type InterleaveErrorCode =
  /** The model, an option or a schedule is not what the checker can run. */
  | "EINVAL"
  /** A check is running already in this realm: the replaced globals are its own. */
  | "EBUSY"
  /** The model's file cannot be found. */
  | "ENOENT";

/** A refusal by the checker: misuse, never a violation that it found. */
export class InterleaveError extends Error {
  override readonly name: string = "InterleaveError";
  /** Which refusal it is. */
  readonly code: InterleaveErrorCode;

  constructor(code: InterleaveErrorCode, message: string) {
    super(`${message} (${code})`);
    this.code = code;
  }
}

/** Thrown through the code under test to leave a thread at its next shared operation; never seen by users. */
export class Suspend extends Error {
  override readonly name: string = "Suspend";
}

/** A re-executed thread did something else than before: the model depends on more than the shared memory. */
export class NondeterminismError extends Error {
  override readonly name: string = "NondeterminismError";
}
