/** A recording that cannot be read: which file, which line, and why. */
export class RecordingError extends Error {
  readonly code: "EBADMSG" | "ETRUNC" | "ENOENT";
  /** 1-based; 0 if the error is about the file. */
  readonly line: number;

  constructor(code: RecordingError["code"], message: string, line = 0) {
    super(message);
    this.name = "RecordingError";
    this.code = code;
    this.line = line;
  }
}
