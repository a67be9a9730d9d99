/** Failures of the world: what was tried, on what, what the system said, and what to do. Bugs assert instead. */

/** Exit codes of sysexits.h by kind of failure. `input`: a named file is damaged or of another kind. */
export const exitCodes = { usage: 64, input: 65, unavailable: 69, internal: 70, io: 74, permission: 77 } as const;

export type FailureKind = keyof typeof exitCodes;

/** `told`: another process of ours has already said on the same stderr what is wrong. */
export type FailureDetails = { remedy?: string; cause?: unknown; told?: boolean };

/** The only error type that reaches a user. `message`: action, quoted object, colon, what the system said. */
export class AgentError extends Error {
  override readonly name = "AgentError";
  readonly kind: FailureKind;
  readonly remedy: string | undefined;
  readonly told: boolean;

  constructor(kind: FailureKind, message: string, details: FailureDetails = {}) {
    super(message, { cause: details.cause });
    this.kind = kind;
    this.remedy = details.remedy;
    this.told = details.told === true;
  }

  get exitCode(): number {
    return exitCodes[this.kind];
  }

  /** The one line that a person reads: the message, then the remedy. */
  get text(): string {
    return this.remedy === undefined ? this.message : `${this.message}; ${this.remedy}`;
  }
}

/** A bug: the condition must hold whatever happens outside. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${what}`);
}

/** The errno name of a failed system call, as "EACCES", whoever made the call; undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Whether the system refused it for lack of permission. */
export function isDenied(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === "EACCES" || errno === "EPERM";
}

/** What to do where a file may not grow; nothing where that is not what failed. */
export function sizeRemedy(error: unknown): { remedy?: string } {
  if (errnoOf(error) !== "EFBIG") return {};
  return {
    remedy: "raise the limit on the size of files (ulimit -f, LimitFSIZE= of a service), or use another file system",
  };
}

/** The text for a person: with the remedy, if there is one. */
export function textOf(error: unknown): string {
  return error instanceof AgentError ? error.text : messageOf(error);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether something could not be unpacked because it is larger than `maxOutputLength` (zlib.html of Node: ERR_BUFFER_TOO_LARGE). */
export function isBeyondBound(error: unknown): boolean {
  return errnoOf(error) === "ERR_BUFFER_TOO_LARGE";
}
