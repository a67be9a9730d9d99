/** The commit that is built, as --version says it. */
import { BuildError } from "./build-error.ts";
import { run } from "./run.ts";

/** Digits of the name of a commit: always as many, whatever the repository holds. */
const digits = 12;

/**
 * "2366882a5f10", with ", changed" where one of `inputs` is not as in the commit; "unknown" where the folder is not the top of
 * a repository of git, or there is no git.
 */
export function commitOf(folder: string, inputs: readonly string[]): string {
  const git = (...words: string[]): string => run(["git", "-C", folder, ...words]).trim();
  try {
    // A source tree without a repository may lie in one of something else.
    if (git("rev-parse", "--show-prefix") !== "") return "unknown";
    const commit = git("rev-parse", "HEAD").slice(0, digits);
    return git("status", "--porcelain", "--", ...inputs) === "" ? commit : `${commit}, changed`;
  } catch (error) {
    if (error instanceof BuildError) return "unknown";
    throw error;
  }
}
