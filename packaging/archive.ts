/** Archives whose bytes depend on their content alone: tar by GNU tar, and ar, which .deb files are (ar(5), deb(5)). */
import { run } from "../ffi/static/run.ts";

/** Of every file in an archive, in seconds: no part of what was built, and none so old that dpkg's tools doubt it. */
const epoch = "@1767225600";

/** Packs a folder, compressed by the ending of `outfile` (.tar, .tar.xz). */
export function packFolder(folder: string, outfile: string): void {
  const form = ["--format=gnu", "--sort=name", `--mtime=${epoch}`, "--owner=0", "--group=0", "--numeric-owner"];
  // One thread: several cut the data elsewhere.
  const packed = outfile.endsWith(".xz") ? ["--use-compress-program=xz --threads=1"] : [];
  run(["tar", ...form, ...packed, "-cf", outfile, "-C", folder, "."]);
}

export type Member = { name: string; bytes: Uint8Array };

export function arArchive(members: readonly Member[]): Uint8Array {
  const pieces: Uint8Array[] = [Buffer.from("!<arch>\n")];
  for (const { name, bytes } of members) {
    const fields = [name.padEnd(16), "0".padEnd(12), "0".padEnd(6), "0".padEnd(6), "100644".padEnd(8)];
    pieces.push(Buffer.from(`${fields.join("")}${`${bytes.length}`.padEnd(10)}\`\n`), bytes);
    if (bytes.length % 2 === 1) pieces.push(Buffer.from("\n"));
  }
  return Buffer.concat(pieces);
}
