/**
 * Where the ports are: virtio-serial ports found by name, or (--ports DIR) entries of a directory.
 *
 * In a directory a port is an entry of its name (FIFO, Unix socket or file), or a pair NAME.in and NAME.out as QEMU's pipe
 * chardev has them: the host writes .in and reads .out.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { virtioPorts } from "../kernel/virtio-ports.ts";
import { limits } from "../limits.ts";
import { cpuOfDataPort, controlPortName } from "../protocol/ports.ts";
import type { OutputKind } from "./output-kind.ts";

export type PortPath = {
  kind: OutputKind;
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
  const found = directory === undefined ? virtioPlaces() : directoryPlaces(directory);
  const data = new Map<number, PortPath>();
  for (const [name, place] of found) {
    const cpu = cpuOfDataPort(name);
    if (cpu !== undefined) data.set(cpu, place);
  }
  return { control: found.get(controlPortName), data };
}

/** Whether this guest has a virtio-serial device, whose ports may be on their way. */
function hasVirtioSerial(): boolean {
  try {
    return readdirSync("/sys/bus/virtio/drivers/virtio_console").some((name) => name.startsWith("virtio"));
  } catch {
    return false;
  }
}

/**
 * The ports, once the control port and a data port are there. QEMU tells their names a moment after the device appears, so an
 * agent that init starts at once would miss them; where there is no such device there is nothing to wait for.
 */
export async function awaitPorts(directory: string | undefined): Promise<PortPlace> {
  for (let waitedMs = 0; ; waitedMs += limits.portsLookMs) {
    const place = findPorts(directory);
    const complete = place.control !== undefined && place.data.size > 0;
    if (complete || directory !== undefined || waitedMs >= limits.portsWaitMs || !hasVirtioSerial()) return place;
    await setTimeout(limits.portsLookMs);
  }
}

function virtioPlaces(): Map<string, PortPath> {
  const places = new Map<string, PortPath>();
  for (const [name, path] of virtioPorts()) places.set(name, { kind: "virtio", path, readPath: path });
  return places;
}

function directoryPlaces(directory: string): Map<string, PortPath> {
  const places = new Map<string, PortPath>();
  for (const entry of readdirSync(directory)) {
    const name = entry.replace(/\.(out|in|sock)$/, "");
    const place = name === entry || entry.endsWith(".sock") ? single(`${directory}/${entry}`) : pair(`${directory}/${name}`);
    if (place !== undefined) places.set(name, place);
  }
  return places;
}

function single(path: string): PortPath | undefined {
  try {
    const status = statSync(path);
    if (status.isDirectory()) return undefined;
    return { kind: status.isFIFO() ? "fifo" : status.isSocket() ? "socket" : "file", path, readPath: path };
  } catch {
    return undefined;
  }
}

function pair(base: string): PortPath | undefined {
  const out = single(`${base}.out`);
  if (out === undefined) return undefined;
  return { ...out, readPath: existsSync(`${base}.in`) ? `${base}.in` : out.path };
}
