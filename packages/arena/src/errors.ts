/**
 * Why an arena refused.
 *
 * - `ENOMEM`: no room is left and the buffer may not grow further, or the refusal was injected by a test.
 * - `EINVAL`: the buffer holds no arena of this version, or a word was freed which is not an allocated object.
 * - `ESTALE`: in debug mode, a handle whose object has been freed since.
 */
export type ArenaErrorCode = "ENOMEM" | "EINVAL" | "ESTALE";

/** A refusal of an arena; after it everything is as it was before the call. */
export class ArenaError extends Error {
  override readonly name: string = "ArenaError";
  /** Which kind of refusal. */
  readonly code: ArenaErrorCode;

  /**
   * @param code - which kind of refusal
   * @param message - what was refused, with the values
   */
  constructor(code: ArenaErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** @throws RangeError naming the argument unless `value` is an integer in `min..max` */
export function checkInteger(what: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${what} must be an integer in ${min}..${max}, got ${String(value)}`);
  }
}
