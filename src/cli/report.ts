/** `trace-agent report`: shows a recording. */
import { AgentError } from "../errors.ts";
import { runReport } from "../host/report.ts";
import { parseCpuList } from "../kernel/cpu-list.ts";
import { type Flags, makeCommand } from "./command.ts";

const flags = {
  event: { type: "string", short: "e", valueHint: "EVENT", multiple: true, description: "Only this event, system or system:event; * and ? match" },
  cpu: { type: "string", valueHint: "LIST", description: 'Only these CPUs, as in "0-3,8"' },
  pid: { type: "string", valueHint: "LIST", description: "Only events of these tasks, as in 1234,1240" },
  from: { type: "string", valueHint: "T", description: "Not before this time, in seconds as shown" },
  to: { type: "string", valueHint: "T", description: "Not after this time" },
  json: { type: "boolean", description: "One JSON object per line" },
  stat: { type: "boolean", description: "A summary: counts, rates, busiest tasks, wake-up latencies, losses" },
} as const satisfies Flags;

export const reportCommand = makeCommand({
  name: "report",
  description: "Shows the events of a recording as text",
  flags,
  positionals: [{ name: "FILE", description: "A trace.dat, or the spool of an unfinished recording" }],
  run: (values, [path = ""]) => {
    if (values.json && values.stat) throw new AgentError("usage", "--json and --stat cannot be had together");
    runReport({
      path,
      form: values.json ? "json" : values.stat ? "summary" : "text",
      events: values.event,
      cpus: values.cpu === undefined ? undefined : parseCpuList(values.cpu),
      pids: values.pid === undefined ? undefined : parsePids(values.pid),
      from: values.from,
      to: values.to,
    });
  },
});

export function parsePids(text: string): number[] {
  return text.split(",").map((part) => {
    if (!/^\s*\d{1,9}\s*$/.test(part)) {
      throw new AgentError("usage", `cannot read pid list "${text}": "${part}" is no pid`, { remedy: "write it as 1234,1240" });
    }
    return Number(part);
  });
}
