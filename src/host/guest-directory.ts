/**
 * The directory of a guest on the host: `/run/virtio-trace/GUEST`, or any directory where GUEST has a slash in it.
 *
 * It holds per port a FIFO pair NAME.in (host writes) and NAME.out (host reads), as QEMU's pipe chardev wants them, or a
 * socket NAME.sock.
 */
import { readdirSync, statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { AgentError, messageOf } from "../errors.ts";
import { controlPortName, cpuOfDataPort } from "../protocol/ports.ts";

export const guestsDirectory = "/run/virtio-trace";

export type Transport = "fifo" | "socket";
export type GuestDirectory = { guest: string; path: string };
export type HostPort = { name: string; transport: Transport; path: string };
export type HostPorts = { control: HostPort; data: (HostPort & { cpu: number })[] };

/** `guest` as a user names it; `directory` overrides where it lies. */
export function guestDirectory(guest: string, directory?: string): GuestDirectory {
  if (guest === "" || guest === "." || guest === ".." || guest.includes("\0")) {
    throw new AgentError("usage", `cannot use guest "${guest}": it is the name of a VM, or a directory with a slash in it`);
  }
  const name = guest.includes("/") ? basename(resolve(guest)) : guest;
  const path = directory ?? (guest.includes("/") ? guest : `${guestsDirectory}/${guest}`);
  return { guest: name, path: resolve(path) };
}

/** How a user names this guest on the command line. */
export function commandName({ guest, path }: GuestDirectory): string {
  return path === `${guestsDirectory}/${guest}` ? guest : path;
}

/** The ports that the directory has, data ports by CPU. Throws what is missing and the remedy. */
export function findHostPorts(directory: GuestDirectory): HostPorts {
  const { guest, path } = directory;
  const remedy = `make it with: trace-agent setup ${commandName(directory)} --cpus N`;
  const found = new Map<string, HostPort>();
  for (const entry of listDirectory(path, remedy)) {
    const [, name, ending] = /^(.+)\.(out|sock)$/.exec(entry) ?? [];
    if (name === undefined) continue;
    const kind = statSync(`${path}/${entry}`, { throwIfNoEntry: false });
    if (ending === "out" && kind?.isFIFO()) found.set(name, { name, transport: "fifo", path: `${path}/${name}` });
    if (ending === "sock" && kind?.isSocket()) found.set(name, { name, transport: "socket", path: `${path}/${entry}` });
  }
  const control = found.get(controlPortName);
  if (control === undefined) {
    throw new AgentError("unavailable", `cannot reach guest "${guest}": ${path} has no control port "${controlPortName}"`, {
      remedy: `${remedy}; with sockets, start the VM first`,
    });
  }
  const data = [...found.values()]
    .map((port) => Object.assign(port, { cpu: cpuOfDataPort(port.name) ?? -1 }))
    .filter(({ cpu }) => cpu >= 0)
    .sort((a, b) => a.cpu - b.cpu);
  return { control, data };
}

function listDirectory(path: string, remedy: string): string[] {
  try {
    return readdirSync(path);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : "";
    if (code === "ENOENT") throw new AgentError("unavailable", `cannot find guest directory "${path}"`, { remedy, cause });
    const denied = code === "EACCES" || code === "EPERM";
    throw new AgentError(denied ? "permission" : "io", `cannot read guest directory "${path}": ${messageOf(cause)}`, {
      ...(denied ? { remedy: "run it as root, or as a member of the directory's group" } : {}),
      cause,
    });
  }
}

/** The ports of a guest that is to be recorded or followed (`action`): at least one for data. */
export function requireDataPorts(guest: GuestDirectory, action: string): HostPorts {
  const ports = findHostPorts(guest);
  if (ports.data.length > 0) return ports;
  throw new AgentError("unavailable", `cannot ${action} guest "${guest.guest}": ${guest.path} has no data port`, {
    remedy: `make them with: trace-agent setup ${commandName(guest)} --cpus N`,
  });
}
