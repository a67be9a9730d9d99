/** What a kind of init needs to know of the agent: files, and the links that enable it. */
export const programPath = "/usr/local/bin/trace-agent";

export type ServiceFiles = {
  files: readonly { path: string; content: string; mode: number }[];
  links: readonly { path: string; target: string }[];
  /** The file that starts and stops it, where the init has such. */
  script?: string;
  /** Words that files of others need: after the first line's beginning `line`. */
  words?: readonly { path: string; line: string; word: string }[];
  /** Made by us: removed when nothing else is in them. */
  directories: readonly string[];
};
