/** The last seconds of all streams, kept in memory, and made a trace.dat when that is asked for. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { limits } from "../../limits.ts";
import { version } from "../../version.ts";
import { writeTraceDat } from "../trace-dat/write.ts";
import type { LiveGuest } from "./follow.ts";

type Kept = { cpu: number; bytes: Uint8Array; ms: number };

export class RecentData {
  #kept: Kept[] = [];
  #bytes = 0;

  /** Keeps what it is given, which nobody changes any more. */
  push(cpu: number, bytes: Uint8Array, nowMs: number): void {
    this.#kept.push({ cpu, bytes, ms: nowMs });
    this.#bytes += bytes.length;
    let old = 0;
    for (const { bytes: first, ms } of this.#kept) {
      if (nowMs - ms <= limits.topKeepMs && this.#bytes <= limits.topKeepBytes) break;
      this.#bytes -= first.length;
      old++;
    }
    if (old > 0) this.#kept.splice(0, old);
  }

  /** Writes a trace.dat and gives the number of events in it. `names`: of the tasks that are known by now. */
  save(path: string, { metadata, trace }: LiveGuest, names: ReadonlyMap<number, string>): number {
    const directory = mkdtempSync(`${tmpdir()}/trace-agent-`);
    try {
      const cpus = [...new Set(this.#kept.map(({ cpu }) => cpu))];
      const streams = cpus.map((cpu) => {
        const file = `${directory}/cpu${cpu}`;
        const bytes = Buffer.concat(this.#kept.filter((kept) => kept.cpu === cpu).map((kept) => kept.bytes));
        writeFileSync(file, bytes);
        return { cpu, path: file, skipBytes: 0, bytes: bytes.length };
      });
      const recording = {
        metadata: { ...metadata, files: { ...metadata.files, saved_cmdlines: commandLines(metadata.files["saved_cmdlines"] ?? "", names) } },
        layout: trace.layout,
        cpus: Math.max(metadata.cpus, ...cpus.map((cpu) => cpu + 1)),
        streams,
        version: `trace-agent ${version}`,
        traceId: randomBytes(8).readBigUInt64LE(),
      };
      return writeTraceDat(path, recording, "v6").cpus.reduce((sum, { events }) => sum + events, 0);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

/** saved_cmdlines with the names of now. */
function commandLines(saved: string, names: ReadonlyMap<number, string>): string {
  const all = new Map(
    saved.split("\n").flatMap((line): [number, string][] => {
      const [, pid, name] = /^\s*(\d{1,10}) (.*)$/.exec(line) ?? [];
      return pid === undefined ? [] : [[Number(pid), name ?? ""]];
    }),
  );
  for (const [pid, name] of names) all.set(pid, name.replaceAll("\n", "?"));
  return [...all].map(([pid, name]) => `${pid} ${name}\n`).join("");
}
