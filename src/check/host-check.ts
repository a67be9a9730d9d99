/** All conditions of a guest on its host: directory, ports, processes at their ends, and whether the agent answers. */
import { lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { AgentError } from "../base/errors.ts";
import { commandName, findHostPorts, type GuestDirectory } from "../host/guest-directory.ts";
import type { HostPorts } from "../transport/host-port.ts";
import { hostLimits } from "../host/limits.ts";
import { withControlPort } from "../host/run/attach.ts";
import { lockGuest } from "../host/run/guest-lock.ts";
import { formatCpuList } from "../tracefs/cpu-list.ts";
import type { HelloReply } from "../protocol/replies.ts";
import { protocolVersion } from "../protocol/words.ts";
import { version } from "../base/version.ts";
import { controlPortName, cpuOfDataPort } from "../protocol/ports.ts";
import { counted } from "../base/plural.ts";
import { reasonsOf } from "../views/recorded-text.ts";
import { type Condition, failure, ok, warning } from "./condition.ts";
import { type Ends, holders, readers, vm } from "./host-ends.ts";

export async function checkHost(guest: GuestDirectory, waitMs?: number): Promise<Condition[]> {
  const { ports, condition } = directory(guest);
  if (ports === undefined) return [condition];
  const ends = holders(ports);
  const conditions = [condition, permissions(guest), pairs(guest, ports), vm(ports, ends), readers(ports, ends)];
  return [...conditions, ...(await agent(guest, ports, ends, waitMs))];
}

function directory(guest: GuestDirectory): { condition: Condition; ports?: HostPorts } {
  const name = "directory";
  try {
    const ports = findHostPorts(guest);
    return { ports, condition: ok(name, `${guest.path}, ${ports.control.end.plural}`) };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return { condition: failure(name, error.message, error.remedy ?? "") };
  }
}

/** Orders reach the guest's root: whoever can write the control port can read what the guest traces. */
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

/** QEMU opens both FIFOs of a pair, otherwise a file with the plain name. */
function pairs(guest: GuestDirectory, { control, data }: HostPorts): Condition {
  const name = "ports";
  const remedy = remakeRemedy(guest);
  const missing = missingHalves(guest.path);
  if (missing.length > 0) return failure(name, `${missing.join(", ")} missing in ${guest.path}`, remedy);
  if (data.length === 0) return failure(name, `the control port "${control.name}", but no data port`, remedy);
  const cpus = data.map(({ cpu }) => cpu);
  const gaps = Array.from({ length: Math.max(...cpus) }, (_, cpu) => cpu).filter((cpu) => !cpus.includes(cpu));
  if (gaps.length > 0) return warning(name, `none for CPUs ${formatCpuList(gaps)}`, remedy);
  return ok(
    name,
    `control port and ${cpus.length === 1 ? "a data port for CPU" : "data ports for CPUs"} ${formatCpuList(cpus)}`,
  );
}

function remakeRemedy(guest: GuestDirectory): string {
  return `trace-agent setup ${commandName(guest)} --cpus N makes what is missing; then restart the VM`;
}

/** FIFO pairs with only one of their halves. */
function missingHalves(path: string): string[] {
  const names = new Set(readdirSync(path).filter((name) => isFifo(`${path}/${name}`)));
  return [...names].flatMap((name) => {
    const [, port = "", side] = /^(.+)\.(in|out)$/.exec(name) ?? [];
    const other = `${port}.${side === "in" ? "out" : "in"}`;
    const known = port === controlPortName || cpuOfDataPort(port) !== undefined;
    return side === undefined || !known || names.has(other) ? [] : [other];
  });
}

function isFifo(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false;
}

async function agent(
  guest: GuestDirectory,
  ports: HostPorts,
  ends: Ends,
  waitMs: number | undefined,
): Promise<Condition[]> {
  const name = "agent";
  let unlock: () => void;
  try {
    unlock = lockGuest(guest, "check");
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return [warning(name, `not asked: ${error.message}`, error.remedy ?? "")];
  }
  try {
    const conditions = await withControlPort(guest, ports.control, async (session) => {
      const hello = await session.hello(waitMs ?? hostLimits.checkWaitMs);
      const { protocol } = session;
      return hello && [...answered(hello, protocol), guestCpus(guest, hello, ports, ends), ...settings(hello)];
    });
    if (conditions !== undefined) return conditions;
    const remedy =
      "in the guest: is trace-agent running (systemctl status trace-agent)? What does trace-agent check say there?";
    return [failure(name, "does not answer", remedy)];
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return [failure(name, error.message, error.remedy ?? "")];
  } finally {
    unlock();
  }
}

/** `protocol`: that both have agreed on; a hello comes before the agent knows what its host speaks. */
function answered(hello: HelloReply, protocol: number): Condition[] {
  const conditions = [ok("agent", `${hello.state} on ${hello.hostname}, Linux ${hello.kernel} ${hello.machine}`)];
  const versions = `version ${hello.version}, protocol ${protocol}`;
  if (hello.protocol > protocolVersion) {
    conditions.push(
      failure(
        "version",
        `${versions}; this program's protocol is ${protocolVersion}`,
        "use the same version in the guest and on the host",
      ),
    );
  } else if (hello.version !== version) {
    conditions.push(
      warning(
        "version",
        `${versions}; this program is ${version}`,
        "they are compatible; the same version on both sides is better",
      ),
    );
  } else conditions.push(ok("version", versions));
  return conditions;
}

/** Somebody may want them: they are no failures. */
function settings({ found }: HelloReply): Condition[] {
  const remedy = "trace-agent check in the guest says what undoes each";
  return found === undefined ? [] : reasonsOf(found).map((reason) => warning("settings", reason, remedy));
}

/** Compares the guest's list of ports with the host's: data sent to a port without a reader is lost. */
function guestCpus(
  guest: GuestDirectory,
  hello: HelloReply,
  { data }: HostPorts,
  { vm: holder, unwritten }: Ends,
): Condition {
  const name = "guest's CPUs";
  const lost = hello.cpus.filter(({ cpu, port }) => {
    const here = data.find((other) => other.cpu === cpu);
    return port === "open" && (here === undefined || (holder !== undefined && unwritten.includes(here)));
  });
  if (lost.length > 0) {
    const list = formatCpuList(lost.map(({ cpu }) => cpu));
    return failure(name, `CPUs ${list} send into FIFOs that are no longer in ${guest.path}`, remakeRemedy(guest));
  }
  const unserved = hello.cpus.filter(({ port, state }) => port !== "open" && state !== "parked");
  if (unserved.length === 0)
    return ok(name, `${hello.cpus.length === 1 ? "its one CPU has" : `all ${hello.cpus.length} have`} a port`);
  const absent = unserved.some(({ cpu }) => !data.some((port) => port.cpu === cpu));
  const remedy = absent
    ? `trace-agent setup for ${counted(hello.cpus.length, "CPU")}, then restart the VM`
    : "see what trace-agent check says in the guest";
  const list = formatCpuList(unserved.map(({ cpu }) => cpu));
  return warning(name, `CPUs ${list} are not served: ${unserved.map(({ port }) => port).join(", ")}`, remedy);
}
