/** Collects what decoding needs from the tracing directory: the body of a `metadata` reply. */
import { closeSync, openSync, readSync } from "node:fs";
import { hostname, release, version } from "node:os";
import { messageOf } from "../../base/errors.ts";
import { MetadataFiles } from "../../events/metadata-files.ts";
import type { Metadata } from "../../events/trace-metadata.ts";
import { onlineCpus, tracedCpus } from "../../tracefs/cpus.ts";
import { machineName } from "../../tracefs/machine.ts";
import { guestLimits } from "../limits.ts";
import { subBufferSizeBytes } from "../../tracefs/tracefs.ts";
import type { MetadataBody } from "../../protocol/metadata.ts";
import { allSources } from "./metadata-sources.ts";
import { pageSize } from "../../../ffi/sysconf.ts";

/**
 * A file by its name below the tracing directory: its text in pieces, each char one byte, or why it could not be
 * read. Take the pieces before the next file is asked for.
 */
export type MetadataFile = { name: string; pieces: Iterable<string> } | { name: string; missing: string };

/** Everything at once, for decoding in this process. */
export function collectMetadata(directory: string): Metadata {
  const { uname, cpus } = metadataHead(directory);
  const files = new MetadataFiles();
  const missing: Record<string, string> = {};
  for (const file of metadataFiles(directory)) {
    if ("pieces" in file) files.put(file.name, [...file.pieces].join(""));
    else missing[file.name] = file.missing;
  }
  return files.metadata({ uname, cpus, missing });
}

/** Metadata that is not a file. */
export function metadataHead(directory: string): Omit<MetadataBody, "files" | "missing"> {
  return {
    version: 1,
    uname: ["Linux", ...nodeName(), release(), version(), machineName()].join(" "),
    cpus: Math.max(tracedCpus(directory).length, ...(onlineCpus() ?? []).map((cpu) => cpu + 1)),
    pageSize: pageSize(),
    subBufferSize: subBufferSizeBytes(directory),
  };
}

/** None where the kernel was given none. By it recordings of a fleet are told apart. */
function nodeName(): string[] {
  const name = hostname();
  return name === "" || name === "(none)" ? [] : [name];
}

/** File by file: none needs to be kept for the next. */
export function* metadataFiles(directory: string): Generator<MetadataFile, void> {
  const buffer = Buffer.allocUnsafe(guestLimits.metadataPieceChars);
  for (const source of allSources(directory)) {
    if ("missing" in source) yield source;
    else yield { name: source.name, ...open(source.path, buffer) };
  }
}

/** kallsyms is 5 to 10 MB, so every file comes in pieces. */
function open(path: string, buffer: Buffer): { pieces: Iterable<string> } | { missing: string } {
  let fd: number | undefined;
  try {
    fd = openSync(path, "r");
    return { pieces: piecesOf(fd, buffer, readPiece(fd, buffer)) };
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    return { missing: messageOf(error) };
  }
}

/** Closes the file at its end, or when the caller has enough. */
function* piecesOf(fd: number, buffer: Buffer, first: string): Generator<string, void> {
  try {
    // An empty file is a file.
    yield first;
    for (let piece = readPiece(fd, buffer); piece !== ""; piece = readPiece(fd, buffer)) yield piece;
  } finally {
    closeSync(fd);
  }
}

function readPiece(fd: number, buffer: Buffer): string {
  return buffer.toString("latin1", 0, readSync(fd, buffer));
}
