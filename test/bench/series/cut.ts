/**
 * What cuts cost: CPU of `record --rotate` beside the same recording that is not cut, from the first byte to the end of the program, so that
 * making the files is in both. Of two lengths the difference is what more data cost: what comes once, such as compiling, and packing the
 * symbols, is in both. Two fake guests of four CPUs, whose data come at one steady rate; all is ended with Ctrl-C.
 *
 * What a cut itself costs, whatever lies between two of them, is measured with many cuts and few data; the code that makes cuts is compiled
 * meanwhile, which is in it.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../support/agent-process.ts";
import { agentExecutable } from "../support/agent-executable.ts";
import { cpuTimeNs, hasEnded, startChild } from "../support/child.ts";
import { Feed } from "../support/feed.ts";
import { kernelSymbols, ManyGuests } from "../support/many-guests.ts";
import { whileRecording } from "../support/recorder.ts";
import type { Figure, Series, SeriesContext } from "../support/series.ts";
import { UsedMemory } from "../support/used-memory.ts";

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const guestCount = 2;
const cpus = 4;
const bytesPerSecond = 128 * MiB;
const segmentBytes = 256 * MiB;
/** Of a cut's cost: so little that what the data cost does not count. */
const fewBytesPerSecond = 4 * MiB;

const keep = ["--keep", "1000"];

/** Seconds of data, and what cuts them. */
type Plan = { seconds: number; bytesPerSecond: number; how: readonly string[] };
/** CPU seconds, bytes. */
type Cost = { cpu: number; bytes: number };

export const cut: Series = {
  name: "cut",
  title: "a recording that is cut each 256 MiB, beside one that is not",
  guest: false,
  skipReason: () => undefined,
  run: async (context) => {
    const { tiny, pairs } = context;
    const [short, long] = tiny ? [0.1, 0.3] : [8, 32];
    const rotate = ["--rotate", `${tiny ? 2 * MiB : segmentBytes}`, ...keep];
    const plans: Record<string, Plan> = {
      shortCut: { seconds: short, bytesPerSecond, how: rotate },
      longCut: { seconds: long, bytesPerSecond, how: rotate },
      shortWhole: { seconds: short, bytesPerSecond, how: [] },
      longWhole: { seconds: long, bytesPerSecond, how: [] },
      ...(tiny ? {} : ofCuts(long)),
    };
    const costs = await measured(context, plans, pairs);
    const perGib = (name: string): number[] => costs(name).map(({ cpu, bytes }) => cpu / (bytes / GiB));
    const more = (shorter: string, longer: string): number[] =>
      costs(longer).map(({ cpu, bytes }, pair) => {
        const less = costs(shorter)[pair] ?? { cpu: Number.NaN, bytes: Number.NaN };
        return (cpu - less.cpu) / ((bytes - less.bytes) / GiB);
      });
    const whole = more("shortWhole", "longWhole");
    const figures: Figure[] = [
      {
        name: `CPU of what comes after ${short} s, files made`,
        unit: "s/GiB",
        ours: more("shortCut", "longCut"),
        peer: { name: "not cut", values: whole },
        reach: { ratio: 1.01, is: "most" },
      },
      ...(tiny ? [] : [ofOneCut(costs("manyCuts"), costs("fewCuts"), long - long / 4)]),
      ...[
        { name: `CPU of ${short} s, files made`, ours: perGib("shortCut"), not: perGib("shortWhole") },
        { name: `CPU of ${long} s, files made`, ours: perGib("longCut"), not: perGib("longWhole") },
      ].map(({ name, ours, not }) => ({ name, unit: "s/GiB", ours, peer: { name: "not cut", values: not } })),
    ];
    return { figures, notes: [`${guestCount} guests of ${cpus} CPUs on FIFOs, ${bytesPerSecond / MiB} MiB/s in all`] };
  },
};

function ofCuts(seconds: number): Record<string, Plan> {
  return {
    manyCuts: { seconds, bytesPerSecond: fewBytesPerSecond, how: ["--rotate", "1s", ...keep] },
    fewCuts: { seconds, bytesPerSecond: fewBytesPerSecond, how: ["--rotate", "4s", ...keep] },
  };
}

function ofOneCut(many: readonly Cost[], few: readonly Cost[], more: number): Figure {
  const ours = many.map(({ cpu }, pair) => ((cpu - (few[pair]?.cpu ?? Number.NaN)) * 1e3) / more);
  return { name: "CPU of a cut of both guests, beside its data", unit: "ms", ours };
}

/** Each plan once in each pair, forth and back in turn. */
async function measured(
  context: SeriesContext,
  plans: Record<string, Plan>,
  pairs: number,
): Promise<(name: string) => readonly Cost[]> {
  const costs = new Map<string, Cost[]>();
  const memoryFolder = mkdtempSync(join(tmpdir(), "trace-agent-bench-"));
  const memory = new UsedMemory(memoryFolder);
  try {
    for (let pair = 0; pair < pairs; pair++) {
      const order = Object.entries(plans);
      for (const [name, plan] of pair % 2 === 0 ? order : order.toReversed()) {
        if (!context.tiny) memory.fill();
        const cost = await recordOnce(context, plan);
        context.say(`${name}: ${cost.cpu.toFixed(2)} s, ${(cost.bytes / GiB).toFixed(2)} GiB`);
        costs.set(name, [...(costs.get(name) ?? []), cost]);
      }
    }
  } finally {
    memory.close();
    rmSync(memoryFolder, { recursive: true });
  }
  return (name) => costs.get(name) ?? [];
}

async function recordOnce({ tiny }: SeriesContext, { seconds, bytesPerSecond: rate, how }: Plan): Promise<Cost> {
  const folder = mkdtempSync(join(tmpdir(), "trace-agent-bench-"));
  const guests = new ManyGuests(folder, guestCount, cpus, tiny ? "0 t a\n" : kernelSymbols());
  const feed = new Feed(guests.dataPorts, rate, seconds);
  const output = join(folder, "out");
  const recorder = startChild([agentExecutable, "record", ...guests.directories, ...how, "-o", output]);
  try {
    return await whileRecording(recorder, async () => {
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
      return { cpu: Number(usage.cpuTime.total) / 1e6 - before / 1e9, bytes };
    });
  } finally {
    await feed.end();
    guests.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function areRecorded(output: string): boolean {
  const file = join(output, "session.json");
  return existsSync(file) && readFileSync(file, "utf8").split('"state": "recording"').length - 1 === guestCount;
}
