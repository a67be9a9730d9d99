/** Which processes have a guest's FIFOs open: the VM with both of a pair, and any other reader. */
import { readdirSync, readlinkSync, realpathSync } from "node:fs";
import { dirname } from "node:path";
import { attempt } from "../base/attempt.ts";
import { foreignText } from "../base/foreign-text.ts";
import type { HostPort, HostPorts } from "../transport/host-port.ts";
import { describeHolder, type Holder, holdersOf } from "../tracefs/file-holders.ts";
import { type Condition, failure, ok, warning } from "./condition.ts";

/** How /proc/PID/fd marks a removed file (proc(5)). */
const deletedMark = " (deleted)";

export type Ends = {
  vm: Holder | undefined;
  unheld: HostPort[];
  /** Ports without a sender. */
  unwritten: HostPort[];
  readers: Map<HostPort, Holder>;
  /** Removed FIFOs that the VM still has open. */
  gone: string[];
};

/** QEMU has both FIFOs of a pair open; a process with only .out open is a reader. */
export function holders({ control, data }: HostPorts): Ends {
  const fifos = [control, ...data].filter(({ end }) => end.showsHolders);
  const found = holdersOf(fifos.flatMap(({ path }) => [`${path}.in`, `${path}.out`]));
  const ends: Ends = { vm: undefined, unheld: [], unwritten: [], readers: new Map(), gone: [] };
  for (const port of fifos) {
    const incoming = found.get(`${port.path}.in`) ?? [];
    const outgoing = found.get(`${port.path}.out`) ?? [];
    const vm = outgoing.find(
      ({ pid, writes }) => writes && incoming.some((holder) => holder.pid === pid && holder.reads),
    );
    ends.vm ??= vm;
    if (vm === undefined) ends.unheld.push(port);
    if (!outgoing.some(({ writes }) => writes)) ends.unwritten.push(port);
    const reader = outgoing.find(({ pid, reads }) => reads && pid !== vm?.pid);
    if (reader !== undefined) ends.readers.set(port, reader);
  }
  if (ends.vm !== undefined) ends.gone = goneFifos(ends.vm.pid, dirname(control.path));
  return ends;
}

/** A FIFO that was removed or replaced stays open in the VM: data sent into it is never read. */
function goneFifos(pid: number, directory: string): string[] {
  try {
    const start = `${realpathSync(directory)}/`;
    // One that is closed in the meantime hides no other.
    const links = readdirSync(`/proc/${pid}/fd`).map(
      (fd) => attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? "",
    );
    const gone = links.filter((link) => link.startsWith(start) && link.endsWith(deletedMark));
    return [...new Set(gone)].map((link) => foreignText(link.slice(start.length, -deletedMark.length))).sort();
  } catch {
    // The VM has just ended, or we may not inspect it.
    return [];
  }
}

export function vm({ control, data }: HostPorts, { vm: holder, unheld, gone }: Ends): Condition {
  const name = "VM";
  const remedy = "start the VM with the devices that trace-agent setup prints";
  if (!control.end.showsHolders) return ok(name, `${dirname(control.path)} has its ${control.end.plural}`);
  if (holder === undefined) {
    if (process.geteuid?.() !== 0) return warning(name, "cannot tell who holds the FIFOs", "run it as root");
    return failure(name, "no process holds the FIFOs", remedy);
  }
  if (gone.length > 0)
    return failure(
      name,
      `${describeHolder(holder)} still has FIFOs open that were removed: ${gone.join(", ")}`,
      "restart the VM; trace-agent setup makes what is missing",
    );
  if (unheld.length > 0)
    return warning(
      name,
      `${describeHolder(holder)}, but not for ${unheld.map((port) => port.name).join(", ")}`,
      remedy,
    );
  return ok(name, `${describeHolder(holder)} holds all ${data.length + 1} ports`);
}

export function readers({ control }: HostPorts, ends: Ends): Condition {
  const name = "readers";
  const others = [...new Set([...ends.readers.values()].map((holder) => describeHolder(holder)))];
  if (others.length === 0) return ok(name, "no other program reads the ports");
  const what = ends.readers.has(control) ? "the ports, replies too" : "data ports";
  return warning(
    name,
    `${others.join(", ")} reads ${what}: it takes what a recording would miss`,
    "end it before you record",
  );
}
