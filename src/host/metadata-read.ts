/** Metadata of a guest or of a file: bounded, unpacked, and checked field by field before anything of it is used. */
import { gunzipSync } from "node:zlib";
import { AgentError, messageOf } from "../errors.ts";
import { limits } from "../limits.ts";
import type { Metadata } from "../protocol/metadata.ts";

/** `bytes`: JSON, or gzip of it. `origin` says where it came from, for the error. */
export function readMetadata(bytes: Uint8Array, origin: string): Metadata {
  const bad = (reason: string, cause?: unknown): AgentError => new AgentError("io", `cannot use the metadata of ${origin}: ${reason}`, { cause });
  if (bytes.length > limits.metadataBytes) throw bad(`larger than ${limits.metadataBytes} bytes`);
  let parsed: unknown;
  try {
    const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const text = packed ? gunzipSync(bytes, { maxOutputLength: limits.metadataBytes }) : bytes;
    parsed = JSON.parse(Buffer.from(text).toString("utf8"));
  } catch (cause) {
    throw bad(messageOf(cause), cause);
  }
  if (!isRecord(parsed) || parsed["version"] !== 1) throw bad("not metadata of version 1");
  const { uname, cpus } = parsed;
  if (typeof cpus !== "number" || !Number.isSafeInteger(cpus) || cpus < 1 || cpus > limits.cpusMax) throw bad("no sound number of CPUs");
  return {
    version: 1,
    uname: typeof uname === "string" ? printable(uname) : "unknown",
    cpus,
    pageSize: sizeOf(parsed["pageSize"]),
    subBufferSize: sizeOf(parsed["subBufferSize"]),
    files: filesOf(parsed["files"], bad),
    missing: missingOf(parsed["missing"]),
  };
}

/** The files that only one has, and of those that both have the later. */
export function mergeMetadata(earlier: Metadata | undefined, later: Metadata | undefined): Metadata | undefined {
  if (earlier === undefined || later === undefined) return later ?? earlier;
  const files = { ...earlier.files, ...later.files };
  const missing = Object.fromEntries(
    Object.entries({ ...earlier.missing, ...later.missing }).filter(([name]) => !Object.hasOwn(files, name)),
  );
  return { ...later, cpus: Math.max(earlier.cpus, later.cpus), files, missing };
}

function filesOf(value: unknown, bad: (reason: string) => AgentError): Record<string, string> {
  if (!isRecord(value)) throw bad("no files");
  const entries = Object.entries(value);
  if (entries.length > limits.metadataFiles) throw bad(`more than ${limits.metadataFiles} files`);
  const files = new Map<string, string>();
  for (const [name, text] of entries) {
    if (typeof text !== "string") throw bad("a file is not text");
    // Names are keys, never paths; one that is none of the kernel's is of no use to anybody.
    if (name.length > limits.guestTextChars || !isFileName(name)) continue;
    if (/[^\0-\xff]/.test(text)) throw bad(`file ${name} is not latin1`);
    files.set(name, text);
  }
  // As own properties, whatever the names are.
  return Object.fromEntries(files);
}

function isFileName(name: string): boolean {
  const parts = name.split("/");
  return parts.length <= 4 && parts.every((part) => /^[\w.-]+$/.test(part) && part !== "." && part !== "..");
}

function missingOf(value: unknown): Record<string, string> {
  const missing = new Map<string, string>();
  if (!isRecord(value)) return {};
  for (const [name, reason] of Object.entries(value).slice(0, limits.metadataFiles)) {
    if (typeof reason === "string") missing.set(printable(name), printable(reason));
  }
  return Object.fromEntries(missing);
}

function sizeOf(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= limits.subBufferMaxBytes ? value : 4096;
}

function printable(text: string): string {
  return text.slice(0, limits.guestTextChars).replaceAll(/[^\x20-\x7e]/g, "?");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
