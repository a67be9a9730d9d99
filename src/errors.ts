/** Failures of the world: what was tried, on what, what it said, and what to do. Bugs assert instead. */

/** Exit codes of sysexits.h, by the kind of failure. */
export const exitCodes = { usage: 64, unavailable: 69, internal: 70, io: 74, permission: 77 } as const;

export type FailureKind = keyof typeof exitCodes;

export type FailureDetails = { remedy?: string; cause?: unknown };

/** The only error type that reaches a user. `message`: action, quoted object, colon, what the system said. */
export class AgentError extends Error {
  override readonly name = "AgentError";
  readonly kind: FailureKind;
  readonly remedy: string | undefined;

  constructor(kind: FailureKind, message: string, details: FailureDetails = {}) {
    super(message, { cause: details.cause });
    this.kind = kind;
    this.remedy = details.remedy;
  }

  get exitCode(): number {
    return exitCodes[this.kind];
  }

  /** The one line that a person reads: the message, then the remedy. */
  get text(): string {
    return this.remedy === undefined ? this.message : `${this.message}; ${this.remedy}`;
  }
}

/** A bug: the condition must hold whatever the world does. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${what}`);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
