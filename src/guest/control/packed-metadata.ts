/**
 * The metadata as sent and written: gzipped JSON. Loaded on demand: zlib costs an agent 1.5 MiB and 15 ms.
 *
 * Written in pieces: 10 MB of text as one string, its JSON and its bytes would take 80 MiB for a moment, which a
 * small guest does not have, or does not grant (vm.overcommit_memory=2).
 */
import { once } from "node:events";
import { createGzip } from "node:zlib";
import { guestLimits } from "../limits.ts";
import { bodyOfBytes } from "./frames.ts";
import { metadataFiles, metadataHead } from "./metadata.ts";
import type { ReplyWriter } from "./reply-writer.ts";

/** Resolves when the port has taken all, or will never. `framed`: the host knows frames. */
export async function sendPacked(
  replies: ReplyWriter,
  tracingDirectory: string,
  framed: boolean,
  signal: AbortSignal,
): Promise<void> {
  try {
    const body = await packedMetadata(tracingDirectory, signal);
    const reply = { reply: "metadata", bytes: body.length, encoding: "gzip" } as const;
    await new Promise<void>((resolve) => {
      if (framed) replies.sendFramed({ ...reply, frames: true }, bodyOfBytes(body), resolve);
      else replies.send(reply, body, resolve);
    });
  } finally {
    // Some 30 MiB of text: an idle runtime would keep them.
    setImmediate(() => Bun.gc(true));
  }
}

/** Yields to the program's other events in between; rejects when `signal` is aborted. */
export async function packedMetadata(tracingDirectory: string, signal?: AbortSignal): Promise<Buffer> {
  const gzip = createGzip();
  const packed: Buffer[] = [];
  gzip.on("data", (chunk: Buffer) => packed.push(chunk));
  const ended = once(gzip, "end");
  // Its error is reported by the write that fails, if one is left.
  ended.catch(() => {});
  try {
    let since = performance.now();
    for (const piece of jsonPieces(tracingDirectory)) {
      await new Promise<void>((resolve, reject) => {
        gzip.write(piece, (error) => (error ? reject(error) : resolve()));
      });
      if (performance.now() - since < guestLimits.metadataQuantumMs) continue;
      await new Promise<void>((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
      since = performance.now();
    }
    gzip.end();
    await ended;
    signal?.throwIfAborted();
    return Buffer.concat(packed);
  } finally {
    gzip.destroy();
  }
}

/** The JSON of `Metadata`, in pieces. */
function* jsonPieces(tracingDirectory: string): Generator<string, void> {
  const missing: Record<string, string> = {};
  let piece = `${JSON.stringify(metadataHead(tracingDirectory)).slice(0, -1)},"files":{`;
  let separator = "";
  for (const file of metadataFiles(tracingDirectory)) {
    if (!("pieces" in file)) {
      missing[file.name] = file.missing;
      continue;
    }
    piece += `${separator}${JSON.stringify(file.name)}:"`;
    separator = ",";
    for (const text of file.pieces) {
      // Each char is one byte, so a cut falls between two characters.
      piece += JSON.stringify(text).slice(1, -1);
      if (piece.length < guestLimits.metadataPieceChars) continue;
      yield piece;
      piece = "";
    }
    piece += '"';
  }
  yield `${piece}},"missing":${JSON.stringify(missing)}}`;
}
