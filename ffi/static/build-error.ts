/** A failure of the build: what was wrong, and what to do about it. build.ts prints it and exits with 1. */
export class BuildError extends Error {
  override readonly name = "BuildError";
  readonly remedy: string | undefined;

  constructor(message: string, remedy?: string) {
    super(message);
    this.remedy = remedy;
  }

  get text(): string {
    return this.remedy === undefined ? this.message : `${this.message}; ${this.remedy}`;
  }
}
