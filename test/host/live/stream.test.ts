import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { eventually, executable } from "../../support/agent-process.ts";
import { writeMarkers } from "../../support/markers.ts";
import { inQuickForm } from "../../support/quick.ts";
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { LiveProcess } from "../../support/live-process.ts";

const reason = reasonWithoutTracefs();
if (reason !== undefined) console.error(`skipped: stream of this machine: ${reason}`);
const instances = "/sys/kernel/tracing/instances";

const instanceOf = (live: LiveProcess): string => `${instances}/trace-agent-${live.process.pid}`;

const started: LiveProcess[] = [];
const launch = (...args: string[]): LiveProcess => {
  const live = new LiveProcess([...args, "--local"]);
  started.push(live);
  return live;
};

afterEach(async () => {
  for (const live of started.splice(0)) {
    if (live.process.exitCode === null) live.process.kill("SIGINT");
    await live.ended();
  }
});

/** What happens from now on is shown. */
async function follows(live: LiveProcess): Promise<string> {
  await live.says("following this machine");
  return instanceOf(live);
}

describe.skipIf(reason !== undefined)("trace-agent stream --local", () => {
  test("shows every event while it happens, and SIGINT leaves nothing behind", async () => {
    const live = launch("stream", "-e", "sched:sched_process_exit");
    const instance = await follows(live);
    writeMarkers(instance, [0], 0, 300);
    await eventually(
      () => live.stdout.includes("MARK 0 299"),
      "the last marker is shown while the stream goes on",
      () => live.stderr,
    );
    const numbers = [...live.stdout.matchAll(/ print: +tracing_mark_write: MARK 0 (\d+)\n/g)].map(([, number]) =>
      Number(number),
    );
    expect(numbers).toEqual(Array.from({ length: 300 }, (_, index) => index));
    await eventually(
      () => / sched_process_exit: +comm=/.test(live.stdout),
      "the end of the writer is shown",
      () => live.stdout.slice(-2000),
    );
    live.process.kill("SIGINT");
    expect(await live.ended()).toBe(0);
    expect(live.stderr).toMatch(/\d+ events, 0 lost\n/);
    expect(live.stdout.endsWith("\n")).toBe(true);
    expect(existsSync(instance)).toBe(false);
  });

  describe("for a while, into /dev/null", () => {
    const end = { code: -1, stderr: "" };
    beforeAll(async () => {
      const args = ["stream", "--local", "-e", "sched", "-d", "0.3"];
      const process = Bun.spawn([executable, ...args], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
      end.stderr = await process.stderr.text();
      end.code = await process.exited;
    });

    test("asks this machine's agent, which is no older one, for events within 50 ms", () => {
      expect({ code: end.code, late: /late|older/.test(end.stderr) }).toEqual({ code: 0, late: false });
    });

    test("waits for nobody", () => {
      expect(end).toEqual({ code: 0, stderr: expect.stringContaining(" events, ") });
    });
  });

  test("tells of losses among the lines, and their sum at the end", async () => {
    // No event but the markers: those of a busy machine would drive the last ones out of so small a ring buffer.
    const live = launch("stream", "-e", "sched:sched_process_exit", "-f", "pid == -1", "-b", "8");
    const instance = await follows(live);
    // While it cannot read, the ring buffer is overwritten. Numbers of 13 digits: of markers so long a full sub-buffer leaves room
    // for how many were lost, also with two time stamps of a pause among them. More than FIFO and pipe take: 2 MiB.
    const [first, count] = [1_000_000_000_000, inQuickForm(80_000, 150_000)];
    live.process.kill("SIGSTOP");
    writeMarkers(instance, [0], first, count);
    live.process.kill("SIGCONT");
    await eventually(
      () => live.stdout.includes(`MARK 0 ${first + count - 1}`),
      "the last marker is shown",
      () => live.stderr,
    );
    live.process.kill("SIGINT");
    expect(await live.ended()).toBe(0);
    const shown = [...live.stdout.matchAll(/MARK 0 \d+\n/g)].length;
    const lost = [...live.stdout.matchAll(/^CPU:0 \[(\d+) EVENTS DROPPED\]$/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
    expect(lost).toBeGreaterThan(0);
    // The kernel tells no number where a sub-buffer has no room for it: behind more pauses of 134 ms than that, for one.
    if (!/^CPU:0 \[EVENTS DROPPED\]$/m.test(live.stdout)) expect(shown + lost).toBeGreaterThanOrEqual(count);
    const [, total] = /\d+ events, (\d+) lost/.exec(live.stderr) ?? [];
    expect(Number(total)).toBeGreaterThanOrEqual(lost);
  });

  test("writes JSON lines, ends after its time, and silently when its reader is gone", async () => {
    const live = launch("stream", "-e", "sched:sched_switch", "--json", "-d", inQuickForm("0.3", "1"));
    const code = await live.ended();
    expect({ code, said: live.stderr }).toMatchObject({ code: 0 });
    const events = live.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { event?: string });
    expect(events.some(({ event }) => event === "sched_switch")).toBe(true);

    const piped = Bun.spawn(["sh", "-c", `${executable} stream --local -e sched | head -n 2 | wc -l`], {
      stdout: "pipe",
      stderr: "pipe",
    });
    expect((await new Response(piped.stdout).text()).trim()).toBe("2");
    expect(await new Response(piped.stderr).text()).not.toContain("error");
  });

  test("wants an event, and but one of a guest and --local", async () => {
    const nothing = launch("stream");
    expect([await nothing.ended(), nothing.stderr.includes("--local needs an event")]).toEqual([64, true]);
    const both = launch("stream", "guest", "-e", "sched");
    expect([await both.ended(), both.stderr.includes('"guest" is one too many')]).toEqual([64, true]);
    expect(readdirSync(instances).filter((name) => name === `trace-agent-${both.process.pid}`)).toEqual([]);
  });
});
