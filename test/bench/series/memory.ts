/** Memory of an armed agent by the number of CPUs. Where this machine has fewer, stand-ins take the place of the rest. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFifo } from "../../../ffi/pipe.ts";
import { readTracing, tracefsMountPoints } from "../../../src/kernel/tracefs.ts";
import { controlPortName, dataPortName } from "../../../src/protocol/ports.ts";
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { agentExecutable } from "../support/agent-executable.ts";
import { Lines, startChild } from "../support/child.ts";
import { residentBytes } from "../support/process.ts";
import type { Figure, Series, SeriesContext } from "../support/series.ts";

const MiB = 2 ** 20;

export const memory: Series = {
  name: "memory",
  title: "memory of an armed agent by the number of CPUs",
  guest: false,
  skipReason: reasonWithoutTracefs,
  run: async (context) => {
    const figures: Figure[] = [];
    for (const cpus of context.tiny ? [2] : [1, 2, 16, 64, 256]) {
      const { all, anonymous } = await measure(cpus, context);
      figures.push({ name: `${cpus} CPUs: resident`, unit: "MiB", ours: [all / MiB] });
      figures.push({ name: `${cpus} CPUs: anonymous`, unit: "MiB", ours: [anonymous / MiB], reach: { value: 4 + 1.7 * cpus, is: "most" } });
    }
    return {
      figures,
      notes: ["armed for some seconds; the resident memory is mostly pages of the executable, which the kernel can drop; CPUs that the machine lacks are stand-ins: directories for their trace files, FIFOs for their ports"],
    };
  },
};

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
    const lines = new Lines(agent.stderr);
    while (!(await lines.next()).includes("armed: "));
    await Bun.sleep(context.tiny ? 100 : 3000 + 20 * cpus);
    const bytes = residentBytes(agent.pid);
    agent.kill("SIGTERM");
    await agent.exited;
    return bytes;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
