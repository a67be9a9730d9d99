/**
 * What recording costs inside a guest: our agent, with a recorder on the host, beside `trace-cmd record` in the guest, which writes into
 * the guest's memory. The same events of the same work, the same ring buffer. CPU is that of the agent, and of trace-cmd with its
 * recorders, from before their start to their end: what they set up and what they tell or write at the end is in it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCpuStats } from "../../../src/tracefs/cpu-stats.ts";
import { whyNoGuest } from "../../support/guest.ts";
import { whyNoTools } from "../../support/packages.ts";
import { recordingCounts } from "../../support/trace-cmd.ts";
import { traceCmdFiles } from "../../support/trace-cmd-files.ts";
import { agentExecutable } from "../support/agent-executable.ts";
import { startChild } from "../support/child.ts";
import { GuestRig, guestCpus, tinyGuestMb } from "../support/guest-rig.ts";
import { endRecording, hasBegun, whileRecording } from "../support/recorder.ts";
import type { Figure, Series, SeriesContext } from "../support/series.ts";

const bufferKb = 1408;
/** System calls per second and CPU; 0: as many as it can make. */
const rates = [20_000, 0];
/** getppid(), which the workload calls: no event of the recorders themselves. */
const chosen = ["-e", "raw_syscalls:sys_enter", "-f", "id == 110", "-b", `${bufferKb}`];
const tracing = "/sys/kernel/tracing";

type Run = { cpuMs: number; usPerEvent: number; lostPerMille: number };

export const traceCmdRecord: Series = {
  name: "trace-cmd",
  title: "recording a guest: our agent and a recorder on the host, beside trace-cmd record in the guest",
  guest: true,
  skipReason: async () => (await whyNoGuest("6.12")) ?? (await whyNoTools("trace-cmd")),
  run: async (context) => {
    const rig = await GuestRig.boot(undefined, "fifo", context.tiny ? tinyGuestMb : 1024, traceCmdFiles());
    const folder = mkdtempSync(join(tmpdir(), "trace-agent-bench-"));
    const figures: Figure[] = [];
    try {
      for (const rate of context.tiny ? [1000] : rates) {
        const runs = { ours: [] as Run[], theirs: [] as Run[] };
        for (let pair = 0; pair < context.pairs; pair++) {
          const ours = async (): Promise<unknown> => runs.ours.push(await recordedByUs(rig, rate, context, folder));
          const theirs = async (): Promise<unknown> => runs.theirs.push(await recordedByTraceCmd(rig, rate, context));
          for (const turn of pair % 2 === 0 ? [ours, theirs] : [theirs, ours]) await turn();
        }
        const figure = (name: string, unit: string, of: (run: Run) => number): Figure => ({
          name: `${rate === 0 ? "all it can" : `${rate}/s`}: ${name}`,
          unit,
          ours: runs.ours.map(of),
          peer: { name: "trace-cmd", values: runs.theirs.map(of) },
          reach: { ratio: 1, is: "most" },
        });
        figures.push(
          figure("CPU", "ms", (run) => run.cpuMs),
          figure("CPU per event", "us", (run) => run.usPerEvent),
          figure("lost", "per mille", (run) => run.lostPerMille),
        );
      }
    } finally {
      await rig.close();
      rmSync(folder, { recursive: true, force: true });
    }
    return {
      figures,
      notes: [
        `guest of ${guestCpus.length} CPUs, ${bufferKb} KiB of ring buffer each, ${secondsOf(context)} s of getppid() on each CPU, raw_syscalls:sys_enter of it; trace-cmd writes into the guest's memory (tmpfs); CPU per event: of those that were not lost`,
      ],
    };
  },
};

function secondsOf({ tiny }: SeriesContext): number {
  return tiny ? 0.3 : 4;
}

/** Calls that were made, by all CPUs. */
async function work(rig: GuestRig, rate: number, context: SeriesContext): Promise<number> {
  const calls = guestCpus.map((cpu) => `workload calls ${cpu} ${rate} ${secondsOf(context)}`);
  const lines = (await rig.guest.text(`${calls.join(" & ")} & wait`)).split("\n");
  return lines.reduce((sum, line) => sum + Number(line.split(" ", 1)), 0);
}

function runOf(cpuNs: number, made: number, lost: number): Run {
  return { cpuMs: cpuNs / 1e6, usPerEvent: cpuNs / 1e3 / (made - lost), lostPerMille: (lost / made) * 1000 };
}

async function recordedByUs(rig: GuestRig, rate: number, context: SeriesContext, folder: string): Promise<Run> {
  await rig.startAgent("ours", !context.tiny);
  const output = join(folder, "trace.dat");
  const before = await rig.agentCpuNs();
  const recorder = startChild([
    agentExecutable,
    "record",
    "bench",
    "--dir",
    rig.guest.directory,
    ...chosen,
    "-o",
    output,
  ]);
  try {
    return await whileRecording(recorder, async () => {
      await hasBegun(recorder, output);
      const made = await work(rig, rate, context);
      await endRecording(recorder);
      const cpuNs = (await rig.agentCpuNs()) - before;
      const counts = [...recordingCounts(output).values()];
      const events = counts.reduce((sum, one) => sum + one.events, 0);
      const lost = counts.reduce((sum, one) => sum + one.overrun + one.commitOverrun + one.droppedEvents, 0);
      requireWhole(events, made, lost);
      return runOf(cpuNs, made, lost);
    });
  } finally {
    await rig.endAgent();
    rmSync(output, { force: true });
  }
}

async function recordedByTraceCmd(rig: GuestRig, rate: number, context: SeriesContext): Promise<Run> {
  const { guest } = rig;
  const words = chosen.map((word) => `'${word}'`).join(" ");
  const recorder = await guest.spawn(`exec workload spent trace-cmd record ${words} -o /tmp/theirs.dat >/dev/null`);
  // Itself and one for each CPU; then it switches tracing on.
  const pids = `$(pidof trace-cmd)`;
  const records = `[ "$(echo ${pids} | wc -w)" -gt ${guestCpus.length} ] && grep -q 1 ${tracing}/tracing_on`;
  const enabled = `grep -q 1 ${tracing}/events/raw_syscalls/sys_enter/enable`;
  await guest.run(`until ${records} && ${enabled}; do usleep 50000; done`);
  const made = await work(rig, rate, context);
  await guest.run(`kill -INT ${pids}`);
  if ((await recorder.exitCode()) !== 0) throw new Error(`trace-cmd record failed: ${await recorder.stderr()}`);
  const cpuNs = Number(/^spent (\d+)$/m.exec(await recorder.stderr())?.[1] ?? NaN);
  const stats = (await guest.text("trace-cmd report --stat -i /tmp/theirs.dat | grep -a -A 12 '^CPU: '")).split(
    /^CPU: /m,
  );
  await guest.run("rm /tmp/theirs.dat");
  const sums = { events: 0, lost: 0 };
  for (const part of stats.slice(1)) {
    const { entries = 0, readEvents = 0, overrun = 0, commitOverrun = 0, droppedEvents = 0 } = parseCpuStats(part);
    // It reads these before its recorders have taken the rest.
    sums.events += entries + readEvents;
    sums.lost += overrun + commitOverrun + droppedEvents;
  }
  requireWhole(sums.events, made, sums.lost);
  return runOf(cpuNs, made, sums.lost);
}

/** Both must have recorded this work, and told what they lost of it. */
function requireWhole(events: number, made: number, lost: number): void {
  if (Math.abs(events + lost - made) > made * 0.05)
    throw new Error(`${events} events recorded and ${lost} lost of ${made}`);
}
