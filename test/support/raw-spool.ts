/** A spool as it is made by hand of raw streams, and metadata for it; small, and without any kernel. */
import { mkdirSync, writeFileSync } from "node:fs";
import { bodyOf, subBuffer } from "./sub-buffers.ts";

const headerPage =
  "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";

/** A directory with the files cpu0, cpu1 ... of `subBuffers` sub-buffers each, and a file of metadata beside it. */
export function makeRawSpool(path: string, subBuffers = 4, cpus = 2): { metadata: string } {
  mkdirSync(path);
  for (let cpu = 0; cpu < cpus; cpu++) {
    const stream = Array.from({ length: subBuffers }, (_, index) => subBuffer(10, 1 + ((cpu * 7 + index) % 200)));
    writeFileSync(`${path}/cpu${cpu}`, Buffer.concat(stream));
  }
  const metadata = `${path}.metadata`;
  const files = { "events/header_page": headerPage, "events/header_event": "x", saved_cmdlines: "1 init\n" };
  writeFileSync(metadata, JSON.stringify({ ...bodyOf(files), cpus }));
  return { metadata };
}
