/** Codes of {@link SyncError}; the names are those of the errno the kernel or pthreads would give. */
export type SyncErrorCode =
  /** Waiting could never end: the only thread which could help is the one that would wait. */
  | "EDEADLK"
  /** The time given as `timeoutMs` has passed. */
  | "ETIMEDOUT"
  /** The `signal` given was aborted before the lock was got; `cause` is its reason. */
  | "EINTR"
  /** A release by somebody who cannot hold the lock, because nobody does. */
  | "EPERM"
  /** The object is closed, offline, or laid out differently from what the caller says. */
  | "EINVAL"
  /** Every agent slot of the domain is taken. */
  | "ENOSPC"
  /** This thread is not allowed to block (the main thread of a browser). */
  | "EWOULDBLOCK"
  /** The last owner of a robust lock died holding it, and what the lock guards has not been repaired. */
  | "EOWNERDEAD"
  /** A robust lock whose owner died was given back unrepaired: nobody will ever get it again. */
  | "ENOTRECOVERABLE";

/** A refusal by a lock or an RCU domain, with an errno-like `code`. */
export class SyncError extends Error {
  override readonly name: string = "SyncError";
  /** Which refusal it is. */
  readonly code: SyncErrorCode;

  constructor(code: SyncErrorCode, message: string, options?: ErrorOptions) {
    super(`${message} (${code})`, options);
    this.code = code;
  }
}
