/** Which of the things that happen to machines become snapshots, and how many. */
import { describe, expect, test } from "bun:test";
import type { RunningMachine, SnapshotResult } from "../../../src/host/machines/running-recorder.ts";
import type { Trigger } from "../../../src/host/triggers/trigger.ts";
import { Triggers } from "../../../src/host/triggers/triggers.ts";

const lost: Trigger = { text: "lost", kind: "lost" };
const gone: Trigger = { text: "guest-gone", kind: "guest-gone" };

function machine(more: Partial<RunningMachine>): RunningMachine {
  return {
    recording: {},
    name: "vm1",
    kind: "guest",
    state: "recording",
    trouble: undefined,
    receivedBytes: 0,
    lostEvents: 0,
    since: new Map(),
    silentMs: 0,
    files: 0,
    metadata: () => undefined,
    streams: () => [],
    ...more,
  };
}

/** A recorder whose machines a test changes, and whose snapshots end when it says so. */
class ToldRecorder {
  machines: RunningMachine[] = [];
  readonly asked: string[] = [];
  readonly triggers: Triggers;
  #end: ((result: SnapshotResult) => void)[] = [];

  constructor(triggers: readonly Trigger[]) {
    const machines = (): RunningMachine[] => this.machines;
    const recorder = {
      get machines() {
        return machines();
      },
    };
    this.triggers = new Triggers(recorder, { triggers, silentAfterMs: 5_000, latencyMs: 500 }, ({ trigger }) => {
      this.asked.push(trigger);
      return new Promise((resolve) => this.#end.push(resolve));
    });
  }

  /** What was asked for since the last look. */
  look(...machines: RunningMachine[]): string[] {
    this.machines = machines;
    this.triggers.turn();
    return this.asked.splice(0);
  }

  async end(result: SnapshotResult = { taken: true, files: [] }): Promise<void> {
    for (const resolve of this.#end.splice(0)) resolve(result);
    await this.triggers.settled();
  }
}

describe("lost", () => {
  test("asks once for each time that more is lost, and not while a snapshot is taken", async () => {
    const recorder = new ToldRecorder([lost]);
    const recording = {};
    expect(recorder.look(machine({ recording }))).toEqual([]);
    expect(recorder.look(machine({ recording, lostEvents: 5 }))).toEqual(["lost"]);
    expect(recorder.look(machine({ recording, lostEvents: 9 }))).toEqual([]);
    await recorder.end();
    expect(recorder.look(machine({ recording, lostEvents: 9 }))).toEqual([]);
    expect(recorder.look(machine({ recording, lostEvents: 10 }))).toEqual(["lost"]);
    await recorder.end({ taken: false, reason: "the last one is 0.1 s old" });
    // One that comes back counts from nothing.
    expect(recorder.look(machine({ recording, state: "ended", lostEvents: 10 }), machine({}))).toEqual([]);
  });
});

describe("guest-gone", () => {
  test("asks once for a silence, however long, and again for the next one", async () => {
    const recorder = new ToldRecorder([gone]);
    const recording = {};
    expect(recorder.look(machine({ recording, silentMs: 5_000 }))).toEqual([]);
    expect(recorder.look(machine({ recording, silentMs: 5_001 }))).toEqual(["guest-gone"]);
    await recorder.end();
    expect(recorder.look(machine({ recording, silentMs: 9_000 }))).toEqual([]);
    // It does not come back from that: nothing new is known.
    expect(recorder.look(machine({ recording, state: "ended", trouble: "the VM has ended" }))).toEqual([]);
    const other = {};
    expect(recorder.look(machine({ recording: other }))).toEqual([]);
    expect(recorder.look(machine({ recording: other, silentMs: 6_000 }))).toEqual(["guest-gone"]);
  });

  test("asks for the end of a machine that nobody asked for, also while another snapshot is taken", () => {
    const recorder = new ToldRecorder([lost, gone]);
    expect(recorder.look(machine({ name: "vm2", lostEvents: 1 }))).toEqual(["lost"]);
    const ends = [
      machine({ name: "vm3", state: "ended", trouble: "the VM has ended" }),
      machine({ name: "vm4", state: "ended" }),
      machine({ name: "vm5", state: "refused", trouble: "it does not answer" }),
      machine({ name: "vm6", state: "waiting", silentMs: 9_000 }),
    ];
    expect(recorder.look(...ends)).toEqual(["guest-gone"]);
    expect(recorder.look(...ends)).toEqual([]);
  });

  test("is not asked for where it is not named", () => {
    const recorder = new ToldRecorder([lost]);
    expect(recorder.look(machine({ state: "ended", trouble: "the VM has ended", silentMs: 9_000 }))).toEqual([]);
  });
});
