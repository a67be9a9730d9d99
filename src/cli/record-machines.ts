/** `trace-agent record` of several machines: which ones, and into which directory. */
import { AgentError } from "../base/errors.ts";
import { allGuests, type GuestDirectory, guestsDirectory } from "../host/guest-directory.ts";
import { withLocalGuest } from "../host/local.ts";
import type { MachineRequest, MachinesPlan } from "../host/machines/machine-request.ts";
import type { MachinesOptions } from "../host/machines/machines-options.ts";
import type { TraceConfig } from "../host/run/trace-config.ts";
import { eventsOf, type TriggerOptions } from "../host/triggers/trigger.ts";
import type { RecordOptions } from "../host/run/run-record.ts";
import { hostName } from "../trace-dat/session/names.ts";
import { readableClocks } from "../trace-dat/spool/clock-bursts.ts";
import type { Flags } from "./command.ts";
import { requireLocal } from "./live-flags.ts";
import { readVcpus, vcpusFlag } from "./vcpus-flag.ts";

export const machineFlags = {
  host: { type: "boolean", description: "This machine too, as the first of several; needs -o DIR" },
  all: { type: "boolean", description: "Every guest below /run/virtio-trace that answers; needs -o DIR" },
  vcpus: vcpusFlag,
  qmp: {
    type: "string",
    valueHint: "GUEST=SOCKET",
    multiple: true,
    description: "A QMP socket of a guest's QEMU, which is asked for these threads",
  },
  join: { type: "boolean", description: "Guests too that appear below /run/virtio-trace later, or come back" },
} as const satisfies Flags;

type Choice = {
  host: boolean;
  all: boolean;
  join: boolean;
  vcpus: readonly string[];
  qmp: readonly string[];
  output: string | undefined;
  dir: string | undefined;
  "no-filter": boolean;
};

/** What is always recorded of the host: when it ran the guests, and why not. Those of KVM where it has them. */
const hostEvents = [
  { word: "sched:sched_switch" },
  ...["sched:sched_waking", "kvm:kvm_entry", "kvm:kvm_exit"].map((word) => ({ word, optional: true })),
];

/** Whether a recording needs a directory. */
export function areSeveral({ host, all, join }: Choice, guests: readonly string[], cut: unknown): boolean {
  return host || all || join || guests.length > 1 || cut !== undefined;
}

/** What is said of single machines, by name. */
export type MachineSaid = { wanted: TraceConfig; waitMs: number | undefined };

/** `host`: this machine is one of them. */
export type Several = { plan: MachinesPlan; options: MachinesOptions; host: boolean; keepSelf: boolean };

export async function recordSeveral(
  choice: Choice,
  guests: readonly GuestDirectory[],
  options: RecordOptions,
): Promise<void> {
  await recordPlanned(await planSeveral(choice, guests, options, () => options));
}

/** Throws a usage error. */
export async function planSeveral(
  choice: Choice,
  guests: readonly GuestDirectory[],
  options: RecordOptions,
  said: (name: string) => MachineSaid,
): Promise<Several> {
  if (!choice.host) requireLocal(choice["no-filter"]);
  const what = options.cut === undefined ? "several machines are recorded" : "--rotate and --last record";
  if (choice.output === undefined) {
    throw new AgentError("usage", `${what} into a directory`, {
      remedy: "name it: -o DIR (new, empty, or of an earlier session)",
    });
  }
  if (choice.output === "-")
    throw new AgentError("usage", `cannot record to "-": ${what} into a directory`, {
      remedy: 'one of the name "-" is ./-',
    });
  if (choice.dir !== undefined)
    throw new AgentError("usage", "--dir is of one guest alone", { remedy: "name directories with a slash in them" });
  if (options.metadata !== undefined) throw new AgentError("usage", "--metadata is of one guest alone");
  const named = guests.map((guest) => requestOf(guest, true));
  const requests = choice.all || choice.join ? withOthers(named) : named;
  const host: MachineRequest[] = choice.host ? [hostRequest({ guest: hostName, path: "" })] : [];
  requireNames([...host, ...requests], choice);
  const sockets = readSockets(choice.qmp);
  const given = readVcpus(choice.vcpus);
  for (const [option, names] of [
    ["vcpus", given.keys()],
    ["qmp", sockets.keys()],
  ] as const)
    requireGuests(option, names, requests, choice.join);
  const vcpus = new Map<string, readonly number[]>();
  for (const [name, path] of sockets) {
    const { qmpVcpus } = await import("../host/machines/qmp-vcpus.ts");
    vcpus.set(name, await qmpVcpus(path));
  }
  for (const [name, tasks] of given) vcpus.set(name, tasks);
  const { output, format, until, latency, past, metrics, bounds, on, cut } = options;
  const plan: MachinesPlan = {
    requests: [...host, ...requests],
    vcpus,
    wantedOf: ({ name, kind }) => {
      const wanted = withTriggers(said(name).wanted, options.on);
      return withClock(kind === "host" ? withHostEvents(wanted) : wanted, options);
    },
    waitMsOf: ({ name }) => said(name).waitMs,
    join: choice.join ? { parent: guestsDirectory, find: () => firstOfName(withOthers(named)) } : undefined,
  };
  return {
    plan,
    options: { path: output.path, group: output.group, format, until, latency, past, metrics, bounds, on, cut },
    host: choice.host,
    keepSelf: choice["no-filter"],
  };
}

export async function recordPlanned(
  { plan, options, host, keepSelf }: Several,
  running?: MachinesOptions["running"],
): Promise<void> {
  const all = running === undefined ? options : { ...options, running };
  // Half of all that `record` is, which a lone guest does not need.
  const { recordMachines } = await import("../host/machines/record-machines.ts");
  if (!host) return recordMachines(plan, all);
  await withLocalGuest({ keepSelf }, (guest) => {
    const requests = plan.requests.map((request) => (request.kind === "host" ? hostRequest(guest) : request));
    return recordMachines({ ...plan, requests }, all);
  });
}

function hostRequest(guest: GuestDirectory): MachineRequest {
  return { name: hostName, kind: "host", guest, named: true };
}

function requestOf(guest: MachineRequest["guest"], named: boolean): MachineRequest {
  return { name: guest.guest, kind: "guest", guest, named };
}

function withOthers(named: readonly MachineRequest[]): MachineRequest[] {
  const paths = new Set(named.map(({ guest }) => guest.path));
  return [
    ...named,
    ...allGuests()
      .filter(({ path }) => !paths.has(path))
      .map((guest) => requestOf(guest, false)),
  ];
}

/** Of those that come later: one that is named counts more than a directory of its name. */
function firstOfName(requests: readonly MachineRequest[]): MachineRequest[] {
  return [...new Map(requests.toReversed().map((request) => [request.name, request])).values()].toReversed();
}

function requireNames(requests: readonly MachineRequest[], { all, join }: Choice): void {
  const seen = new Set<string>();
  for (const { name } of requests) {
    if (seen.has(name)) {
      throw new AgentError("usage", `two machines have the name "${name}"`, {
        remedy: name === hostName ? "that is the host's name; give the guest another directory name" : "name each once",
      });
    }
    seen.add(name);
  }
  if (requests.length > 0 || join) return;
  throw new AgentError("usage", all ? "there is no guest below /run/virtio-trace" : "GUEST is missing", {
    remedy: "make its ports with: trace-agent setup GUEST --cpus N",
  });
}

function readSockets(texts: readonly string[]): Map<string, string> {
  return new Map(
    texts.map((text) => {
      const [, name, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
      if (name === undefined || path === undefined)
        throw new AgentError("usage", `cannot read --qmp "${text}"`, { remedy: "as in --qmp vm1=/run/vm1.qmp" });
      return [name, path];
    }),
  );
}

function requireGuests(
  option: string,
  names: Iterable<string>,
  requests: readonly MachineRequest[],
  mayCome: boolean,
): void {
  for (const name of mayCome ? [] : names)
    if (!requests.some((request) => request.kind === "guest" && request.name === name))
      throw new AgentError("usage", `--${option} is of "${name}", which is no guest of this recording`);
}

/** A clock that programs can read too. Setting it empties the ring buffer, whose past may be wanted. */
function withClock(wanted: TraceConfig, { past }: { past: boolean }): TraceConfig {
  return past ? wanted : { ...wanted, clocksTried: readableClocks.filter((clock) => clock !== "boot") };
}

/** What triggers look at is recorded: without it they would see nothing. */
function withTriggers(wanted: TraceConfig, on: TriggerOptions | undefined): TraceConfig {
  return on === undefined ? wanted : { ...wanted, events: [...wanted.events, ...eventsOf(on.triggers)] };
}

function withHostEvents(wanted: TraceConfig): TraceConfig {
  return { ...wanted, events: [...wanted.events, ...hostEvents] };
}
