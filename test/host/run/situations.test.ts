/** What the host's commands say of a guest in a state that somebody else left: a real agent on a tracefs instance. */
import { describe, expect, test } from "bun:test";
import { statSync, writeFileSync } from "node:fs";
import { AgentFixture, sequence } from "../../support/agent-fixture.ts";
import { eventually } from "../../support/agent-process.ts";
import { startInstanceGuest } from "../../support/instance-guest.ts";
import { writeMarkers } from "../../support/markers.ts";
import { LiveProcess } from "../../support/live-process.ts";
import { RecorderProcess, traceAgent, traceAgentText } from "../../support/recorder-process.ts";

const fixture = new AgentFixture("situations");

describe.skipIf(fixture.skipReason !== undefined)("a guest whose trace clock is boot", () => {
  test("is watched and summed up with rates, for its clock counts nanoseconds", async () => {
    const { directory } = await startInstanceGuest(fixture);
    fixture.tracefs.write("trace_clock", "boot");
    try {
      const top = new LiveProcess(["top", directory, "-e", "sched"]);
      await eventually(
        () => /events\/s [1-9]/.test(top.stdout),
        "top tells a rate",
        () => top.stdout + top.stderr,
      );
      top.process.kill("SIGINT");
      expect(await top.ended()).toBe(0);
      const output = `${fixture.scratch}/boot.dat`;
      await traceAgentText("record", directory, "-e", "sched", "-d", "0.3", "-o", output);
      const summary = await traceAgentText("report", "--stat", output);
      expect(summary).toMatch(/^time +\d+\.\d{6} to \d+\.\d{6}, \d/m);
      expect(summary).toMatch(/^sched:sched_switch +\d+ +\d+\.\d$/m);
      expect(summary).toMatch(/^WAKE-UPS/m);
    } finally {
      fixture.tracefs.write("trace_clock", "local");
    }
  }, 300_000);
});

describe.skipIf(fixture.skipReason !== undefined)("-C", () => {
  test("sets the clock for as long as a guest is recorded, followed or watched", async () => {
    const { directory } = await startInstanceGuest(fixture);
    for (const command of ["record", "stream", "top"]) {
      const output = command === "stream" ? [] : ["-o", `${fixture.scratch}/clock.dat`];
      const { code, stderr } = await traceAgent(command, directory, "-C", "mono", "-d", "0.3", "-e", "irq", ...output);
      expect({ command, code, stderr: code === 0 ? "" : stderr }).toEqual({ command, code: 0, stderr: "" });
      expect(fixture.tracefs.read("trace_clock")).toContain("[local]");
    }
  }, 300_000);

  test("says which clocks there are when it knows none of that name, and which top cannot watch", async () => {
    for (const command of ["record", "stream", "top"]) {
      const { code, stderr } = await traceAgent(command, "--local", "-e", "sched", "-C", "nosuch");
      expect(code).toBe(64);
      expect(stderr).toContain('unknown trace clock "nosuch"; use local, global, counter');
    }
    const { directory } = await startInstanceGuest(fixture);
    const { code, stderr } = await traceAgent("top", directory, "-C", "counter");
    expect(code).toBe(69);
    expect(stderr).toContain('its trace clock "counter" counts no nanoseconds; choose another');
    expect(stderr).toContain("-C mono");
  }, 300_000);
});

/** Reads the ring buffer as `cat trace_pipe` does, until it is ended. */
class Rival {
  readonly #taken = `${fixture.scratch}/taken`;
  readonly #process = Bun.spawn(["cat", `${fixture.tracefs.path}/trace_pipe`], {
    stdout: Bun.file(this.#taken),
    stderr: "ignore",
  });

  /** Resolves when it has taken events that came after the call. */
  async takes(): Promise<void> {
    const before = statSync(this.#taken).size;
    await eventually(() => statSync(this.#taken).size > before, "the other reader takes events");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill();
    await this.#process.exited;
  }
}

describe.skipIf(fixture.skipReason !== undefined)("a second reader of the guest's ring buffer", () => {
  test("is told by record, with the events that it took, in the table, the file and the exit code", async () => {
    const { directory } = await startInstanceGuest(fixture);
    const output = `${fixture.scratch}/rival.dat`;
    await using rival = new Rival();
    const recorder = new RecorderProcess(["record", directory, "-e", "sched", "-o", output]);
    await recorder.recording(output);
    await rival.takes();
    recorder.kill("SIGINT");
    const { code, stdout, stderr } = await recorder.ended();
    expect(code).toBe(74);
    expect(stderr).toMatch(
      /the recording is incomplete: .*CPU \d+: another reader of its ring buffer took [1-9]\d* events/,
    );
    expect(stderr).toContain("end what else reads there");
    expect(stdout).toMatch(/dropped {2}taken by another reader$/m);
    const summary = await traceAgentText("report", "--stat", output);
    expect(summary).toMatch(/another reader took [1-9]\d* events/);
  }, 300_000);

  test("is told by stream and top", async () => {
    const { directory } = await startInstanceGuest(fixture);
    await using rival = new Rival();
    for (const command of ["stream", "top"]) {
      const live = new LiveProcess([command, directory, "-e", "sched"]);
      if (command === "stream") await live.says("following ");
      else
        await eventually(
          () => live.stdout.includes("events/s"),
          "top shows",
          () => live.stderr,
        );
      await rival.takes();
      live.process.kill("SIGINT");
      expect({ command, code: await live.ended() }).toEqual({ command, code: 74 });
      expect(live.stderr).toMatch(/is incomplete: .*another reader of its ring buffer took [1-9]/);
    }
  }, 300_000);
});

describe.skipIf(fixture.skipReason !== undefined || fixture.cpus.length < 2)("a CPU that no port serves", () => {
  test("makes a recording that is incomplete", async () => {
    const { directory } = await startInstanceGuest(fixture, { cpus: 1 });
    const output = `${fixture.scratch}/unserved.dat`;
    const recorder = new RecorderProcess(["record", directory, "-o", output]);
    await recorder.recording(output);
    writeMarkers(fixture.tracefs.path, [1], 0, 10);
    recorder.kill("SIGINT");
    const { code, stdout, stderr } = await recorder.ended();
    expect(code).toBe(74);
    expect(stderr).toMatch(/CPU 1 was not recorded: .*; 10 events stayed in its ring buffer/);
    expect(stderr).toContain("give every CPU a port");
    expect(stdout).toMatch(/not served$/m);
    expect(await traceAgentText("report", "--stat", output)).toMatch(/CPU 1 was not recorded: 10 events/);
  }, 300_000);
});

describe.skipIf(fixture.skipReason !== undefined)("an empty recording", () => {
  const left: [string, Record<string, string>, string][] = [
    ["tasks that are chosen", { set_event_pid: "99999999" }, "set_event_pid has only these tasks traced: 99999999"],
    [
      "a filter",
      { "events/sched/sched_process_exit/filter": "pid == 99999999" },
      "sched:sched_process_exit has a filter: pid == 99999999",
    ],
  ];
  test.each(left)(
    "names %s, and what else was found in the guest",
    async (_, files, words) => {
      const { directory } = await startInstanceGuest(fixture);
      for (const [name, value] of Object.entries(files)) fixture.tracefs.write(name, value);
      try {
        const output = `${fixture.scratch}/empty.dat`;
        const stdout = await traceAgentText(
          "record",
          directory,
          "-e",
          "sched:sched_process_exit",
          "-d",
          "0.2",
          "-o",
          output,
        );
        expect(stdout).toMatch(/^all +0 +0 +0$/m);
        expect(stdout).toContain(`No event was recorded. What keeps events out:\n  ${words}\n`);
      } finally {
        for (const name of Object.keys(files)) fixture.tracefs.write(name, name.endsWith("filter") ? "0" : "");
      }
    },
    300_000,
  );

  // A tracer is stopped at the end by tracing_on, which is no reason.
  test.each([[[]], [["-p", "nop"]]])(
    "asks for an event where nothing keeps events out: %p",
    async (args) => {
      const { directory } = await startInstanceGuest(fixture);
      const output = `${fixture.scratch}/none.dat`;
      const stdout = await traceAgentText("record", directory, ...args, "-d", "0.3", "-o", output);
      expect(stdout).toContain("nothing was found that keeps events out. Is an event enabled (-e)?");
    },
    300_000,
  );
});

describe.skipIf(fixture.skipReason !== undefined)("what lay in the ring buffer before the start", () => {
  const marks = async (output: string): Promise<string[]> =>
    [...(await traceAgentText("report", output)).matchAll(/MARK 0 (\d+)$/gm)].map(([, number]) => number ?? "");

  test("is left out, and kept with --past, which tells how far it reaches", async () => {
    const { directory } = await startInstanceGuest(fixture);
    const output = `${fixture.scratch}/past.dat`;
    writeMarkers(fixture.tracefs.path, [0], 0, 500);
    // What is younger than two seconds is left out without a word (traceDatLimits.pastToldTime).
    await Bun.sleep(2500);
    const recorder = new RecorderProcess(["record", directory, "-o", output]);
    await recorder.recording(output);
    writeMarkers(fixture.tracefs.path, [0], 1000, 50);
    recorder.kill("SIGINT");
    const { code, stderr } = await recorder.ended();
    expect(code).toBe(0);
    expect(stderr).toContain(
      "left out: 500 events from before the start, which the ring buffer held (--past keeps them)",
    );
    expect(await marks(output)).toEqual(sequence(1000, 50).map(String));

    writeMarkers(fixture.tracefs.path, [0], 0, 500);
    await Bun.sleep(1500);
    const past = new RecorderProcess(["record", directory, "--past", "-o", output]);
    await past.recording(output);
    writeMarkers(fixture.tracefs.path, [0], 1000, 50);
    past.kill("SIGINT");
    const end = await past.ended();
    expect(end.code).toBe(0);
    expect(end.stderr).toMatch(
      /before the start: CPU 0 \d+\.\d s; what the kernel dropped between that and the start is not counted/,
    );
    expect(await marks(output)).toEqual([...sequence(0, 500), ...sequence(1000, 50)].map(String));
  }, 300_000);
});

describe.skipIf(fixture.skipReason !== undefined)("stream of a guest whose ring buffer holds events of before", () => {
  test("shows those from the start on", async () => {
    const { directory } = await startInstanceGuest(fixture);
    writeMarkers(fixture.tracefs.path, [0], 0, 500);
    const live = new LiveProcess(["stream", directory]);
    await live.says("following ");
    writeMarkers(fixture.tracefs.path, [0], 1000, 50);
    await eventually(
      () => live.stdout.includes("MARK 0 1049"),
      "the last marker is shown",
      () => live.stderr,
    );
    live.process.kill("SIGINT");
    expect(await live.ended()).toBe(0);
    const shown = [...live.stdout.matchAll(/MARK 0 (\d+)$/gm)].map(([, number]) => Number(number));
    expect(shown).toEqual(sequence(1000, 50));
    expect(live.stderr).toContain("50 events, 0 lost");
  }, 300_000);
});

describe.skipIf(fixture.skipReason !== undefined)("a marker in UTF-8", () => {
  test("stays what it is, as text and as JSON", async () => {
    const { directory } = await startInstanceGuest(fixture);
    const output = `${fixture.scratch}/utf8.dat`;
    const text = "grün → 5 µs";
    const recorder = new RecorderProcess(["record", directory, "-o", output]);
    await recorder.recording(output);
    writeFileSync(`${fixture.tracefs.path}/trace_marker`, text);
    recorder.kill("SIGINT");
    expect((await recorder.ended()).code).toBe(0);
    expect(await traceAgentText("report", output)).toContain(text);
    const events = (await traceAgentText("report", "--json", output)).trimEnd().split("\n");
    expect(events.map((line) => JSON.stringify(JSON.parse(line)))).toContainEqual(expect.stringContaining(text));
  }, 300_000);
});
