/** What all segments of one machine's run hold together, and whether it is all that its kernel counted. */
import { log } from "../../base/log.ts";
import { counted } from "../../base/plural.ts";
import { balanceOf, type CpuBalance, imbalances } from "../../trace-dat/spool/balance.ts";
import type { SessionMachine } from "../../trace-dat/session/session-file.ts";
import type { Finished } from "../../trace-dat/spool/finish.ts";
import { addTally, type CpuTally, newTally } from "../../trace-dat/write/write.ts";
import type { MachineStream } from "./machine-stream.ts";
import type { WrittenSegment } from "./segment-file.ts";

export class MachineTotal {
  readonly #cpus: CpuTally[] = [];
  readonly #leftOut = new Map<number, number>();
  #bytes = 0;
  segments = 0;

  add({ bytes, cpus, leftOut, notes }: WrittenSegment, name: string): void {
    this.segments++;
    this.#bytes += bytes;
    for (const [cpu, events] of leftOut) this.#leftOut.set(cpu, (this.#leftOut.get(cpu) ?? 0) + events);
    for (const note of notes) log.info(`${name}: ${note}`);
    for (const more of cpus) addTally((this.#cpus[more.cpu] ??= newTally(more.cpu)), more);
  }

  /** As a recording in one file would be told of. `trouble`: why it ended, if not by request. */
  finished({ session, end, metadata, whole }: MachineStream, trouble: string | undefined): Finished {
    const cpus = Array.from({ length: Math.max(1, this.#cpus.length) }, (_, cpu) => this.#cpus[cpu] ?? newTally(cpu));
    const damaged = cpus.reduce((sum, tally) => sum + tally.damaged, 0);
    const damage = damaged === 0 ? [] : [`${counted(damaged, "sub-buffer")} cannot be read to the end`];
    const balances = this.#balances(session, end, whole);
    return {
      warnings: [],
      damage,
      mismatches: [],
      spoolHasMore: false,
      bytes: this.#bytes,
      files: [],
      cpus,
      metadata: metadata ?? { uname: session.guest, cpus: 1, formats: [], cpuStats: [] },
      endedEarly: trouble ?? (end?.reason === "" ? undefined : end?.reason),
      notes: [],
      balances,
      found: end?.after?.found ?? session.before?.found,
    };
  }

  #balances(
    { before, start }: MachineStream["session"],
    end: MachineStream["end"],
    whole: MachineStream["whole"],
  ): CpuBalance[] {
    if (end?.after === undefined && end?.stop === undefined) return [];
    const received = [...whole].map(([cpu, cameBytes]) => {
      const tally = this.#cpus[cpu];
      const beyond = end.beyondSize?.find((entry) => entry.cpu === cpu)?.bytes ?? 0;
      const events = (tally?.events ?? 0) + (this.#leftOut.get(cpu) ?? 0);
      return { cpu, bytes: cameBytes + beyond, events, damaged: (tally?.damaged ?? 0) > 0 || beyond > 0 };
    });
    return balanceOf({ before, start, stop: end.stop, after: end.after }, received);
  }
}

/** What is missing from the whole, by sentences. */
export function missingOf({ endedEarly, damage, balances }: Finished): string[] {
  return [...(endedEarly === undefined ? [] : [`it ended early: ${endedEarly}`]), ...damage, ...imbalances(balances)];
}

/** How many were made, and what of the session's is gone: to make room, or by its user. */
export function madeText({ segments }: { segments: number }, removed: SessionMachine["removed"]): string {
  const all = counted(segments, "segment");
  if (removed === undefined) return all;
  const gone = `${counted(removed.recordings, "segment")} with ${counted(removed.events, "event")}`;
  return `${all}; of the session ${gone} ${removed.recordings === 1 ? "is" : "are"} no longer there`;
}
