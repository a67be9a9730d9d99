/** `trace-agent report`: shows the events of a recording. */
import { AgentError, exitCodes } from "../base/errors.ts";
import { print } from "../base/standard-output.ts";
import { defaultOutput, exportRecording } from "../views/export.ts";
import { schedulingLimits } from "../views/scheduling/limits.ts";
import type { Form } from "../views/exporters.ts";
import { parseCpuList } from "../tracefs/cpu-list.ts";
import { type Flags, makeCommand } from "./command.ts";
import { outputFlags, readOutput } from "./output-flags.ts";
import { partFlags, readParts, recordingsPositional } from "./part-flags.ts";

const flags = {
  ...outputFlags,
  output: {
    ...outputFlags.output,
    description: "Where to write it (stdout; with --html the recording's name with .html)",
  },
  input: {
    type: "string",
    short: "i",
    valueHint: "FILE",
    multiple: true,
    description: "The recording, as FILE (trace.dat)",
  },
  event: {
    type: "string",
    short: "e",
    valueHint: "EVENT",
    multiple: true,
    description: "Only this event, system or system:event; * and ? match",
  },
  cpu: { type: "string", valueHint: "LIST", description: 'Only these CPUs, as in "0-3,8"' },
  pid: { type: "string", valueHint: "LIST", description: "Only events of these tasks, as in 1234,1240" },
  comm: {
    type: "string",
    valueHint: "NAME",
    multiple: true,
    description: "Only events of tasks of this name, or about them (field pid or next_pid)",
  },
  filter: {
    type: "string",
    short: "F",
    valueHint: "FILTER",
    multiple: true,
    description: "Only what matches, as in 'sched_switch: next_pid == 5 && prev_comm =~ \"^kworker\"'",
  },
  ...partFlags,
  from: { type: "string", valueHint: "T", description: "Not before this time, in seconds as shown" },
  to: { type: "string", valueHint: "T", description: "Not after this time" },
  "full-times": { type: "boolean", short: "t", description: "Times in nanoseconds instead of microseconds" },
  "ts-diff": { type: "boolean", description: "Behind each time how long it is since the line before" },
  "latency-format": {
    type: "boolean",
    short: "l",
    description: "Behind the CPU interrupts off (d), rescheduling (N), in an interrupt (h, s), preemption count",
  },
  json: {
    type: "boolean",
    description:
      "One JSON object per line, or one of --stat; integers are whole, also above 2^53, where jq before 1.7 rounds",
  },
  html: {
    type: "boolean",
    description:
      "A page that needs nothing else, to be sent and opened in a browser: timeline, who delayed whom, busiest tasks (FILE.html)",
  },
  stat: { type: "boolean", description: "A summary: counts, rates, busiest tasks, wake-up latencies, losses" },
  wakeups: {
    type: "string",
    valueHint: "N",
    optional: /^\d+$/,
    description: `Who waited for a CPU and who ran meanwhile: the N longest wake-up latencies (${schedulingLimits.longest}), interrupts and runs`,
  },
} as const satisfies Flags;

export const reportCommand = makeCommand({
  name: "report",
  description: "Show the events of a recording as text",
  flags,
  groups: {
    "Which events": [...Object.keys(partFlags), "event", "filter", "cpu", "pid", "comm", "from", "to"],
    "What is shown": ["full-times", "ts-diff", "latency-format", "json", "html", "stat", "wakeups"],
    "The files": ["input", ...Object.keys(outputFlags)],
  },
  examples: [
    { what: "Everything", line: "trace-agent report trace.dat" },
    { what: "Switches to one task", line: "trace-agent report trace.dat -F 'sched_switch: next_pid == 5'" },
    { what: "A page to send on", line: "trace-agent report --html -o delay.html trace.dat" },
    { what: "Who was busy, who waited, what was lost", line: "trace-agent report trace.dat --stat" },
  ],
  positionals: [{ ...recordingsPositional, required: false }],
  run: async (values, files) => {
    const paths = readInputs(values.input, files);
    const form = formOf(values);
    const style = {
      fullTimes: values["full-times"],
      timeDifferences: values["ts-diff"],
      latency: values["latency-format"],
    };
    if (form !== "text" && Object.values(style).includes(true))
      throw new AgentError(
        "usage",
        "-t, --ts-diff and -l are for text: --json, --html, --stat and --wakeups have no lines of events",
      );
    const { isWhole, name, amount, streamed } = await exportRecording({
      paths,
      chosen: readParts(values),
      form,
      style,
      longest: readLongest(values.wakeups),
      output: readOutput(values, await defaultOutput(paths, form), ...paths),
      selection: {
        events: values.event,
        cpus: values.cpu === undefined ? undefined : parseCpuList(values.cpu),
        pids: values.pid === undefined ? undefined : parsePids(values.pid),
        filters: values.filter,
        comms: values.comm.flatMap((names) => names.split(",")),
        from: values.from,
        to: values.to,
      },
    });
    if (!isWhole) process.exitCode = exitCodes.input;
    if (form === "html" && !streamed) print(`${name}: ${amount}\n`);
  },
});

/** -i is trace-cmd's. */
function readInputs(options: readonly string[], files: readonly string[]): readonly string[] {
  const [option] = options;
  if (option !== undefined && files.length > 0)
    throw new AgentError("usage", `cannot report both "${option}" (-i) and "${files[0]}"`, {
      remedy: "name them one way",
    });
  const paths = [...options, ...files];
  return paths.length === 0 ? ["trace.dat"] : paths;
}

type Forms = { json: boolean; html: boolean; stat: boolean; wakeups: string | undefined };

function formOf({ json, html, stat, wakeups }: Forms): Form {
  if (html && (json || stat || wakeups !== undefined))
    throw new AgentError("usage", "cannot write --html with --json, --stat or --wakeups: the page has all of them", {
      remedy: "choose one",
    });
  if (html) return "html";
  if (stat && wakeups !== undefined)
    throw new AgentError("usage", "cannot show both --stat and --wakeups", { remedy: "choose one" });
  if (wakeups !== undefined) return json ? "wakeups-json" : "wakeups";
  if (stat) return json ? "summary-json" : "summary";
  return json ? "json" : "text";
}

function readLongest(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const longest = Number(text);
  if (!/^\d{1,9}$/.test(text) || longest < 1 || longest > schedulingLimits.longestMost)
    throw new AgentError("usage", `cannot show the ${text} longest wake-up latencies`, {
      remedy: `give a number from 1 to ${schedulingLimits.longestMost}`,
    });
  return longest;
}

function parsePids(text: string): number[] {
  return text.split(",").map((part) => {
    if (!/^\s*\d{1,9}\s*$/.test(part)) {
      throw new AgentError("usage", `cannot read pid list "${text}": "${part}" is no pid`, {
        remedy: "write it as 1234,1240",
      });
    }
    return Number(part);
  });
}
