/** The vCPUs of a guest as trace_processor has them from the files of a host and its guest. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Recording } from "../../../src/trace-dat/write/recording.ts";
import { writeTraceDat } from "../../../src/trace-dat/write/write.ts";
import { madeMetadata, type MadeSched, madeStreams } from "../../support/made-machine.ts";
import { madeLayout } from "../../support/made-sub-buffers.ts";
import { makeVcpus } from "../../support/made-vcpus.ts";
import { askTraces, findTraceProcessor } from "../../support/perfetto/perfetto.ts";
import type { Row } from "../../support/perfetto/rpc.ts";
import { ourReport } from "../../support/trace-cmd-report.ts";
import { guestEpoch, guestId, guests, hostEpoch, hostId, timeShift } from "./opened.ts";

setDefaultTimeout(300_000);
const traceProcessor = findTraceProcessor();
const reason = "reason" in traceProcessor ? traceProcessor.reason : undefined;
if (reason !== undefined) console.log(`tracks of vCPUs: skipped: ${reason}`);
const assets = "folder" in traceProcessor ? traceProcessor.folder : "";
const folder = mkdtempSync(join(tmpdir(), "ta-vcpus-"));
afterAll(() => rmSync(folder, { recursive: true }));

function writeMachine(
  name: string,
  events: readonly MadeSched[],
  epoch: bigint,
  more: Pick<Recording, "traceId" | "guests" | "timeShift">,
): string {
  const streams = madeStreams(events, 2, epoch).map((bytes, cpu) => {
    const path = join(folder, `${name}-${cpu}.raw`);
    writeFileSync(path, bytes);
    return { cpu, path, skipBytes: 0, bytes: bytes.length };
  });
  const path = join(folder, `${name}.dat`);
  writeTraceDat(path, { metadata: madeMetadata, layout: madeLayout, cpus: 2, streams, version: "test", ...more }, "v7");
  return path;
}

const ofTracks = `select s.ts, s.dur, cast(substr(t.name, 10) as int) vcpu from slice s join track t on s.track_id = t.id
   where t.name glob 'vm1 vCPU *' and s.name = 'running'`;
const ofThreads =
  "select s.ts, s.dur, t.tid - 101 vcpu from sched s join thread t using (utid) where t.tid in (101, 102)";
/** The guest's events that lie in a slice of their vCPU; `late`: if its clock were so many ns ahead. */
const inside = (slices: string, late = 0): string =>
  `with v as (${slices}) select count(*) n from ftrace_event e join cpu c using (ucpu) where c.machine_id != 0 and c.machine_id is not null
   and exists (select 1 from v where v.vcpu = c.cpu and e.ts + ${late} between v.ts and v.ts + v.dur)`;

describe.skipIf(reason !== undefined)("tracks of vCPUs", () => {
  const world = makeVcpus({ seconds: 0.2 });
  const host = writeMachine("host", world.host, hostEpoch, { traceId: hostId, guests });
  const guest = writeMachine("vm1", world.guest, guestEpoch, { traceId: guestId, timeShift });

  const ofBoth = [
    "select t.name track, iif(s.name = 'running', 'ran', 'waited') what, sum(s.dur) ns, count(*) n from slice s join track t on s.track_id = t.id where t.name glob 'vm1 vCPU *' group by 1, 2 order by 1, 2",
    "select distinct s.name name from slice s join track t on s.track_id = t.id where t.name glob 'vm1 vCPU *' order by 1",
    "select name, value from stats where value != 0 and severity in ('error', 'data_loss')",
    "select p.name, count(*) n from track t join track p on t.parent_id = p.id where t.name glob 'vm1 vCPU *' group by 1",
    "select count(*) n from ftrace_event e join cpu c using (ucpu) where c.machine_id != 0 and c.machine_id is not null",
    inside(ofTracks),
    inside(ofThreads),
    inside(ofThreads, 100_000),
  ];
  const ofHost = [
    "select sum(s.dur) ns from slice s join track t on s.track_id = t.id where t.name = 'vm1 vCPU 1' and s.name = 'running'",
    "select name, value from stats where value != 0 and severity in ('error', 'data_loss')",
  ];
  let answers: { both: Row[][]; alone: Row[][] } | undefined;
  /** Both traces, of one trace_processor. */
  const asked = (): { both: Row[][]; alone: Row[][] } => {
    if (answers !== undefined) return answers;
    const exported = (name: string, recordings: string | string[]): string => {
      const trace = join(folder, name);
      writeFileSync(trace, ourReport(recordings, { form: "perfetto" }), "latin1");
      return trace;
    };
    const [both = [], alone = []] = askTraces(assets, [
      { trace: exported("both.pftrace", [host, guest]), queries: ofBoth },
      { trace: exported("host.pftrace", host), queries: ofHost },
    ]);
    return (answers = { both, alone });
  };

  test("hold what a summary says, by whom a vCPU waited, and all of the guest's events in the times in which it ran", () => {
    const { parts } = JSON.parse(ourReport([host, guest], { form: "summary-json" })) as {
      parts: [{ guests: [{ threads: { runNs: number; waitNs: number; stalls: number }[] }] }];
    };
    const [sums = [], names = [], errors = [], group = [], all = [], byTrack = [], bySched = [], byWrongClock = []] =
      asked().both;
    expect(errors).toEqual([]);
    expect(sums).toEqual(
      parts[0].guests[0].threads.flatMap(({ runNs, waitNs, stalls }, vcpu) => [
        { track: `vm1 vCPU ${vcpu}`, what: "ran", ns: runNs, n: expect.any(Number) },
        { track: `vm1 vCPU ${vcpu}`, what: "waited", ns: waitNs, n: stalls },
      ]),
    );
    expect(names.map(({ name }) => name)).toEqual(["running", "waiting (CPU idle)", "waiting (by hog-200)"]);
    expect(group).toEqual([{ name: "vCPUs of vm1", n: 2 }]);
    expect(all[0]?.["n"]).toBe(world.guest.length);
    expect(Number(byWrongClock[0]?.["n"]) / world.guest.length).toBeLessThan(0.8);
    for (const [row] of [byTrack, bySched]) expect(Number(row?.["n"]) / world.guest.length).toBeGreaterThan(0.999);
  });

  test("are there when the host is exported alone, too", () => {
    const [sums = [], errors = []] = asked().alone;
    expect({ sums, errors }).toEqual({ sums: [{ ns: world.truth[1]?.runNs ?? 0 }], errors: [] });
  });
});
