/**
 * Memory of an agent by the number of CPUs: armed, and, on CPUs that this machine has, in a recording: while it tells its
 * metadata (event formats, kallsyms), after that, and running. Where the machine has fewer, stand-ins take the place of CPUs.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFifo } from "../../../ffi/pipe.ts";
import { tracedCpus } from "../../../src/tracefs/cpus.ts";
import { readTracing, tracefsMountPoints } from "../../../src/tracefs/tracefs.ts";
import { controlPortName, dataPortName } from "../../../src/protocol/ports.ts";
import { PortDirectory } from "../../support/agent-process.ts";
import { reasonWithoutTracefs, TracefsInstance } from "../../support/tracefs.ts";
import { agentExecutable } from "../support/agent-executable.ts";
import { armed, startChild } from "../support/child.ts";
import { residentBytes, residentBytesOf } from "../support/process.ts";
import { tellMetadata } from "../support/metadata-body.ts";
import { MemoryFloor } from "../support/memory-floor.ts";
import type { Figure, Series, SeriesContext } from "../support/series.ts";

const MiB = 2 ** 20;

export const memory: Series = {
  name: "memory",
  title: "memory of an agent by the number of CPUs, armed and in a recording",
  guest: false,
  skipReason: reasonWithoutTracefs,
  run: async (context) => {
    const figures: Figure[] = [];
    const floor = await MemoryFloor.build();
    try {
      for (const cpus of context.tiny ? [2] : [1, 2, 16, 64, 256]) {
        const floorBytes = await floorOf(floor, cpus, context);
        const { all, anonymous } = await measure(cpus, context);
        figures.push({ name: `${cpus} CPUs: resident`, unit: "MiB", ours: [all / MiB] });
        figures.push(
          figureOf(`${cpus} CPUs: anonymous`, anonymous, floorBytes),
          overFloor(cpus, anonymous - floorBytes),
        );
      }
      for (const cpus of context.tiny ? [1] : [1, 2]) {
        const floorBytes = await floorOf(floor, cpus, context);
        for (const [state, bytes] of Object.entries(await anonymousOfServing(cpus, context)))
          figures.push(figureOf(`${cpus} CPUs: anonymous, ${state}`, bytes, floorBytes));
      }
    } finally {
      floor.close();
    }
    return {
      figures,
      notes: [
        "the floor: main and as many empty Workers as the agent has, one for each CPU and one for orders; armed for some seconds; metadata: formats of sched and kallsyms, as a recorder asks for them the first time; running with sched events; the resident memory is mostly pages of the executable, which the kernel can drop; CPUs that the machine lacks are stand-ins: directories for their trace files, FIFOs for their ports",
      ],
    };
  },
};

/** Each CPU has a Worker, and the control port one. */
async function floorOf(floor: MemoryFloor, cpus: number, { tiny }: SeriesContext): Promise<number> {
  return floor.anonymous(cpus + 1, tiny ? 200 : 2000 + 20 * cpus);
}

function figureOf(name: string, bytes: number, floorBytes: number): Figure {
  return { name, unit: "MiB", ours: [bytes / MiB], peer: { name: "floor", values: [floorBytes / MiB] } };
}

/** At most 3 MiB over the floor, and 0.3 for each CPU. */
function overFloor(cpus: number, bytes: number): Figure {
  const reach = { value: 3 + 0.3 * cpus, is: "most" } as const;
  return { name: `${cpus} CPUs: over the floor`, unit: "MiB", ours: [bytes / MiB], reach };
}

async function measure(cpus: number, context: SeriesContext): Promise<{ all: number; anonymous: number }> {
  const folder = mkdtempSync(join(tmpdir(), "trace-agent-bench-"));
  const numbers = Array.from({ length: cpus }, (_, cpu) => cpu);
  const [tracefs] = tracefsMountPoints;
  try {
    mkdirSync(join(folder, "tracing/events"), { recursive: true });
    writeFileSync(join(folder, "tracing/events/header_page"), readTracing(tracefs, "events/header_page"));
    mkdirSync(join(folder, "ports"));
    for (const end of ["in", "out"]) makeFifo(join(folder, `ports/${controlPortName}.${end}`), 0o600);
    for (const cpu of numbers) {
      mkdirSync(join(folder, `tracing/per_cpu/cpu${cpu}`), { recursive: true });
      makeFifo(join(folder, `ports/${dataPortName(cpu)}.out`), 0o600);
    }
    writeFileSync(join(folder, "online"), `0-${cpus - 1}\n`);
    // In a mount namespace of its own the agent sees as many CPUs online.
    const script = `mount --bind "$1/online" /sys/devices/system/cpu/online && exec "$2" --tracefs "$1/tracing" --ports "$1/ports"`;
    const agent = startChild(["unshare", "--mount", "sh", "-c", script, "sh", folder, agentExecutable]);
    try {
      await armed(agent);
      await Bun.sleep(context.tiny ? 100 : 3600 + 20 * cpus);
      return await residentBytesOf(agent);
    } finally {
      agent.kill("SIGTERM");
      await agent.exited;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** By what the agent does: told its metadata once, as every recorder asks for it, then runs. */
async function anonymousOfServing(cpus: number, context: SeriesContext): Promise<Record<string, number>> {
  const tracefs = new TracefsInstance("bench-memory");
  const numbers = tracedCpus(tracefs.path).slice(0, cpus);
  const ports = new PortDirectory(numbers);
  const agent = startChild([
    agentExecutable,
    "--tracefs",
    tracefs.path,
    "--ports",
    ports.path,
    "--cpus",
    numbers.join(","),
  ]);
  const settled = async (): Promise<number> => {
    await Bun.sleep(context.tiny ? 100 : 4000);
    return (await residentBytesOf(agent)).anonymous;
  };
  try {
    tracefs.reset();
    await armed(agent);
    const atRest = await settled();
    await ports.ask("hello bench", "hello", () => "");
    await ports.ask("host 3", "host", () => "");
    let most = 0;
    const look = (): void => void (most = Math.max(most, residentBytes(agent.pid).anonymous));
    for (const sections of ["formats:sched formats:ftrace tasks stats", "kallsyms printk"])
      await tellMetadata(ports, agent, `metadata ${sections}`, look);
    const told = await settled();
    tracefs.write("events/sched/enable", "1");
    await ports.ask("1", "start", () => "");
    const running = await settled();
    return {
      "armed on a real ring buffer": atRest,
      "most while it tells metadata": Math.max(most, atRest),
      "after metadata": told,
      "running after metadata": running,
    };
  } finally {
    agent.kill("SIGTERM");
    await agent.exited;
    ports.close();
    await tracefs.remove();
  }
}
