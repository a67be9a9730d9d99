/** `trace-agent` without a command: the guest agent, with the options of the kernel's own and more. */
import { pageSize } from "../../ffi/sysconf.ts";
import { AgentError } from "../base/errors.ts";
import { type AgentOptions, type StdoutFormat, stdoutFormats } from "../guest/options.ts";
import { parseCpuList } from "../tracefs/cpu-list.ts";
import { transportLimits } from "../transport/limits.ts";
import { log, logLevelNames, setLogLevel } from "../base/log.ts";
import { print } from "../base/standard-output.ts";
import { versionText } from "../base/version.ts";
import { type FlagValues, type Flags, makeCommand } from "./command.ts";
import { formatSize, parseSize } from "./size.ts";

const flags = {
  stdout: { type: "boolean", short: "o", description: "Write the trace data to stdout instead of the ports" },
  format: {
    type: "string",
    valueHint: "raw|text|json",
    description: "How --stdout writes them (text on a terminal, else raw)",
  },
  "pipe-size": {
    type: "string",
    short: "s",
    valueHint: "SIZE",
    description: `Size of each CPU's pipe, ${formatSize(transportLimits.pipeMinBytes)} to ${formatSize(transportLimits.pipeMaxBytes)} (${formatSize(transportLimits.pipeDefaultBytes)})`,
  },
  start: { type: "boolean", description: "Start at once instead of waiting for the host's order" },
  cpus: { type: "string", valueHint: "LIST", description: 'Only these CPUs, as in "0-3,8"' },
  tracefs: { type: "string", valueHint: "DIR", description: "tracefs, when it is not mounted in its usual place" },
  instance: {
    type: "string",
    valueHint: "NAME",
    description: "A tracefs instance instead of the top-level ring buffer",
  },
  ports: {
    type: "string",
    valueHint: "DIR",
    description: "FIFOs, sockets or files of this directory instead of virtio ports",
  },
  "log-level": {
    type: "string",
    valueHint: "LEVEL",
    words: logLevelNames,
    description: `How much it says: ${logLevelNames.join(", ")} (info)`,
  },
  version: { type: "boolean", short: "V", description: "Print the version" },
} as const satisfies Flags;

export const agentCommand = makeCommand({
  name: "",
  description: "Moves this guest's ftrace data to the host over virtio-serial ports, on the host's orders",
  flags,
  examples: [
    { what: "In a guest, as root: the agent", line: "trace-agent" },
    {
      what: "On its host: the ports; what its scheduler does for 5 seconds; the text",
      line: "trace-agent setup vm1 --cpus 4 > vm1.args",
    },
    { line: "trace-agent record vm1 -e sched -d 5" },
    { line: "trace-agent report trace.dat" },
    { what: "Without any VM: this machine", line: "trace-agent record --local -e sched -d 2" },
  ],
  run: async (values) => {
    if (values.version) return print(`${versionText}\n`);
    const options = readOptions(values);
    const level = values["log-level"];
    if (level !== undefined) {
      const known = logLevelNames.find((name) => name === level);
      if (known === undefined) {
        throw new AgentError("usage", `unknown log level "${level}"`, {
          remedy: `use one of ${logLevelNames.join(", ")}`,
        });
      }
      setLogLevel(known);
    }
    log.debug(`options ${JSON.stringify(options)}`);
    // Not for --help and --version.
    const { runAgent } = await import("../guest/agent.ts");
    await runAgent(options);
  },
});

function readOptions(values: FlagValues<typeof flags>): AgentOptions {
  const cpus = values.cpus === undefined ? undefined : parseCpuList(values.cpus);
  if (cpus?.length === 0) throw new AgentError("usage", 'cannot use CPU list "": it names no CPU');
  return {
    stdout: values.stdout,
    format: readStdoutFormat(values.format, values.stdout),
    start: values.start,
    cpus,
    pipeSizeBytes: readPipeSize(values["pipe-size"]),
    tracefs: values.tracefs,
    instance: values.instance,
    portsDirectory: values.ports,
  };
}

/** Rounded down to whole pages, as in the kernel's agent. */
function readPipeSize(text: string | undefined): number {
  if (text === undefined) return transportLimits.pipeDefaultBytes;
  const bytes = parseSize("pipe size", text);
  if (bytes < transportLimits.pipeMinBytes || bytes > transportLimits.pipeMaxBytes) {
    throw new AgentError("usage", `pipe size "${text}" is out of range`, {
      remedy: `give ${formatSize(transportLimits.pipeMinBytes)} to ${formatSize(transportLimits.pipeMaxBytes)}`,
    });
  }
  return bytes - (bytes % pageSize());
}

function readStdoutFormat(text: string | undefined, stdout: boolean): StdoutFormat | undefined {
  if (text === undefined) return undefined;
  const format = stdoutFormats.find((known) => known === text);
  if (format === undefined)
    throw new AgentError("usage", `cannot write format "${text}"`, {
      remedy: `use one of ${stdoutFormats.join(", ")}`,
    });
  if (!stdout) throw new AgentError("usage", "--format is for --stdout only: ports carry raw sub-buffers");
  return format;
}
