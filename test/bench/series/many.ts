/**
 * Many guests in one recorder, beside one `cat port >file` for each port: CPU per GiB, memory, and how long a port has something that
 * nobody takes; that also beside guests that do their worst. The guests are fake, of four CPUs each; their data comes at one steady
 * rate in all.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../support/agent-process.ts";
import { agentExecutable } from "../support/agent-executable.ts";
import { controlPortName, dataPortName } from "../../../src/protocol/ports.ts";
import { type Child, cpuTimeNs, hasEnded, startChild } from "../support/child.ts";
import { Feed } from "../support/feed.ts";
import { kernelSymbols, ManyGuests } from "../support/many-guests.ts";
import { residentBytes } from "../support/process.ts";
import type { Figure, Series, SeriesContext } from "../support/series.ts";

const MiB = 2 ** 20;
const GiB = 2 ** 30;
const cpus = 4;
const bytesPerSecond = 128 * MiB;
/** The last guests: one falls silent, one writes what is no reply without end, one sends data as fast as it can. */
const hostile = 3;
const floodBytes = 1 * GiB;

type Run = { cpuPerGib: number; takenMs: number; resident: number; most: number };

export const many: Series = {
  name: "many",
  title: "one recorder of many guests beside a cat for each port",
  guest: false,
  skipReason: () => undefined,
  run: async (context) => {
    const figures: Figure[] = [];
    const notes = [
      `guests of ${cpus} CPUs on FIFOs, ${bytesPerSecond / MiB} MiB/s in all, pieces of 64 KiB into one port after the other`,
    ];
    for (const guests of context.tiny ? [2] : [4, 16, 64]) {
      const ours: Run[] = [];
      const peer: Run[] = [];
      for (let pair = 0; pair < Math.min(context.pairs, 5); pair++) {
        const both = [
          async () => void ours.push(await withGuests(guests, context, recordOnce)),
          async () => void peer.push(await withGuests(guests, context, catOnce)),
        ];
        for (const run of pair % 2 === 0 ? both : both.toReversed()) await run();
      }
      const ports = guests * cpus;
      const figure = (name: string, unit: string, of: (run: Run) => number, reach?: Figure["reach"]): Figure => ({
        name: `${guests} guests, ${ports} ports: ${name}`,
        unit,
        ours: ours.map(of),
        peer: { name: "cat", values: peer.map(of) },
        ...(reach === undefined ? {} : { reach }),
      });
      figures.push(
        figure("CPU", "s/GiB", (run) => run.cpuPerGib, { ratio: 1, is: "most" }),
        figure("p99.9 until taken", "ms", (run) => run.takenMs, { value: 100, is: "most" }),
        figure("resident", "MiB", (run) => run.resident / MiB, { value: 64 + ports / 16, is: "most" }),
        figure("resident at most", "MiB", (run) => run.most / MiB),
      );
    }
    const beside: Run[] = [];
    const guests = context.tiny ? 1 : 16;
    for (let run = 0; run < Math.min(context.pairs, 3); run++)
      beside.push(await withGuests(guests, context, recordOnce, hostile));
    figures.push({
      name: `${guests} guests: p99.9 until taken, beside a silent, a babbling and a flooding one`,
      unit: "ms",
      ours: beside.map(({ takenMs }) => takenMs),
      reach: { value: 100, is: "most" },
    });
    return { figures, notes };
  },
};

type World = { folder: string; guests: ManyGuests; feed: Feed; tiny: boolean; hostile: number };

/** `more`: hostile ones. */
async function withGuests(
  count: number,
  { tiny }: SeriesContext,
  use: (world: World) => Promise<Run>,
  more = 0,
): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), "trace-agent-bench-"));
  const guests = new ManyGuests(folder, count + more, cpus, tiny ? "0 t a\n" : kernelSymbols());
  const feed = new Feed(guests.dataPorts.slice(0, count * cpus), bytesPerSecond, tiny ? 0.3 : 4);
  try {
    await feed.isReady();
    return await use({ folder, guests, feed, tiny, hostile: more });
  } finally {
    await feed.end();
    guests.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function recordOnce(world: World): Promise<Run> {
  const { folder, guests, tiny } = world;
  const doTheirWorst: Child[] = [];
  const output = join(folder, "out");
  const recorder = startChild([agentExecutable, "record", ...guests.directories.map((path) => path), "-o", output]);
  const errors = recorder.stderr.text();
  try {
    await eventually(
      () => recordingMachines(output) === guests.directories.length || hasEnded(recorder),
      "all guests are recorded",
    );
    if (hasEnded(recorder)) throw new Error("the recorder ended");
    await Bun.sleep(tiny ? 0 : 2000);
    if (world.hostile > 0) doTheirWorst.push(...startHostile(world));
    return await measured(world, [recorder]);
  } catch (error) {
    recorder.kill("SIGKILL");
    throw new Error(`recording failed: ${await errors}`, { cause: error });
  } finally {
    // What it makes of the spools is measured elsewhere.
    for (const child of [recorder, ...doTheirWorst]) {
      child.kill("SIGKILL");
      await child.exited;
    }
  }
}

function startHostile({ guests, tiny }: World): Child[] {
  const count = guests.directories.length;
  guests.silence(count - 3);
  guests.silence(count - 2);
  const [babbling = "", flooding = ""] = guests.directories.slice(-2);
  const bytes = tiny ? MiB : floodBytes;
  return [
    startChild(["sh", "-c", 'exec yes >"$1"', "sh", join(babbling, `${controlPortName}.out`)]),
    startChild(["sh", "-c", `exec head -c ${bytes} /dev/zero >"$1"`, "sh", join(flooding, `${dataPortName(0)}.out`)]),
  ];
}

function recordingMachines(output: string): number {
  const file = join(output, "session.json");
  return existsSync(file) ? readFileSync(file, "utf8").split('"state": "recording"').length - 1 : 0;
}

async function catOnce(world: World): Promise<Run> {
  const folder = join(world.folder, "cats");
  mkdirSync(folder);
  const cats = world.guests.dataPorts.map((path, index) =>
    startChild(["sh", "-c", 'exec cat "$1" >"$2"', "sh", path, join(folder, `${index}`)]),
  );
  try {
    await eventually(() => readdirSync(folder).length === cats.length, "every cat has its file");
    return await measured(world, cats);
  } finally {
    for (const cat of cats) cat.kill("SIGKILL");
    await Promise.all(cats.map((cat) => cat.exited));
  }
}

async function measured({ feed }: World, readers: readonly Child[]): Promise<Run> {
  const pids = readers.map(({ pid }) => pid);
  const before = await cpuTimeNs(...pids);
  const { bytes, takenMs } = await feed.run();
  const cpuNs = (await cpuTimeNs(...pids)) - before;
  const memory = pids.map(residentBytes);
  const sum = (of: (one: ReturnType<typeof residentBytes>) => number): number =>
    memory.reduce((total, one) => total + of(one), 0);
  return {
    cpuPerGib: cpuNs / 1e9 / (bytes / GiB),
    takenMs,
    resident: sum(({ all }) => all),
    most: sum(({ most }) => most),
  };
}
