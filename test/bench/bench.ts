/**
 * The benchmark: the agent beside its peers, in one run, turn by turn.
 *
 *   npm run bench [-- --series NAME[,NAME]] [--pairs N] [--latency MS] [--tiny] [--charts DIR] [--out FILE]
 *
 * Prints a table and bars of each series and writes all raw figures to bench.json. --charts writes an SVG for each series.
 * --latency: how long an event may wait in the guest, in the series steady, idle and latency; 500, the agent's default, without it.
 * TRACE_AGENT_BENCH names another build of the agent to measure. Needs root, gcc, and for the first run the network.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { protocolLimits } from "../../src/protocol/limits.ts";
import { allSeries } from "./all-series.ts";
import { svgOf } from "./support/chart.ts";
import { killChildren } from "./support/child.ts";
import { kernelAgent, kernelAgentNote } from "./support/kernel-agent.ts";
import { describeMachine } from "./support/machine.ts";
import type { Series, SeriesContext, SeriesResult } from "./support/series.ts";
import { barsOf, isReached, ratioOf, tableOf } from "./support/table.ts";

const { values: options } = parseArgs({
  options: {
    series: { type: "string" },
    pairs: { type: "string", default: "5" },
    latency: { type: "string", default: `${protocolLimits.latencyMsDefault}` },
    tiny: { type: "boolean", default: false },
    charts: { type: "string" },
    out: { type: "string", default: "bench.json" },
  },
});

// What a series has set up it takes down itself, when what it waits for has ended.
let ended = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    ended = true;
    killChildren();
  });
}

const machine = describeMachine();
for (const [name, value] of Object.entries(machine)) console.log(`${name.padEnd(10)} ${value}`);
const peer = await findPeer();
const context: SeriesContext = {
  tiny: options.tiny,
  kernelAgent: peer,
  latencyMs: Number(options.latency),
  pairs: options.tiny ? 1 : Number(options.pairs),
  say: (text) => console.error(text),
};
const results: Record<string, unknown> = {};
let failures = 0;
for (const series of chosen()) {
  if (ended) break;
  console.log(`\n== ${series.name}: ${series.title}`);
  const reason = await series.skipReason();
  if (reason !== undefined) {
    console.log(`skipped: ${reason}`);
    results[series.name] = { skipped: reason };
    continue;
  }
  try {
    const result = await series.run(context);
    show(series, result);
    const judged = result.figures.map((figure) => ({ figure, ratio: ratioOf(figure), reached: isReached(figure) }));
    results[series.name] = { figures: judged, notes: result.notes };
  } catch (error) {
    failures++;
    console.log(`failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
  writeFileSync(options.out, `${JSON.stringify({ machine, peer: kernelAgentNote, series: results }, undefined, 2)}\n`);
}
process.exit(failures > 0 || ended ? 1 : 0);

async function findPeer(): Promise<string | undefined> {
  try {
    const program = await kernelAgent(!options.tiny);
    console.log(program === undefined ? "\nC is left out: it was not built yet" : `\n${kernelAgentNote}`);
    return program;
  } catch (error) {
    console.log(`\nC is left out, it cannot be built: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function chosen(): Series[] {
  if (options.series === undefined) return [...allSeries];
  return options.series.split(",").map((name) => {
    const series = allSeries.find((candidate) => candidate.name === name);
    if (series === undefined)
      throw new Error(`no series "${name}": there are ${allSeries.map((each) => each.name).join(", ")}`);
    return series;
  });
}

function show(series: Series, result: SeriesResult): void {
  console.log(tableOf(result.figures));
  const bars = barsOf(result.figures);
  if (bars !== "") console.log(`\n${bars}`);
  for (const note of result.notes) console.log(`(${note})`);
  if (options.charts === undefined) return;
  mkdirSync(options.charts, { recursive: true });
  writeFileSync(join(options.charts, `${series.name}.svg`), svgOf(`${series.name}: ${series.title}`, result.figures));
}
