/**
 * The directory of a guest on the host: `/run/virtio-trace/GUEST`, or any directory where GUEST has a slash in it.
 *
 * It holds per port a FIFO pair NAME.in (host writes) and NAME.out (host reads), as QEMU's pipe chardev wants them, or a
 * socket NAME.sock.
 */
import { readdirSync } from "node:fs";
import { basename, resolve } from "node:path";
import { AgentError, errnoOf, isDenied, messageOf } from "../base/errors.ts";
import { foreignText } from "../base/foreign-text.ts";
import type { Found } from "../protocol/replies.ts";
import { controlPortName, cpuOfDataPort } from "../protocol/ports.ts";
import type { HostPort, HostPorts } from "../transport/host-port.ts";
import type { HostEnd } from "../transport/transport.ts";
import { hostEnds } from "../transport/transports.ts";

export const guestsDirectory = "/run/virtio-trace";

/** `local`: no VM, but this machine itself; `self`: what keeps this program's own events out of it. */
export type GuestDirectory = { guest: string; path: string; local?: true; self?: SelfExclusion };

export type SelfExclusion = {
  /** When the events are enabled, before the recording begins. */
  begin: () => void;
  /** Often while it goes on. */
  refresh: () => void;
  /** What was found in the guest without what was set by it. */
  without: (found: Found) => Found;
};

/** How messages name it. */
export function guestTitle({ guest, local }: GuestDirectory): string {
  return local === true ? guest : `guest "${guest}"`;
}

/** How messages speak of it where it is known which one is meant. */
export function theGuest({ guest, local }: GuestDirectory): string {
  return local === true ? guest : "the guest";
}

/** `guest` as a user names it; `directory` overrides its path. */
export function guestDirectory(guest: string, directory?: string): GuestDirectory {
  for (const text of [guest, directory ?? "x"]) {
    if (text !== "" && text !== "." && text !== ".." && !hasControlCharacter(text)) continue;
    throw new AgentError(
      "usage",
      `cannot use guest "${foreignText(text)}": it is the name of a VM, or a directory with a slash in it`,
    );
  }
  const name = guest.includes("/") ? basename(resolve(guest)) : guest;
  const path = directory ?? (guest.includes("/") ? guest : `${guestsDirectory}/${guest}`);
  return { guest: name, path: resolve(path) };
}

/** The guests that ports were made for: the directories below `/run/virtio-trace`. */
export function allGuests(directory = guestsDirectory): GuestDirectory[] {
  let names: string[];
  try {
    names = readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return [];
    throw new AgentError(isDenied(cause) ? "permission" : "io", `cannot read ${directory}: ${messageOf(cause)}`, {
      cause,
    });
  }
  return names
    .filter((name) => !hasControlCharacter(name))
    .sort()
    .map((name) => guestDirectory(name, `${directory}/${name}`));
}

/** Names go into XML, argument lists and single-line messages: a newline would split them. */
function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text);
}

/** How a user names this guest on the command line. */
export function commandName({ guest, path }: GuestDirectory): string {
  return path === `${guestsDirectory}/${guest}` ? guest : path;
}

/** Message for a control port whose other end was closed. */
export function goneText({ local }: GuestDirectory): string {
  return local === true ? "its agent has ended" : "the VM has ended";
}

/** The ports that the directory has, data ports by CPU. Throws what is missing and the remedy. */
export function findHostPorts(directory: GuestDirectory): HostPorts {
  const { path } = directory;
  const remedy = `make it with: trace-agent setup ${commandName(directory)} --cpus N`;
  const found = new Map<string, HostPort>();
  for (const end of hostEnds) {
    for (const [name, port] of portsOf(end, path, remedy)) found.set(name, { name, end, path: port });
  }
  const control = found.get(controlPortName);
  if (control === undefined) {
    throw new AgentError(
      "unavailable",
      `cannot reach ${guestTitle(directory)}: ${path} has no control port "${controlPortName}"`,
      {
        remedy: `${remedy}; with sockets, start the VM first`,
      },
    );
  }
  const data = [...found.values()]
    .map((port) => Object.assign(port, { cpu: cpuOfDataPort(port.name) ?? -1 }))
    .filter(({ cpu }) => cpu >= 0)
    .sort((a, b) => a.cpu - b.cpu);
  return { control, data };
}

function portsOf(end: HostEnd, path: string, remedy: string): Map<string, string> {
  try {
    return end.find(path);
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT")
      throw new AgentError("unavailable", `cannot find guest directory "${path}"`, { remedy, cause });
    const denied = isDenied(cause);
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
  throw new AgentError("unavailable", `cannot ${action} ${guestTitle(guest)}: ${guest.path} has no data port`, {
    remedy: `make them with: trace-agent setup ${commandName(guest)} --cpus N`,
  });
}
