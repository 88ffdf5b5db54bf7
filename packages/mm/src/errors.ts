/** The errno names an address space refuses with. */
export type MmErrorCode =
  | "EACCES"
  | "EAGAIN"
  | "EBADF"
  | "EEXIST"
  | "EFAULT"
  | "EINVAL"
  | "ENODEV"
  | "ENOMEM"
  | "EOPNOTSUPP"
  | "EOVERFLOW"
  | "EPERM";

/** A refusal by the address space, as a system call would answer it. `code` is the errno name. */
export class MmError extends Error {
  readonly code: MmErrorCode;

  constructor(code: MmErrorCode, message: string) {
    super(`${code}: ${message}`);
    this.name = "MmError";
    this.code = code;
  }
}

/** An integer a system call can be given: a C `unsigned long`, as far as a double can say it. */
export function checkUnsigned(what: string, value: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= 2 ** 64) return;
  throw new RangeError(`${what} must be an integer in 0..2^64, got ${String(value)}`);
}

/** Runs `allocate`; an arena or tree that is out of memory becomes `ENOMEM` of the call in progress. */
export function orNoMemory<T>(what: string, allocate: () => T): T {
  try {
    return allocate();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOMEM") {
      throw new MmError("ENOMEM", `${what}: ${error.message}`);
    }
    throw error;
  }
}
