/**
 * Finds the ports: virtio-serial ports by name, or (--ports DIR) entries of a directory.
 *
 * In a directory a port is an entry of its name (FIFO, Unix socket or file), or entries with the endings that its transport
 * names: NAME.in and NAME.out, NAME.sock.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { AgentError, isDenied, messageOf } from "../base/errors.ts";
import { transportLimits } from "./limits.ts";
import { cpuOfDataPort, controlPortName } from "../protocol/ports.ts";
import type { GuestEnd } from "./transport.ts";
import { guestEndOf, guestEnds } from "./transports.ts";

export type PortPath = {
  end: GuestEnd;
  /** For the guest to write: data, replies. */
  path: string;
  /** For the guest to read: orders. The same as `path` where the port is one file. */
  readPath: string;
};

export type PortPlace = {
  control: PortPath | undefined;
  /** By CPU. */
  data: Map<number, PortPath>;
};

export function findPorts(directory: string | undefined): PortPlace {
  const found = directory === undefined ? machinePlaces() : directoryPlaces(directory);
  const data = new Map<number, PortPath>();
  for (const [name, place] of found) {
    const cpu = cpuOfDataPort(name);
    if (cpu !== undefined) data.set(cpu, place);
  }
  return { control: found.get(controlPortName), data };
}

/**
 * Waits until the control port and a data port are there: an agent that init starts early would miss ports that appear a
 * moment later. Where none can appear it does not wait.
 */
export async function awaitPorts(directory: string | undefined): Promise<PortPlace> {
  for (let waitedMs = 0; ; waitedMs += transportLimits.portsPollMs) {
    const place = findPorts(directory);
    const complete = place.control !== undefined && place.data.size > 0;
    if (complete || directory !== undefined || waitedMs >= transportLimits.portsWaitMs) return place;
    if (!guestEnds.some(({ portsMayCome }) => portsMayCome?.() === true)) return place;
    await Bun.sleep(transportLimits.portsPollMs);
  }
}

function machinePlaces(): Map<string, PortPath> {
  const places = new Map<string, PortPath>();
  for (const end of guestEnds) {
    for (const [name, path] of end.ports?.() ?? [])
      if (!places.has(name)) places.set(name, { end, path, readPath: path });
  }
  return places;
}

function directoryPlaces(directory: string): Map<string, PortPath> {
  const places = new Map<string, PortPath>();
  for (const entry of entriesOf(directory)) {
    const { name, path, readPath } = partsOf(entry);
    const place = single(`${directory}/${path}`);
    if (place === undefined) continue;
    const read = `${directory}/${readPath}`;
    places.set(name, readPath !== path && existsSync(read) ? { ...place, readPath: read } : place);
  }
  return places;
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (cause) {
    throw new AgentError(
      isDenied(cause) ? "permission" : "unavailable",
      `cannot read the ports in "${directory}": ${messageOf(cause)}`,
      {
        remedy: "if it was removed, make it again with its ports, and restart this agent",
        cause,
      },
    );
  }
}

/** The port that an entry belongs to, and the entries that its two sides have. */
function partsOf(entry: string): { name: string; path: string; readPath: string } {
  for (const { endings } of guestEnds) {
    if (endings === undefined) continue;
    const { write, read } = endings;
    const ending = [write, read].find((known) => entry.endsWith(known));
    if (ending === undefined) continue;
    const name = entry.slice(0, -ending.length);
    return { name, path: `${name}${write}`, readPath: `${name}${read}` };
  }
  return { name: entry, path: entry, readPath: entry };
}

function single(path: string): PortPath | undefined {
  try {
    const status = statSync(path);
    if (status.isDirectory()) return undefined;
    return { end: guestEndOf(status), path, readPath: path };
  } catch {
    return undefined;
  }
}
