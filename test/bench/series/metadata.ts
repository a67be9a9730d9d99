/**
 * What telling its metadata costs an agent: for the first recording with sched events (formats, names and symbols), for a second
 * one (the host has the symbols), and all of it as in protocol 1. Each agent is new, as it is when a recorder comes first.
 */
import { tracedCpus } from "../../../src/tracefs/cpus.ts";
import { PortDirectory } from "../../support/agent-process.ts";
import { reasonWithoutTracefs, TracefsInstance } from "../../support/tracefs.ts";
import { agentExecutable } from "../support/agent-executable.ts";
import { armed, cpuTimeNs, startChild } from "../support/child.ts";
import { residentBytes } from "../support/process.ts";
import { allMetadataOrders, metadataOrders, tellMetadata } from "../support/metadata-body.ts";
import type { Figure, Series, SeriesContext } from "../support/series.ts";

const MiB = 2 ** 20;

const { formats, symbols, atEnd } = metadataOrders;

type Told = { cpuMs: number; wallMs: number; grownMib: number };

export const metadata: Series = {
  name: "metadata",
  title: "what a recording with sched events orders of an agent's metadata",
  guest: false,
  skipReason: reasonWithoutTracefs,
  run: async (context) => {
    const first: Told[] = [];
    const second: Told[] = [];
    const all: Told[] = [];
    const kept: number[] = [];
    for (let pair = 0; pair < Math.min(context.pairs, 5); pair++) {
      await withAgent(context, async (ask) => {
        const before = ask.anonymous();
        first.push(await ask.tell([formats, symbols, atEnd]));
        await ask.settle();
        second.push(await ask.tell([formats, atEnd]));
        await ask.settle();
        kept.push((ask.anonymous() - before) / MiB);
      });
      await withAgent(context, async (ask) => void all.push(await ask.tell(allMetadataOrders)));
    }
    const figures = (name: string, told: Told[], cpuMs?: number, grownMib?: number): Figure[] => [
      { name: `${name}: CPU`, unit: "ms", ours: told.map((one) => one.cpuMs), ...reach(cpuMs) },
      { name: `${name}: wall`, unit: "ms", ours: told.map((one) => one.wallMs) },
      { name: `${name}: most over armed`, unit: "MiB", ours: told.map((one) => one.grownMib), ...reach(grownMib) },
    ];
    return {
      figures: [
        ...figures("first recording", first, 150, 4),
        ...figures("second recording", second, 20, 4),
        ...figures("all, as in protocol 1", all),
        { name: "kept after two recordings", unit: "MiB", ours: kept },
      ],
      notes: [
        `CPU of the whole agent between order and end of the body; orders of a recording: "${formats}", "${symbols}" (the first time), "${atEnd}"`,
      ],
    };
  },
};

function reach(value: number | undefined): Pick<Figure, "reach"> {
  return value === undefined ? {} : { reach: { value, is: "most" } };
}

type Asked = {
  anonymous: () => number;
  settle: () => Promise<void>;
  tell: (orders: readonly string[]) => Promise<Told>;
};

/** An agent that has been armed for a while, and whose host has introduced itself. */
async function withAgent(context: SeriesContext, use: (asked: Asked) => Promise<void>): Promise<void> {
  const tracefs = new TracefsInstance("bench-metadata");
  const cpus = tracedCpus(tracefs.path);
  const ports = new PortDirectory(cpus);
  const agent = startChild([agentExecutable, "--tracefs", tracefs.path, "--ports", ports.path]);
  const settle = (): Promise<void> => Bun.sleep(context.tiny ? 50 : 3600);
  const anonymous = (): number => residentBytes(agent.pid).anonymous;
  const tell = async (orders: readonly string[]): Promise<Told> => {
    const before = anonymous();
    let most = before;
    const cpuNs = await cpuTimeNs(agent.pid);
    const begin = performance.now();
    for (const order of orders) await tellMetadata(ports, agent, order, () => (most = Math.max(most, anonymous())));
    const wallMs = performance.now() - begin;
    return { cpuMs: ((await cpuTimeNs(agent.pid)) - cpuNs) / 1e6, wallMs, grownMib: (most - before) / MiB };
  };
  try {
    await armed(agent);
    await settle();
    await ports.ask("hello bench", "hello", () => "");
    await ports.ask("host 3", "host", () => "");
    await use({ anonymous, settle, tell });
  } finally {
    agent.kill("SIGTERM");
    await agent.exited;
    ports.close();
    await tracefs.remove();
  }
}
