/** What a kind of init needs for the agent: files, and the links that enable it. */
export const programPath = "/usr/local/bin/trace-agent";

export type ServiceFiles = {
  files: readonly { path: string; content: string; mode: number }[];
  links: readonly { path: string; target: string }[];
  /** The script that starts and stops it, if the init has one. */
  script?: string;
  /** Words to add to files of others: to the line that begins with `line`. */
  words?: readonly { path: string; line: string; word: string }[];
  /** Directories that we made: removed when nothing else is in them. */
  directories: readonly string[];
};
