/** The last seconds of all streams, kept in memory and written as a trace.dat on request. */
import { appendFileSync } from "node:fs";
import type { OutputPlace } from "../../base/output-place.ts";
import { makePrivateDirectory, removePrivateDirectory } from "../../base/private-directory.ts";
import { forEachTaskLine } from "../../events/saved-names.ts";
import { hostLimits } from "../limits.ts";
import { version } from "../../base/version.ts";
import { withoutPast } from "../../trace-dat/spool/past.ts";
import { writeTraceDat } from "../../trace-dat/write/write.ts";
import { newTraceId } from "../../trace-dat/trace-id.ts";
import type { LiveGuest } from "./follow.ts";

/** Offset in the ring. */
type Kept = { cpu: number; at: number; bytes: number; ms: number };

export class RecentData {
  /** A ring that is overwritten in place: separate pieces would be held two or three times until they are collected. */
  readonly #ring: Uint8Array<ArrayBuffer>;
  /** Starts at the oldest byte, which follows the end of the newest. */
  #kept: Kept[] = [];
  #end = 0;

  constructor(bytesMax: number = hostLimits.topKeepBytes) {
    this.#ring = new Uint8Array(new ArrayBuffer(bytesMax));
  }

  /** Copies its argument. */
  push(cpu: number, bytes: Uint8Array, nowMs: number): void {
    const piece = bytes.subarray(-this.#ring.length);
    const wraps = this.#end + piece.length > this.#ring.length;
    const from = wraps ? 0 : this.#end;
    const to = from + piece.length;
    let old = 0;
    for (const { at, bytes: length, ms } of this.#kept) {
      const isOverwritten = (wraps && at >= this.#end) || (at < to && at + length > from);
      if (nowMs - ms <= hostLimits.topKeepMs && !isOverwritten) break;
      old++;
    }
    if (old > 0) this.#kept.splice(0, old);
    this.#ring.set(piece, from);
    this.#kept.push({ cpu, at: from, bytes: piece.length, ms: nowMs });
    this.#end = to;
  }

  /** A CPU's kept data, oldest first. */
  *piecesOf(cpu: number): Iterable<Uint8Array> {
    for (const kept of this.#kept) if (kept.cpu === cpu) yield this.#ring.subarray(kept.at, kept.at + kept.bytes);
  }

  /** Writes a trace.dat and returns the number of its events. `names`: of the tasks known by now; `begin`: of each CPU. */
  save(
    place: OutputPlace,
    { trace }: LiveGuest,
    { names, begin }: { names: ReadonlyMap<number, string>; begin: ReadonlyMap<number, bigint> },
  ): number {
    const directory = makePrivateDirectory();
    try {
      const cpus = [...new Set(this.#kept.map(({ cpu }) => cpu))];
      const streams = cpus.map((cpu) => {
        const file = `${directory}/cpu${cpu}`;
        // Piece by piece: all at once would be held twice.
        let bytes = 0;
        for (const piece of this.piecesOf(cpu)) {
          appendFileSync(file, piece);
          bytes += piece.length;
        }
        const stream = { cpu, path: file, skipBytes: 0, bytes };
        const since = begin.get(cpu);
        return since === undefined ? stream : withoutPast(stream, trace.layout, since).stream;
      });
      const recording = {
        metadata: { ...trace, savedCommands: commandLines(trace.savedCommands ?? "", names) },
        layout: trace.layout,
        cpus: Math.max(trace.cpus, ...cpus.map((cpu) => cpu + 1)),
        streams,
        version: `trace-agent ${version}`,
        traceId: newTraceId(),
      };
      return writeTraceDat(place, recording, "v6").cpus.reduce((sum, { events }) => sum + events, 0);
    } finally {
      removePrivateDirectory(directory);
    }
  }
}

/** saved_cmdlines with the current names. */
function commandLines(saved: string, names: ReadonlyMap<number, string>): string {
  const all = new Map<number, string>();
  forEachTaskLine(saved, (pid, name) => all.set(pid, name));
  for (const [pid, name] of names) all.set(pid, name.replaceAll("\n", "?"));
  return [...all].map(([pid, name]) => `${pid} ${name}\n`).join("");
}
