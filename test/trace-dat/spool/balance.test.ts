/** The accounting of a recording: what is missing, and where it went. */
import { describe, expect, test } from "bun:test";
import type { CpuStatus, StatusReply, StopReply } from "../../../src/protocol/replies.ts";
import { balanceOf, imbalances } from "../../../src/trace-dat/spool/balance.ts";
import { noCounters } from "../../support/fake-replies.ts";

const cpuStatus: CpuStatus = { cpu: 0, state: "running", port: "open", bytes: 0, ...noCounters };
const status = (...cpus: Partial<CpuStatus>[]): StatusReply => ({
  reply: "status",
  state: "running",
  repliesDropped: 0,
  cpus: cpus.map((cpu) => Object.assign({}, cpuStatus, cpu)),
  notServed: undefined,
});
const stopped = (bytes: number, lostBytes = 0, notServed?: StopReply["notServed"]): StopReply => ({
  reply: "stop",
  state: "armed",
  streams: [{ cpu: 0, bytes, lostBytes }],
  notServed,
});
const start = { reply: "start", state: "running", streams: [{ cpu: 0, bytes: 4096 }] } as const;
const begun = { start: { ...start, streams: [...start.streams] }, before: status({ readEvents: 100, overrun: 7 }) };
const came = (events: number, bytes = 4096): { cpu: number; bytes: number; events: number; damaged: boolean }[] => [
  { cpu: 0, bytes, events, damaged: false },
];

describe("balanceOf()", () => {
  test("is whole when all that was read came, and overrun counts this recording only", () => {
    const after = status({ readEvents: 150, overrun: 12 });
    const balances = balanceOf({ ...begun, stop: stopped(8192), after }, came(50));
    expect(balances[0]?.counted).toEqual({ read: 50, overrun: 5, commitOverrun: 0, dropped: 0 });
    expect(imbalances(balances)).toEqual([]);
  });

  test("puts down to another reader what was read and never sent", () => {
    const after = status({ readEvents: 150, overrun: 7 });
    const balances = balanceOf({ ...begun, stop: stopped(8192), after }, came(20));
    expect(imbalances(balances)).toEqual(["CPU 0: another reader of its ring buffer took 30 events"]);
  });

  test("puts down to the way what was sent, or refused, and did not come", () => {
    const after = status({ readEvents: 150, overrun: 7 });
    const swallowed = balanceOf({ ...begun, stop: stopped(12_288), after }, came(20));
    expect(imbalances(swallowed)).toEqual(["CPU 0: 4096 bytes (30 events) were lost on their way"]);
    const refused = balanceOf({ ...begun, stop: stopped(8192, 4096), after }, came(20));
    expect(imbalances(refused)).toEqual(["CPU 0: 4096 bytes (30 events) were lost on their way"]);
  });

  test("claims nothing where counters were set back, or not all of the stream could be read", () => {
    const reset = balanceOf({ ...begun, stop: stopped(8192), after: status({ readEvents: 20 }) }, came(20));
    expect(reset[0]?.counted).toBeUndefined();
    expect(imbalances(reset)).toEqual([]);
    const [damaged = { cpu: 0, bytes: 0, events: 0, damaged: true }] = came(20);
    const after = status({ readEvents: 150, overrun: 7 });
    expect(imbalances(balanceOf({ ...begun, stop: stopped(8192), after }, [{ ...damaged, damaged: true }]))).toEqual(
      [],
    );
  });

  test("reports CPUs that were not served: by the guest's report, or because the host has no port", () => {
    const after = status(
      { readEvents: 150, overrun: 7 },
      { cpu: 1, entries: 9 },
      { cpu: 2, state: "parked", port: "absent" },
    );
    const noPort = imbalances(balanceOf({ ...begun, stop: stopped(8192), after }, came(50)));
    expect(noPort).toEqual(["CPU 1 was not recorded: the host has no port for it; 9 events stayed in its ring buffer"]);
    // What its agent had read of it by then is in no file either.
    const read = balanceOf(
      {
        before: status({}, { cpu: 1, readEvents: 3 }),
        start: undefined,
        stop: undefined,
        after: status({}, { cpu: 1, entries: 9, readEvents: 8 }),
      },
      came(0),
    );
    expect(read[1]?.notServed?.events).toBe(14);
    // An agent that does not tell, and whose port failed, or never was.
    for (const [port, why] of [
      ["closed", "its data port failed"],
      ["absent", "it has no data port"],
    ] as const) {
      const failed = status({ port, entries: 6, readEvents: 150, overrun: 7 });
      const untold = imbalances(balanceOf({ ...begun, stop: stopped(8192), after: failed }, came(50)));
      expect(untold).toEqual([`CPU 0 was not recorded: ${why}; 6 events stayed in its ring buffer`]);
    }
    const notServed = [{ cpu: 1, events: 4, reason: "no data port" }];
    const told = imbalances(balanceOf({ ...begun, stop: stopped(8192, 0, notServed), after }, came(50)));
    expect(told).toEqual(["CPU 1 was not recorded: no data port; 4 events stayed in its ring buffer"]);
  });
});
