/** Sub-buffers as the kernel lays them out (4 KiB, 64 bit), made by hand; and a recording of them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { MetadataFiles } from "../../src/events/metadata-files.ts";
import type { Metadata } from "../../src/events/trace-metadata.ts";
import type { MetadataBody } from "../../src/protocol/metadata.ts";
import type { Recording } from "../../src/trace-dat/write/recording.ts";

export const subBufferBytes = 4096;

/** A sub-buffer with `events` events of 8 bytes of data, all `fill`; `lost` events were lost before it. */
export function subBuffer(events: number, fill = 0x11, lost = 0): Buffer {
  const bytes = Buffer.alloc(subBufferBytes);
  const length = events * 12;
  bytes.writeBigUInt64LE(1_000_000n, 0);
  const flags = lost > 0 ? 0xc000_0000 : 0;
  bytes.writeUInt32LE((flags | length) >>> 0, 8);
  for (let event = 0; event < events; event++) {
    const at = 16 + event * 12;
    bytes.writeUInt32LE(2 | (100 << 5), at);
    bytes.fill(fill, at + 4, at + 12);
  }
  if (lost > 0) bytes.writeBigUInt64LE(BigInt(lost), 16 + length);
  return bytes;
}

/** As a host has it that read `bodyOf` the same. */
export function metadataOf(files: Record<string, string> = {}): Metadata {
  const known = new MetadataFiles();
  for (const [name, text] of Object.entries(files)) known.put(name, text);
  return known.metadata({ uname: "Linux 6.12 x86_64", cpus: 1, missing: {} });
}

/** As a guest sends it. */
export function bodyOf(files: Record<string, string> = {}): MetadataBody {
  return { version: 1, uname: "Linux 6.12 x86_64", cpus: 1, pageSize: 4096, subBufferSize: 4096, files, missing: {} };
}

/** The same as the answer to `metadata SECTION...`. */
export function sectionsBody(files: Record<string, string>, missing: Record<string, string> = {}): Buffer {
  const head = { version: 2, uname: "Linux 6.12 x86_64", cpus: 1, pageSize: 4096, subBufferSize: 4096 };
  const records = Object.entries(files).map(
    ([file, text]) => `${JSON.stringify({ file, bytes: text.length })}\n${text}`,
  );
  const reasons = Object.entries(missing).map(([name, reason]) => `${JSON.stringify({ missing: name, reason })}\n`);
  return Buffer.from([`${JSON.stringify(head)}\n`, ...records, ...reasons, '{"end":true}\n'].join(""), "latin1");
}

export type SpoolOf = Record<number, Uint8Array>;

/** Runs `use` with a recording whose streams lie in a directory that is removed again. */
export function withRecording<T>(
  cpus: number,
  streams: SpoolOf,
  metadata: Metadata,
  use: (recording: Recording, directory: string) => T,
): T {
  const directory = mkdtempSync(`${tmpdir()}/trace-dat-`);
  try {
    const recorded = Object.entries(streams).map(([cpu, bytes]) => {
      const path = `${directory}/cpu${cpu}.raw`;
      writeFileSync(path, bytes);
      return { cpu: Number(cpu), path, skipBytes: 0, bytes: bytes.length };
    });
    const recording: Recording = {
      metadata,
      layout: layoutOf(subBufferBytes, 8),
      cpus,
      streams: recorded,
      version: "trace-agent test",
      traceId: 0x0123_4567_89ab_cdefn,
    };
    return use(recording, directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
