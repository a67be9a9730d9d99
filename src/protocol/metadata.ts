/**
 * The two forms of metadata's body.
 *
 * The JSON of a `metadata` reply's body and of `trace-agent metadata`: what decoding a guest's stream needs beside
 * the stream. A guest writes it file by file, and a host reads it value by value (trace-dat/spool/metadata-read.ts)
 * into the `Metadata` that all other code uses (events/trace-metadata.ts); neither holds it whole.
 *
 * `files` maps names below the tracefs directory (and `kallsyms`) to their text, each char one byte (latin1),
 * because comms may hold any byte. A name is a key to compare with, never a path to open. Files that could not be
 * read are listed in `missing`.
 */
export type MetadataBody = {
  version: 1;
  uname: string;
  cpus: number;
  pageSize: number;
  subBufferSize: number;
  files: Record<string, string>;
  missing: Record<string, string>;
};

/**
 * The body of a `sections` reply: lines of JSON, the first of them this one, then records, then `{"end":true}`. Bytes come as they are,
 * and piece by piece, so that neither side ever holds a file as text:
 *
 *     {"file":"events/header_page","bytes":  206}\n  206 bytes      more of the same file may follow in further records
 *     {"missing":"kallsyms","reason":"..."}\n                       what came of this file is void
 *
 * Several bodies may stand one behind the other (a spool): of a file that two of them have the later counts.
 */
export type SectionsHead = Omit<MetadataBody, "version" | "files" | "missing"> & { version: 2 };
export type SectionsRecord = { file: string; bytes: number } | { missing: string; reason: string } | { end: true };

/** How the first line begins, which tells the two forms apart. */
export const sectionsStart = '{"version":2,';
