/** What a {@link SimError} is about. */
export type SimErrorCode = "EINVAL" | "EDEADLK" | "ENOENT" | "EPERM";

/** A refused request or a broken rule of the simulated machine, such as sleeping in an RCU section. */
export class SimError extends Error {
  readonly code: SimErrorCode;

  constructor(code: SimErrorCode, message: string) {
    super(message);
    this.name = "SimError";
    this.code = code;
  }
}

/** Throws a `RangeError` that names the argument unless `value` is an integer in `min..max`. */
export function checkInteger(where: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${where} must be an integer in ${min}..${max}, got ${value}`);
  }
  return value;
}
