/** The command table, by groups as the help shows them. */
import { AgentError } from "../base/errors.ts";
import { closest } from "../base/suggest.ts";
import { type Command, programName } from "./command.ts";

/** Loaded when asked for: the agent in a guest reads nothing of the host's commands. */
export type Entry = { name: string; description: string; load: () => Promise<Command> };
export type CommandGroup = { title: string; entries: readonly Entry[] };

/** The program without a command. */
export const agentEntry: Entry = {
  name: "",
  description: "Record what the kernel of a VM guest does, over virtio-serial",
  load: async () => (await import("./agent.ts")).agentCommand,
};

export const commandGroups: readonly CommandGroup[] = [
  {
    title: "Get ready",
    entries: [
      {
        name: "setup",
        description: "Make a guest's FIFOs; print QEMU arguments or libvirt XML",
        load: async () => (await import("./setup.ts")).setupCommand,
      },
      {
        name: "check",
        description: "Say what is missing, in a guest or (GUEST) on its host",
        load: async () => (await import("./check.ts")).checkCommand,
      },
      {
        name: "install",
        description: "Install program and service, here or into an image",
        load: async () => (await import("./install.ts")).installCommand,
      },
      {
        name: "uninstall",
        description: "Undo install",
        load: async () => (await import("./uninstall.ts")).uninstallCommand,
      },
      {
        name: "cloud-init",
        description: "Make user-data for cloud-init that installs this program",
        load: async () => (await import("./cloud-init.ts")).cloudInitCommand,
      },
    ],
  },
  {
    title: "Record and watch",
    entries: [
      {
        name: "list",
        description: "List a guest's events, fields, clocks and tracers",
        load: async () => (await import("./list.ts")).listCommand,
      },
      {
        name: "record",
        description: "Record a guest's events into a trace.dat",
        load: async () => (await import("./record.ts")).recordCommand,
      },
      {
        name: "snapshot",
        description: "Write the last seconds that a recorder keeps (record --last)",
        load: async () => (await import("./snapshot.ts")).snapshotCommand,
      },
      {
        name: "recover",
        description: "Make the trace.dat from the spool of a killed recorder",
        load: async () => (await import("./recover.ts")).recoverCommand,
      },
      {
        name: "sync",
        description: "Put recordings of a host and its guests on one timeline",
        load: async () => (await import("./sync.ts")).syncCommand,
      },
      {
        name: "stream",
        description: "Show a guest's events as they happen",
        load: async () => (await import("./stream.ts")).streamCommand,
      },
      {
        name: "top",
        description: "Watch what a guest's CPUs and tasks do",
        load: async () => (await import("./top.ts")).topCommand,
      },
    ],
  },
  {
    title: "Read a recording",
    entries: [
      {
        name: "report",
        description: "Show the events of a recording as text",
        load: async () => (await import("./report.ts")).reportCommand,
      },
      {
        name: "export",
        description: "Write a recording for ui.perfetto.dev, or as Parquet tables",
        load: async () => (await import("./export.ts")).exportCommand,
      },
      {
        name: "open",
        description: "Open a recording in ui.perfetto.dev",
        load: async () => (await import("./open.ts")).openCommand,
      },
    ],
  },
  {
    title: "A guest's agent by hand",
    entries: [
      {
        name: "start",
        description: "Order a guest's agent to start",
        load: async () => (await import("./guest-orders.ts")).startCommand,
      },
      {
        name: "stop",
        description: "Order a guest's agent to stop",
        load: async () => (await import("./guest-orders.ts")).stopCommand,
      },
      {
        name: "status",
        description: "Show the state and the counters of a guest's agent",
        load: async () => (await import("./guest-orders.ts")).statusCommand,
      },
      {
        name: "metadata",
        description: "In a guest: write what decoding its streams needs",
        load: async () => (await import("./metadata.ts")).metadataCommand,
      },
    ],
  },
  {
    title: "This program",
    entries: [
      {
        name: "help",
        description: "Show this help, or that of a command",
        load: async () => (await import("./help-command.ts")).helpCommand,
      },
      {
        name: "manual",
        description: "Print the man page of a command",
        load: async () => (await import("./manual-command.ts")).manualCommand,
      },
      {
        name: "completion",
        description: "Print the completions for bash, zsh or fish",
        load: async () => (await import("./completion-command.ts")).completionCommand,
      },
      {
        name: "version",
        description: "Print the version and the commit that it was built from",
        load: async () => (await import("./version-command.ts")).versionCommand,
      },
      {
        name: "licenses",
        description: "List what this executable holds of others, with licences",
        load: async () => (await import("./licenses.ts")).licensesCommand,
      },
    ],
  },
];

/** Not for people: this program starts them itself. */
const hidden: readonly Entry[] = [
  {
    name: "local-command",
    description: "The command of record --local",
    load: async () => (await import("./local-command.ts")).localCommand,
  },
  {
    name: "local-agent",
    description: "The agent of --local",
    load: async () => (await import("./local-agent.ts")).localAgent,
  },
];

/** What help, manual and completions know. */
export const knownEntries: readonly Entry[] = commandGroups.flatMap(({ entries }) => entries);
const allEntries = [...knownEntries, ...hidden];

/** The command of that name; throws what may have been meant. */
export async function loadCommand(name: string): Promise<Command> {
  return await entryOf(name).load();
}

function entryOf(name: string): Entry {
  const entry = allEntries.find((known) => known.name === name);
  if (entry !== undefined) return entry;
  const near = closest(
    name,
    knownEntries.map((known) => known.name),
  );
  throw new AgentError("usage", `unknown command "${name}"`, {
    remedy: near === undefined ? "see trace-agent --help" : `did you mean ${near}? See trace-agent --help`,
  });
}

/**
 * Runs one of the commands: citty finds it by its name and loads it; its arguments are read by command.ts. The agent in a guest
 * needs none of this.
 */
export async function runProgram(argv: readonly string[]): Promise<void> {
  entryOf(argv[0] ?? "");
  const { defineCommand, runCommand } = await import("citty");
  const commands = allEntries.map(({ name, description, load }) => [
    name,
    defineCommand({ meta: { name, description }, run: async ({ rawArgs }) => (await load()).run(rawArgs) }),
  ]);
  const program = defineCommand({
    meta: { name: programName, description: agentEntry.description },
    subCommands: Object.fromEntries(commands),
  });
  await runCommand(program, { rawArgs: [...argv] });
}
