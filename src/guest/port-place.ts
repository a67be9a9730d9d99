/**
 * Where the ports are: virtio-serial ports found by name, or (--ports DIR) entries of a directory.
 *
 * In a directory a port is an entry of its name (FIFO, Unix socket or file), or a pair NAME.in and NAME.out as QEMU's pipe
 * chardev has them: the host writes .in and reads .out.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { virtioPorts } from "../kernel/virtio-ports.ts";
import { cpuOfDataPort, controlPortName } from "../protocol/ports.ts";
import type { OutputKind } from "./output-kind.ts";

export type PortPath = {
  kind: OutputKind;
  /** For the guest to write: data, replies. */
  path: string;
  /** For the guest to read: orders. The same as `path` where the port is one file; undefined where a FIFO serves one way. */
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
