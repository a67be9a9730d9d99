/**
 * What decoding a guest's stream needs beside the stream: the body of a `metadata` reply, and of `trace-agent metadata`.
 *
 * `files` maps names below the tracefs directory (and `kallsyms`) to their text, each char one byte (latin1), since comms
 * may hold any byte. A name is a key to compare with, never a path to open. What could not be read is named in `missing`.
 */
export type Metadata = {
  version: 1;
  uname: string;
  cpus: number;
  pageSize: number;
  subBufferSize: number;
  files: Record<string, string>;
  missing: Record<string, string>;
};
