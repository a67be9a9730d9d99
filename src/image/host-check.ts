/** All conditions of a guest on its host: directory, ports, who is at their ends, and whether the agent answers. */
import { lstatSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { AgentError } from "../errors.ts";
import { commandName, findHostPorts, type GuestDirectory, type HostPort, type HostPorts } from "../host/guest-directory.ts";
import { lockGuest } from "../host/guest-lock.ts";
import { ControlPort } from "../host/host-port.ts";
import { Session } from "../host/session.ts";
import { describeHolder, type Holder, holdersOf } from "../kernel/file-holders.ts";
import { formatCpuList } from "../kernel/cpu-list.ts";
import { type HelloReply, protocolVersion } from "../protocol/replies.ts";
import { version } from "../version.ts";
import { type Condition, failure, ok, warning } from "./condition.ts";

export async function checkHost(guest: GuestDirectory, waitMs?: number): Promise<Condition[]> {
  const { ports, condition } = directory(guest);
  if (ports === undefined) return [condition];
  const ends = holders(ports);
  const conditions = [condition, permissions(guest), pairs(guest, ports), vm(ports, ends), readers(ports, ends)];
  return [...conditions, ...(await agent(guest, ports, waitMs))];
}

function directory(guest: GuestDirectory): { condition: Condition; ports?: HostPorts } {
  const name = "directory";
  try {
    const ports = findHostPorts(guest);
    return { ports, condition: ok(name, `${guest.path}, ${ports.control.transport === "fifo" ? "FIFOs" : "sockets"}`) };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return { condition: failure(name, error.message, error.remedy ?? "") };
  }
}

/** Orders reach the guest's root: whoever may write the control port may read what the guest traces. */
function permissions({ path }: GuestDirectory): Condition {
  const name = "permissions";
  const { mode, gid } = statSync(path);
  const others = mode & 0o007;
  if ((others & 0o002) !== 0) {
    const sticky = (mode & 0o1000) !== 0 && protectedFifos();
    const found = `${path} is writable by all${sticky ? ": with fs.protected_fifos the VM cannot open its FIFOs" : ""}`;
    const remedy = "make a directory for the guest: trace-agent setup";
    return sticky ? failure(name, found, remedy) : warning(name, found, `chmod o-w ${path}, or ${remedy}`);
  }
  if (others !== 0) return warning(name, `${path} is open to all users (mode ${octal(mode)})`, `chmod o-rwx ${path}`);
  return ok(name, `mode ${octal(mode)}, group ${gid}`);
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

function protectedFifos(): boolean {
  try {
    return readFileSync("/proc/sys/fs/protected_fifos", "latin1").trim() !== "0";
  } catch {
    return false;
  }
}

/** QEMU opens both FIFOs of a pair, or else a file of the bare name. */
function pairs(guest: GuestDirectory, { control, data }: HostPorts): Condition {
  const name = "ports";
  const remedy = `trace-agent setup ${commandName(guest)} --cpus N makes what is missing; then start the VM anew`;
  const single = [control, ...data].filter((port) => port.transport === "fifo" && !isFifo(`${port.path}.in`));
  if (single.length > 0) return failure(name, `${single.map((port) => `${port.name}.in`).join(", ")} missing in ${guest.path}`, remedy);
  if (data.length === 0) return failure(name, "the control port, but no data port", remedy);
  const cpus = data.map(({ cpu }) => cpu);
  const gaps = Array.from({ length: Math.max(...cpus) }, (_, cpu) => cpu).filter((cpu) => !cpus.includes(cpu));
  if (gaps.length > 0) return warning(name, `none for CPUs ${formatCpuList(gaps)}`, remedy);
  return ok(name, `control port and data ports for CPUs ${formatCpuList(cpus)}`);
}

function isFifo(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false;
}

type Ends = { vm: Holder | undefined; unheld: HostPort[]; readers: Map<HostPort, Holder> };

/** QEMU has both FIFOs of a pair open; who has the .out one alone reads it. */
function holders({ control, data }: HostPorts): Ends {
  const fifos = [control, ...data].filter(({ transport }) => transport === "fifo");
  const found = holdersOf(fifos.flatMap(({ path }) => [`${path}.in`, `${path}.out`]));
  const ends: Ends = { vm: undefined, unheld: [], readers: new Map() };
  for (const port of fifos) {
    const incoming = found.get(`${port.path}.in`) ?? [];
    const outgoing = found.get(`${port.path}.out`) ?? [];
    const vm = outgoing.find(({ pid, writes }) => writes && incoming.some((holder) => holder.pid === pid && holder.reads));
    ends.vm ??= vm;
    if (vm === undefined) ends.unheld.push(port);
    const reader = outgoing.find(({ pid, reads }) => reads && pid !== vm?.pid);
    if (reader !== undefined) ends.readers.set(port, reader);
  }
  return ends;
}

function vm({ control, data }: HostPorts, { vm: holder, unheld }: Ends): Condition {
  const name = "VM";
  const remedy = "start the VM with the devices that trace-agent setup prints";
  if (control.transport === "socket") return ok(name, `${dirname(control.path)} has its sockets`);
  if (holder === undefined) {
    if (process.geteuid?.() !== 0) return warning(name, "cannot tell who holds the FIFOs", "run it as root");
    return failure(name, "no process holds the FIFOs", remedy);
  }
  if (unheld.length > 0) return warning(name, `${describeHolder(holder)}, but not for ${unheld.map((port) => port.name).join(", ")}`, remedy);
  return ok(name, `${describeHolder(holder)} holds all ${data.length + 1} ports`);
}

function readers({ control }: HostPorts, ends: Ends): Condition {
  const name = "readers";
  const others = [...new Set([...ends.readers.values()].map((holder) => describeHolder(holder)))];
  if (others.length === 0) return ok(name, "no other program reads the ports");
  const what = ends.readers.has(control) ? "the ports, replies too" : "data ports";
  return warning(name, `${others.join(", ")} reads ${what}: it takes what a recording would miss`, "end it before you record");
}

async function agent(guest: GuestDirectory, ports: HostPorts, waitMs: number | undefined): Promise<Condition[]> {
  const name = "agent";
  let unlock: () => void;
  try {
    unlock = lockGuest(guest, "check");
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return [warning(name, `not asked: ${error.message}`, error.remedy ?? "")];
  }
  let control: ControlPort | undefined;
  try {
    control = new ControlPort(ports.control);
    const hello = await new Session(guest, control).hello(waitMs);
    if (hello !== undefined) return answered(hello, ports);
    const remedy = "in the guest: is trace-agent running (systemctl status trace-agent)? What does trace-agent check say there?";
    return [failure(name, "does not answer", remedy)];
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return [failure(name, error.message, error.remedy ?? "")];
  } finally {
    control?.close();
    unlock();
  }
}

function answered(hello: HelloReply, { data }: HostPorts): Condition[] {
  const conditions = [ok("agent", `${hello.state} on ${hello.hostname}, Linux ${hello.kernel} ${hello.machine}`)];
  const versions = `version ${hello.version}, protocol ${hello.protocol}`;
  if (hello.protocol !== protocolVersion) {
    conditions.push(failure("version", `${versions}; this program's protocol is ${protocolVersion}`, "use the same version in the guest and on the host"));
  } else if (hello.version !== version) {
    conditions.push(warning("version", `${versions}; this program is ${version}`, "they understand each other; better use one version"));
  } else conditions.push(ok("version", versions));
  const unserved = hello.cpus.filter(({ port, state }) => port !== "open" && state !== "parked");
  const name = "guest's CPUs";
  if (unserved.length > 0) {
    const list = formatCpuList(unserved.map(({ cpu }) => cpu));
    const absent = unserved.some(({ cpu }) => !data.some((port) => port.cpu === cpu));
    const remedy = absent ? `trace-agent setup for ${hello.cpus.length} CPUs, then start the VM anew` : "see what trace-agent check says in the guest";
    conditions.push(warning(name, `CPUs ${list} are not served: ${unserved.map(({ port }) => port).join(", ")}`, remedy));
  } else conditions.push(ok(name, `all ${hello.cpus.length} have a port`));
  return conditions;
}
