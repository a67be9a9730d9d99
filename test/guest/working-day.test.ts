/**
 * A kernel engineer's tasks, from nothing to "who delayed my task, when, by how much", by the commands of README.md: those that
 * begin in it with what a test says, with other times, paths and tasks.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import type { GuestProcess } from "../support/guest-handle.ts";
import { guestProgram } from "../support/guest-program.ts";
import { LiveProcess } from "../support/live-process.ts";
import { whyNoTools } from "../support/packages.ts";
import { RecorderProcess, traceAgent, traceAgentText } from "../support/recorder-process.ts";
import { testUnless } from "../support/test-unless.ts";
import { traceCmd } from "../support/trace-cmd.ts";
import { words } from "../support/words.ts";

const readme = readFileSync(join(import.meta.dir, "../../README.md"), "utf8");
const base = mkdtempSync(`${tmpdir()}/trace-agent-day-`);
afterAll(() => rmSync(base, { recursive: true }));
const directory = `${base}/vm1`;
const output = `${base}/trace.dat`;
const noCompiler = await whyNoTools("gcc", "/usr/include/stdio.h");
const noTraceCmd = await whyNoTools("trace-cmd");

/** What stands in README.md as this command, up to where the line's own values begin; for the guest and file of this test. */
function command(text: string, ...more: string[]): string[] {
  if (!readme.includes(text)) throw new Error(`README.md has no command "${text}"`);
  const args = words(text.replaceAll("'", "|").replace(/^(?:sudo )?(?:trace-agent )?/, ""));
  return [...args.map((arg) => (arg === "vm1" ? directory : arg === "trace.dat" ? output : arg)), ...more];
}

// The name of a guest is given where its directory is made.
const [setup = "", , ...setupArgs] = command("sudo trace-agent setup vm1 --cpus").slice(0, 3);
const qemuText = await traceAgentText(setup, "vm1", ...setupArgs, "2", "--dir", directory);
const prepared = { directory, qemuArguments: qemuText.replaceAll("\\\n", " ").trim().split(/\s+/) };

const files = {
  "/bin/trace-agent": executable,
  ...(noCompiler === undefined ? { "/bin/real-time": guestProgram("real-time") } : {}),
};

/** What a task is seen as is the name of its file. */
const programs = `
  printf '#!/bin/sh\\nread line </tmp/door\\n' >/tmp/victim
  printf '#!/bin/sh\\nwhile ! [ -e /tmp/enough ]; do :; done\\n' >/tmp/hog
  chmod +x /tmp/victim /tmp/hog; [ -p /tmp/door ] || mkfifo /tmp/door`;
/**
 * The victim sleeps on CPU 0; the hog takes that CPU with a real-time priority; then somebody on CPU 1 wakes the victim, and later lets
 * the hog go. Three times: now and then the kernel gives others their share of the CPU just then.
 */
const delay = `
  for round in 1 2 3; do
    rm -f /tmp/enough
    taskset 1 /tmp/victim & victim=$!
    until grep -q '^victim' /proc/$victim/comm && grep -q '^State:.S' /proc/$victim/status; do usleep 10000; done 2>/dev/null
    real-time 10 taskset 1 /tmp/hog & hog=$!
    until grep -q '^hog' /proc/$hog/comm 2>/dev/null; do usleep 10000; done
    taskset 2 sh -c 'echo go >/tmp/door; usleep 50000; : >/tmp/enough'
    wait $victim $hog
  done`;

await describeWithGuest(
  "a working day with a 6.12 guest",
  { kernel: "6.12", cpus: 2, memoryMb: 640, prepared, files },
  (guest) => {
    beforeAll(async () => {
      const agent: GuestProcess = await guest().spawn("exec trace-agent");
      await agent.says("armed: ");
      await guest().run(programs);
    }, guestTestTimeoutMs);

    test(
      "check finds nothing missing, and list shows what can be recorded",
      async () => {
        const { code, stdout, stderr } = await traceAgent(...command("trace-agent check vm1"));
        expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
        const listed = await traceAgentText(...command("list vm1 -e 'sched*'"));
        expect(listed).toContain("sched:sched_switch");
        expect(listed).not.toContain("irq_handler");
      },
      guestTestTimeoutMs,
    );

    testUnless(
      noCompiler ?? noTraceCmd,
      "record and report --wakeups tell who delayed the task, when and by how much",
      async () => {
        const recorder = new RecorderProcess([
          ...command("trace-agent record vm1 -e sched -e irq -b 8192 -d"),
          // It is ended before.
          "600",
          "-o",
          output,
        ]);
        await recorder.recording(output);
        await guest().run(delay);
        recorder.kill("SIGINT");
        const { code, stderr } = await recorder.ended();
        expect({ code, stderr }).toMatchObject({ code: 0 });

        const text = await traceAgentText(...command("trace-agent report --wakeups"), "5", "--comm", "victim", output);
        const [, us = "", time = ""] =
          /LONGEST WAKE-UP LATENCIES.*\n.*\n +([\d.]+) +([\d.]+) +0 {2}victim-\d+ \[120\]\n/.exec(text) ?? [];
        expect(Number(us)).toBeGreaterThan(10_000);
        expect(text).toMatch(/ woken by sh-\d+ on CPU 1\n +meanwhile CPU 0 ran hog-\d+ \[89\] \d/);
        // It woke where trace-cmd has its wake-up.
        expect(
          traceCmd("report", "-i", output)
            .split("\n")
            .filter((line) => line.includes(`${time}: sched_waking:`)),
        ).toContainEqual(expect.stringContaining("comm=victim "));
        const all = await traceAgentText(...command("trace-agent report --wakeups"), "--json", output);
        const { longestWoken } = JSON.parse(all) as { longestWoken: { comm: string; meanwhile: { comm: string }[] }[] };
        expect(longestWoken.find(({ comm }) => comm === "victim")?.meanwhile[0]?.comm).toBe("hog");
        expect(await traceAgentText("report", "--stat", output)).toMatch(/^hog-\d+ /m);

        await traceAgentText(...command("trace-agent export trace.dat"));
        expect(existsSync(output.replace(".dat", ".pftrace"))).toBe(true);
      },
      guestTestTimeoutMs,
    );

    test(
      "a filter and globs record less",
      async () => {
        const chosen = command(
          "record vm1 -e sched -f 'prev_pid != 0' -v -e '*stat*'",
          "-d",
          "1",
          "-o",
          `${base}/some.dat`,
        );
        const { code, stderr } = await traceAgent(...chosen);
        expect({ code, stderr }).toMatchObject({ code: 0 });
        const kinds = (await traceAgentText("report", "--stat", `${base}/some.dat`)).match(/^\w+:\w+/gm) ?? [];
        expect(kinds).toContain("sched:sched_switch");
        expect(kinds.filter((kind) => kind.includes("stat") || !kind.startsWith("sched:"))).toEqual([]);
        const switches = await traceAgentText("report", "-F", "sched_switch: prev_pid == 0", `${base}/some.dat`);
        expect(switches).not.toContain("==>");
      },
      guestTestTimeoutMs,
    );

    testUnless(
      noCompiler,
      "stream and top show it while it happens",
      async () => {
        const stream = new LiveProcess(command("trace-agent stream vm1 -e sched"));
        await stream.says("following ");
        await guest().run("true");
        await stream.shows("sched_switch:");
        stream.process.kill("SIGINT");
        expect(await stream.ended()).toBe(0);
        const top = new LiveProcess([...command("trace-agent top vm1"), "-d", "600"]);
        await top.shows("busy %");
        await guest().run(delay);
        // An emulated guest's own tasks may wait still longer than the victim.
        await top.shows(" ran ");
        top.process.kill("SIGINT");
        expect(await top.ended()).toBe(0);
        expect(top.stdout).toMatch(/longest wait \d+\.\d \w+, \S+-\d+ on CPU \d: .* ran \d/);
      },
      guestTestTimeoutMs,
    );
  },
);
