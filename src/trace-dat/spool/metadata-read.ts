/** Metadata of a guest or of a file: bounded, unpacked, and checked field by field before anything of it is used. */
import { AgentError, isBeyondBound, messageOf } from "../../base/errors.ts";
import { foreignAscii, foreignText } from "../../base/foreign-text.ts";
import { JsonScanner } from "../../base/json-scanner.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import { tracefsLimits } from "../../tracefs/limits.ts";
import { sectionsStart } from "../../protocol/metadata.ts";
import { traceDatLimits } from "../limits.ts";
import { isFileName, readSections } from "./sections-read.ts";
import { MetadataFiles } from "../../events/metadata-files.ts";
import type { Metadata } from "../../events/trace-metadata.ts";

const MiB = 1024 * 1024;

/**
 * `bytes`: JSON, gzip of it, or bodies of sections. `origin` says where it came from, for the error; `kind` is "io" where that is no file.
 * `isWanted`: other files are passed over, without a copy of their text. `mayChange`: nobody needs `bytes` any more.
 */
export function readMetadata(
  bytes: Uint8Array,
  origin: string,
  kind: "input" | "io" = "input",
  isWanted?: (file: string) => boolean,
  mayChange = false,
): Metadata {
  const bad = (reason: string, cause?: unknown): AgentError =>
    new AgentError(kind, `cannot use the metadata of ${origin}: ${reason}`, { cause });
  const limit = `${protocolLimits.metadataBytes / MiB} MiB, the most that formats, symbols and names of a guest may take`;
  if (bytes.length > protocolLimits.metadataBytes) throw bad(`it is larger than ${limit}`);
  let values: Values;
  try {
    if (startsWith(bytes, sectionsStart)) return readSections(bytes, isWanted, mayChange);
    const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const unpacked = packed ? unpack(bytes) : bytes;
    values = readValues(unpacked, isWanted);
  } catch (cause) {
    if (isBeyondBound(cause)) throw bad(`unpacked, it is larger than ${limit}`, cause);
    throw bad(foreignText(messageOf(cause), protocolLimits.guestTextChars), cause);
  }
  const { version, uname, cpus, files } = values;
  if (version !== 1) throw bad("not metadata of version 1");
  if (cpus === undefined || !Number.isSafeInteger(cpus) || cpus < 1 || cpus > tracefsLimits.cpusMax)
    throw bad("no sound number of CPUs");
  if (files === undefined) throw bad("no files");
  const metadata = files.metadata({
    uname: uname === undefined ? "unknown" : printable(uname),
    cpus,
    missing: Object.fromEntries(values.missing),
  });
  // Memory outside of the collector's heap, for which it does not hurry: a run reads such a body three times.
  if (metadata.formats.length > traceDatLimits.formatsUsual) Bun.gc(true);
  return metadata;
}

type Values = {
  version?: number | undefined;
  uname?: string | undefined;
  cpus?: number | undefined;
  files?: MetadataFiles;
  missing: Map<string, string>;
};

/** Value by value, because a guest may send JSON that is nothing but brackets. */
function readValues(bytes: Uint8Array, isWanted?: (file: string) => boolean): Values {
  const values: Values = { missing: new Map() };
  const json = new JsonScanner(bytes);
  const found = json.object((key) => {
    switch (key) {
      case "version":
      case "cpus":
        values[key] = json.number();
        return;
      case "uname":
        values.uname = json.string();
        return;
      case "files":
        values.files = readFiles(json, isWanted);
        return;
      case "missing":
        readMissing(json, values.missing);
        return;
      default:
        json.skip();
    }
  });
  if (!found) throw new SyntaxError("no object");
  json.end();
  return values;
}

function readFiles(json: JsonScanner, isWanted: (file: string) => boolean = () => true): MetadataFiles {
  const files = new MetadataFiles();
  let count = 0;
  const found = json.object((name) => {
    if (++count > protocolLimits.metadataFiles)
      throw new SyntaxError(`more than ${protocolLimits.metadataFiles} files`);
    // Names are keys, never paths; one that is none of the kernel's is of no use to anybody.
    const usable = isFileName(name);
    if (!isWanted(name)) return json.skip();
    const most = name === "kallsyms" ? protocolLimits.metadataBytes : protocolLimits.metadataFileBytes;
    const content = json.latin1(most, name === "kallsyms");
    if (content === undefined) throw new SyntaxError(usable ? `file ${name} is no latin1 text` : "a file is not text");
    if (usable) files.put(name, content);
  });
  if (!found) throw new SyntaxError("files are no object");
  return files;
}

function readMissing(json: JsonScanner, missing: Map<string, string>): void {
  const found = json.object((name) => {
    const reason = json.string();
    if (reason !== undefined && missing.size < protocolLimits.metadataFiles)
      missing.set(printable(name), printable(reason));
  });
  if (!found) json.skip();
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, text.length)).toString("latin1") === text;
}

function printable(text: string): string {
  return foreignAscii(text, protocolLimits.guestTextChars);
}

/** node:zlib brings streams with it, 4 ms of a start, and only an agent of protocol 1 packs. */
function unpack(bytes: Uint8Array): Uint8Array {
  return process.getBuiltinModule("node:zlib").gunzipSync(bytes, { maxOutputLength: protocolLimits.metadataBytes });
}
