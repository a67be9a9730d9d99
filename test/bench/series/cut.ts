/**
 * What cuts cost: CPU of `record --rotate` beside the same recording that is not cut, from the first byte to the end of the program, so that
 * making the files is in both. Two fake guests of four CPUs, whose data come at one steady rate; all is ended with Ctrl-C.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../support/agent-process.ts";
import { agentExecutable } from "../support/agent-executable.ts";
import { cpuTimeNs, hasEnded, startChild } from "../support/child.ts";
import { Feed } from "../support/feed.ts";
import { kernelSymbols, ManyGuests } from "../support/many-guests.ts";
import type { Figure, Series, SeriesContext } from "../support/series.ts";

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const guestCount = 2;
const cpus = 4;
const bytesPerSecond = 128 * MiB;
const segmentBytes = 256 * MiB;

export const cut: Series = {
  name: "cut",
  title: "a recording that is cut each 256 MiB, beside one that is not",
  guest: false,
  skipReason: () => undefined,
  run: async (context) => {
    const ours: number[] = [];
    const peer: number[] = [];
    const segments = context.tiny ? 2 * MiB : segmentBytes;
    for (let pair = 0; pair < context.pairs; pair++) {
      const both = [
        async () => void ours.push(await recordOnce(context, ["--rotate", `${segments}`, "--keep", "1000"])),
        async () => void peer.push(await recordOnce(context, [])),
      ];
      for (const run of pair % 2 === 0 ? both : both.toReversed()) await run();
    }
    const figures: Figure[] = [
      {
        name: "CPU, files made",
        unit: "s/GiB",
        ours,
        peer: { name: "not cut", values: peer },
        reach: { ratio: 1.01, is: "most" },
      },
    ];
    return { figures, notes: [`${guestCount} guests of ${cpus} CPUs on FIFOs, ${bytesPerSecond / MiB} MiB/s in all`] };
  },
};

/** CPU seconds per GiB. */
async function recordOnce({ tiny }: SeriesContext, how: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "trace-agent-bench-"));
  const guests = new ManyGuests(folder, guestCount, cpus, tiny ? "0 t a\n" : kernelSymbols());
  const feed = new Feed(guests.dataPorts, bytesPerSecond, tiny ? 0.3 : 16);
  const output = join(folder, "out");
  const recorder = startChild([agentExecutable, "record", ...guests.directories, ...how, "-o", output]);
  const errors = recorder.stderr.text();
  try {
    await feed.isReady();
    await eventually(() => areRecorded(output) || hasEnded(recorder), "both guests are recorded");
    await Bun.sleep(tiny ? 0 : 2000);
    const before = await cpuTimeNs(recorder.pid);
    const { bytes, bytesOfPorts } = await feed.run();
    guests.sent(bytesOfPorts);
    recorder.kill("SIGINT");
    await recorder.exited;
    const usage = recorder.resourceUsage();
    if (usage === undefined) throw new Error("the recorder has not ended");
    return (Number(usage.cpuTime.total) / 1e6 - before / 1e9) / (bytes / GiB);
  } catch (error) {
    recorder.kill("SIGKILL");
    throw new Error(`recording failed: ${await errors}`, { cause: error });
  } finally {
    await recorder.exited;
    await feed.end();
    guests.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function areRecorded(output: string): boolean {
  const file = join(output, "session.json");
  return existsSync(file) && readFileSync(file, "utf8").split('"state": "recording"').length - 1 === guestCount;
}
