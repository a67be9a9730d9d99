/** `trace-agent record GUEST`: a guest's events into a trace.dat. */
import { AgentError } from "../base/errors.ts";
import { guestDirectory } from "../host/guest-directory.ts";
import { withLocalGuest } from "../host/local.ts";
import { runRecord } from "../host/run/run-record.ts";
import { boundFlags } from "./bound-flags.ts";
import { makeCommand } from "./command.ts";
import { guestPositional } from "./guest-flags.ts";
import { keepFlags } from "./keep-flags.ts";
import { requireLocal } from "./live-flags.ts";
import { metricsFlags } from "./metrics-flags.ts";
import { outputFlags } from "./output-flags.ts";
import { areSeveral, recordSeveral } from "./record-machines.ts";
import { readOptions, recordFlags, type RecordValues } from "./record-options.ts";
import { traceGroups } from "./trace-flags.ts";
import { triggerFlags } from "./trigger-flags.ts";

export const recordCommand = makeCommand({
  name: "record",
  description: "Record a guest's events into a trace.dat, until Ctrl-C or a limit, or while a command runs here",
  flags: recordFlags,
  groups: {
    ...traceGroups,
    "Which machines": ["local", "host", "all", "join", "config", "dir", "wait"],
    "When and how it records": ["duration", "max-size", "delay", "past", "no-filter"],
    Unattended: [...Object.keys(metricsFlags), ...Object.keys(boundFlags)],
    "For weeks, or what led to something": [...Object.keys(keepFlags), ...Object.keys(triggerFlags)],
    "The file": [...Object.keys(outputFlags), "format", "metadata"],
    "With a command": ["only-command", "as-root"],
  },
  examples: [
    { what: "What a guest's scheduler does, for 5 seconds", line: "trace-agent record vm1 -e sched -d 5 -o trace.dat" },
    {
      what: "Events of two systems, one filtered, until Ctrl-C",
      line: "trace-agent record vm1 -e irq -e sched -f 'prev_pid != 0'",
    },
    { what: "Two guests and this host", line: "trace-agent record --host vm1 vm2 -e sched -d 5 -o session/" },
    {
      what: "A guest for weeks, the newest 50 GB in files of 1 GB",
      line: "trace-agent record vm1 -e sched --rotate 1G --keep 50G -o week/",
    },
    {
      what: "What led to a wake-up of more than 20 ms",
      line: "trace-agent record vm1 -e sched --last 30s --on latency=20ms -o flight/",
    },
    { what: "As a file says, for a service", line: "trace-agent record --config /etc/trace-agent.toml" },
    { what: "A command on this machine, and its children", line: "trace-agent record --local -e sched -F -c -- make" },
  ],
  positionals: [{ ...guestPositional, required: false, rest: true }],
  rest: {
    name: "COMMAND",
    description: "With --local, behind --: run it, record while it runs, and end with its exit code",
    required: false,
  },
  run: async (values, guests, order, command) => {
    const options = readOptions(values, order);
    const [guest] = guests;
    checkCommand(values, command);
    if (values.config !== undefined) {
      if (values.local)
        throw new AgentError("usage", "--local records this machine alone", { remedy: "host = true in the file" });
      const { recordConfigured } = await import("./record-configured.ts");
      await recordConfigured(values.config, { values, guests, order });
      return;
    }
    const keepSelf = values["no-filter"];
    if (areSeveral(values, guests, options.cut) && !values.local) {
      await recordSeveral(
        values,
        guests.map((name) => guestDirectory(name)),
        options,
      );
      return;
    }
    const ofDirectories = (["metrics", "max-memory", "max-descriptors"] as const).find(
      (name) => values[name] !== undefined,
    );
    if (ofDirectories !== undefined)
      throw new AgentError("usage", `--${ofDirectories} is of a recording into a directory`, {
        remedy: "of several machines, or with --join, --rotate or --last",
      });
    if (values.local) {
      if (values.host || values.all || values.join || options.cut !== undefined)
        throw new AgentError("usage", "--local records this machine alone", {
          remedy: "use --host for it beside guests, or with --rotate and --last",
        });
      if (guest !== undefined)
        throw new AgentError("usage", `--local records no guest, "${guest}" is one too many`, {
          remedy: "a command stands behind --, as in --local -e sched -- make",
        });
      if (options.wanted.events.every(({ exclude }) => exclude === true) && options.wanted.tracer === undefined) {
        throw new AgentError("usage", "--local needs an event: its tracefs instance has none enabled", {
          remedy: "as in --local -e sched",
        });
      }
      if (command === undefined) await withLocalGuest({ keepSelf }, (local) => runRecord(local, options));
      else {
        const { recordCommand: recordCommandOfUser } = await import("../host/command/record-command.ts");
        process.exitCode = await recordCommandOfUser(
          { asRoot: values["as-root"], only: onlyOf(values), keepSelf },
          (local, recorded) => runRecord(local, { ...options, command: recorded }),
        );
      }
      return;
    }
    requireLocal(keepSelf);
    if (guest === undefined)
      throw new AgentError("usage", "GUEST is missing", { remedy: "name one, or record this machine with --local" });
    await runRecord(guestDirectory(guest, values.dir), options);
  },
});

type CommandValues = Pick<RecordValues, "local" | "only-command" | "children" | "as-root" | "pid">;

/** Nothing of a command reaches a guest. */
function checkCommand(values: CommandValues, command: readonly string[] | undefined): void {
  const remedy = "as in trace-agent record --local -e sched -- make";
  if (command !== undefined && !values.local)
    throw new AgentError("usage", "a command runs on this machine only, never in a guest: --local is missing", {
      remedy,
    });
  if (command?.length === 0) throw new AgentError("usage", 'behind "--" the command is missing', { remedy });
  if (values.children && !values["only-command"] && values.pid.length === 0)
    throw new AgentError("usage", "-c is for -F and -P: without them the events of all tasks are recorded", {
      remedy: "as in -P 1234 -c, or --local -F -c -- make",
    });
  if (values["only-command"] && values.pid.length > 0)
    throw new AgentError("usage", "-F and -P exclude each other: both choose the tasks", { remedy: "leave one out" });
  const given = (["only-command", "as-root"] as const).find((name) => values[name]);
  if (given !== undefined && command === undefined)
    throw new AgentError("usage", `--${given} is for a command, and none is given`, { remedy });
}

function onlyOf(values: CommandValues): "task" | "family" | undefined {
  if (!values["only-command"]) return undefined;
  return values.children ? "family" : "task";
}
