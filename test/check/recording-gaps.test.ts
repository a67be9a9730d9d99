/** check tells what would make a recording empty or partial: settings in the guest, and FIFOs that are gone on the host. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, constants, openSync, renameSync, rmSync } from "node:fs";
import { makeGuestDirectory } from "../../src/host/setup/setup.ts";
import { planSetup } from "../../src/host/setup/setup-plan.ts";
import { type Condition, conditionLines } from "../../src/check/condition.ts";
import { tracingConditions } from "../../src/check/tracing-conditions.ts";
import { AgentFixture } from "../support/agent-fixture.ts";
import { executable } from "../support/agent-process.ts";
import { startInstanceGuest } from "../support/instance-guest.ts";

/** Runs of the executable take long on a loaded machine. */
setDefaultTimeout(300_000);

const fixture = new AgentFixture("check-gaps");
/** An agent that is there answers, however late the machine is. */
const patiently = ["--wait", "240"];
const lines = (conditions: readonly Condition[]): string => conditionLines(conditions).replaceAll(/ {2,}/g, " ");

describe.skipIf(fixture.skipReason !== undefined)("check in a guest", () => {
  const found = (): string => lines(tracingConditions(fixture.tracefs.path, fixture.cpus));

  test("has nothing to say of a tracing directory as it is after boot", () => {
    expect(found()).toBe(
      "ok tracing_on 1\nok events none enabled; record -e enables them\nok filters none\nok tasks all\nok traced CPUs all\n",
    );
  });

  test("lists what keeps events out of a recording, with what undoes it", () => {
    const { tracefs } = fixture;
    tracefs.write("events/sched/sched_switch/enable", "1");
    tracefs.write("events/sched/sched_waking/filter", "prio > 100000");
    tracefs.write("events/sched/sched_switch/filter", "prev_pid == 999999");
    tracefs.write("set_event_pid", "1");
    tracefs.write("tracing_on", "0");
    const mask = tracefs.read("tracing_cpumask");
    tracefs.write("tracing_cpumask", "1");
    try {
      const text = found();
      expect(text).toMatch(
        /^warning tracing_on 0: nothing is written .*; echo 1 > .*\/tracing_on; record does it itself$/m,
      );
      expect(text).toMatch(/^ok events enabled: sched:sched_switch$/m);
      expect(text).toMatch(/^warning filters 2 events with a filter: .*sched:sched_switch \(prev_pid == 999999\)/m);
      expect(text).toMatch(
        /^warning filters .*sched:sched_waking \(prio > 100000\).*; what does not match is not recorded: echo 0 > /m,
      );
      expect(text).toMatch(/^warning tasks only events of tasks 1 \(set_event_pid\); echo > .*\/set_event_pid$/m);
      if (fixture.cpus.length > 1)
        expect(text).toMatch(/^warning traced CPUs not CPUs 1.* \(tracing_cpumask\); echo [0-9a-f]+ > /m);
      const { stdout } = Bun.spawnSync([executable, "check", "--instance", tracefs.name]);
      expect(stdout.toString()).toMatch(/^warning +filters +2 events with a filter/m);
      // Each remedy, tried.
      for (const [, remedy = ""] of text.matchAll(/(?:; |: )(echo [^;\n]*)/g)) Bun.spawnSync(["sh", "-c", remedy]);
      expect(found()).toMatch(
        /^ok tracing_on 1$[^]*^warning filters 1 event with a filter[^]*^ok tasks all$[^]*^ok traced CPUs all$/m,
      );
    } finally {
      for (const event of ["sched_switch", "sched_waking"]) tracefs.write(`events/sched/${event}/filter`, "0");
      tracefs.write("events/sched/sched_switch/enable", "0");
      tracefs.write("tracing_on", "1");
      tracefs.write("tracing_cpumask", mask);
    }
  });

  test("lists tasks that are left out", () => {
    const { tracefs } = fixture;
    tracefs.write("set_event_notrace_pid", "77");
    try {
      expect(found()).toMatch(/^warning tasks no events of tasks 77 \(set_event_notrace_pid\); echo > /m);
    } finally {
      tracefs.write("set_event_notrace_pid", "");
    }
    expect(found()).toMatch(/^ok tasks all$/m);
  });
});

describe.skipIf(fixture.skipReason !== undefined)("check of a guest", () => {
  test("lists on its host, too, what keeps events out of a recording", async () => {
    const { tracefs } = fixture;
    const { directory } = await startInstanceGuest(fixture);
    const settings = (): string[] =>
      Bun.spawnSync([executable, "check", directory, ...patiently])
        .stdout.toString()
        .split("\n")
        .filter((line) => line.includes("settings"))
        .map((line) => line.replaceAll(/ {2,}/g, " "));
    expect(settings()).toEqual([]);
    tracefs.write("events/sched/sched_switch/filter", "prev_pid == 999999");
    tracefs.write("events/sched/sched_switch/enable", "1");
    tracefs.write("set_event_pid", "1");
    tracefs.write("tracing_on", "0");
    try {
      const remedy = "; trace-agent check in the guest says what undoes each";
      expect(settings()).toEqual([
        `warning settings tracing_on is 0${remedy}`,
        `warning settings set_event_pid has only these tasks traced: 1${remedy}`,
        `warning settings sched:sched_switch has a filter: prev_pid == 999999${remedy}`,
      ]);
    } finally {
      tracefs.write("events/sched/sched_switch/enable", "0");
      tracefs.write("events/sched/sched_switch/filter", "0");
      tracefs.write("set_event_pid", "");
      tracefs.write("tracing_on", "1");
    }
  });
});

describe.skipIf(fixture.skipReason !== undefined)("check of a guest whose data port lost its FIFO", () => {
  const last = Math.max(...fixture.cpus);

  async function checked(spoil: (path: string) => void): Promise<{ code: number; text: string }> {
    const path = `${fixture.scratch}/vm-${crypto.randomUUID()}`;
    makeGuestDirectory(path, planSetup(last + 1), "fifo", undefined);
    const agent = fixture.launch(["--ports", path]);
    await agent.says("armed: ");
    spoil(path);
    const { stdout, exitCode } = Bun.spawnSync([executable, "check", path, ...patiently]);
    return { code: exitCode, text: stdout.toString().replaceAll(/ {2,}/g, " ") };
  }

  test("fails with one half of it gone, and with both", async () => {
    for (const halves of [["out"], ["in"], ["in", "out"]]) {
      const { code, text } = await checked((path) => {
        for (const half of halves) rmSync(`${path}/trace-path-cpu${last}.${half}`);
      });
      expect({ halves, code }).toEqual({ halves, code: 69 });
      if (halves.length === 1) expect(text).toContain(`failure ports trace-path-cpu${last}.${halves[0]} missing in `);
      if (halves.includes("out"))
        expect(text).toMatch(/^failure VM .* still has FIFOs open that were removed: trace-path-cpu\d+/m);
    }
  });

  test("fails if it was replaced behind the VM's back, and passes with the original", async () => {
    const anew = await checked((path) => {
      rmSync(`${path}/trace-path-cpu${last}.out`);
      makeGuestDirectory(path, planSetup(last + 1), "fifo", undefined);
    });
    expect(anew.code).toBe(69);
    expect(anew.text).toMatch(/^failure VM .*removed: trace-path-cpu\d+\.out; restart the VM/m);
    const back = await checked((path) => {
      const fifo = `${path}/trace-path-cpu${last}.out`;
      renameSync(fifo, `${fifo}.away`);
      renameSync(`${fifo}.away`, fifo);
    });
    expect(back.text).toMatch(/^ok guest's CPUs /m);
    expect(back.text).not.toContain("removed");
  });

  test("fails by the guest's report alone, if nobody can see who holds the FIFOs", async () => {
    const path = `${fixture.scratch}/vm-word`;
    makeGuestDirectory(path, planSetup(2), "fifo", undefined);
    const script = JSON.stringify({ transport: "fifo", cpus: 2, subBuffers: 0 });
    const agent = Bun.spawn([process.execPath, `${import.meta.dir}/../support/fake-agent.ts`, path, script], {
      stdout: "pipe",
    });
    try {
      await agent.stdout.getReader().read();
      for (const half of ["in", "out"]) rmSync(`${path}/trace-path-cpu1.${half}`);
      // Somebody else holds one: then the VM is not known by its FIFOs.
      closeSync(openSync(`${path}/lock`, constants.O_RDONLY));
      const { stdout, exitCode } = Bun.spawnSync([executable, "check", path, ...patiently]);
      expect(exitCode).toBe(69);
      expect(stdout.toString()).toMatch(/^failure +guest's CPUs +CPUs 1 send into FIFOs that are no longer in /m);
    } finally {
      agent.kill();
    }
  });
});
