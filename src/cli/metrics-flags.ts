/** Flags of a recorder's metrics, and their reading. */
import { AgentError } from "../base/errors.ts";
import type { MetricsOptions } from "../host/metrics/metrics-file.ts";
import type { Flags, FlagValues } from "./command.ts";

export const metricsFlags = {
  metrics: {
    type: "string",
    valueHint: "FILE",
    description:
      "Prometheus metrics for node_exporter, as in /var/lib/prometheus/node-exporter/trace-agent.prom; needs -o DIR",
  },
  "metrics-per-cpu": { type: "boolean", description: "With --metrics: a series for each CPU, instead of their sum" },
} as const satisfies Flags;

export function readMetrics(values: FlagValues<typeof metricsFlags>): MetricsOptions | undefined {
  const { metrics: path, "metrics-per-cpu": perCpu } = values;
  if (path !== undefined && path !== "-") return { path, perCpu };
  if (path === "-")
    throw new AgentError("usage", 'cannot write metrics to "-": they are written again and again', {
      remedy: "name a file",
    });
  if (perCpu) throw new AgentError("usage", "--metrics-per-cpu is for --metrics, which is not given");
  return undefined;
}
