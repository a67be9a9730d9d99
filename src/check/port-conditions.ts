/** What the agent needs of the VM's virtio-serial ports. Nothing is opened: that would drop data waiting in a port. */
import type { PortPath, PortPlace } from "../transport/port-place.ts";
import { describeHolder, type Holder, holdersOf } from "../tracefs/file-holders.ts";
import { formatCpuList } from "../tracefs/cpu-list.ts";
import { controlPortName, dataPortName } from "../protocol/ports.ts";
import { counted } from "../base/plural.ts";
import { type Condition, failure, ok, warning } from "./condition.ts";
import { type MachineView, whyNoAccess } from "./machine-view.ts";
import { earlyCommand } from "../install/shell-parts.ts";

/** VIRTIO_ID_CONSOLE (include/uapi/linux/virtio_ids.h). */
const consoleDevice = "0x0003";
/** The agent's /proc/PID/comm, and that of one from the initramfs. */
const agentCommands = new Set(["trace-agent", earlyCommand]);
const setupHint = "give the VM ports: trace-agent setup on the host";

export function virtioConsole(view: MachineView): Condition {
  const name = "virtio_console";
  const devices = view
    .list("/sys/bus/virtio/devices")
    .filter((device) => view.read(`/sys/bus/virtio/devices/${device}/device`) === consoleDevice);
  const driver = view.exists("/sys/bus/virtio/drivers/virtio_console");
  if (devices.length === 0) {
    const found = `this machine has no virtio-serial device${driver ? "" : " and no driver for one"}`;
    return failure(name, found, driver ? setupHint : `modprobe virtio_pci virtio_console, and ${setupHint}`);
  }
  if (!driver)
    return failure(
      name,
      `${counted(devices.length, "virtio-serial device")} without a driver`,
      "modprobe virtio_console",
    );
  return ok(name, counted(devices.length, "virtio-serial device"));
}

/** Why this process may not open the port, apart from another one holding it. */
function troubleWith({ path, readPath }: PortPath): Condition["found"] | undefined {
  return [path, readPath].map((file) => whyNoAccess(file, "write")).find((reason) => reason !== undefined);
}

/** Where several processes can open it, a holder does not matter. */
function holdersOfPorts(ports: readonly PortPath[]): Map<string, Holder[]> {
  return holdersOf(ports.filter(({ end }) => end.traits.singleOpener).map(({ path }) => path));
}

export function controlPort(place: PortPlace): Condition {
  const name = "control port";
  if (place.control === undefined) return failure(name, `no port named "${controlPortName}"`, setupHint);
  const { path } = place.control;
  const trouble = troubleWith(place.control);
  if (trouble !== undefined) return failure(name, `${path} cannot be opened: ${trouble}`, remedyFor(trouble));
  const [holder] = holdersOfPorts([place.control]).get(path) ?? [];
  if (holder === undefined) return ok(name, path);
  if (agentCommands.has(holder.command)) return ok(name, `${path}, held by ${describeHolder(holder)}: the agent runs`);
  return failure(name, `${path} is held by ${describeHolder(holder)}`, "end that program");
}

export function dataPorts(place: PortPlace, cpus: readonly number[]): Condition {
  const name = "data ports";
  const here = cpus.filter((cpu) => place.data.has(cpu));
  const missing = cpus.filter((cpu) => !place.data.has(cpu));
  if (here.length === 0) return failure(name, `none for CPUs ${formatCpuList(cpus)}`, setupHint);
  const ports = here.map((cpu) => place.data.get(cpu)).filter((port) => port !== undefined);
  const holders = holdersOfPorts(ports);
  for (const port of ports) {
    const trouble = troubleWith(port);
    if (trouble !== undefined) return failure(name, `${port.path} cannot be opened: ${trouble}`, remedyFor(trouble));
    const [holder] = holders.get(port.path) ?? [];
    if (holder === undefined || agentCommands.has(holder.command)) continue;
    return failure(name, `${port.path} is held by ${describeHolder(holder)}`, "end that program");
  }
  if (missing.length > 0) {
    const wanted = missing.length === 1 ? dataPortName(missing[0] ?? 0) : `${dataPortName(missing[0] ?? 0)} and so on`;
    return warning(
      name,
      `for CPUs ${formatCpuList(here)}, none for CPUs ${formatCpuList(missing)}`,
      `add ${wanted}: trace-agent setup on the host`,
    );
  }
  return ok(name, `for all CPUs, ${formatCpuList(here)}`);
}

function remedyFor(code: string): string {
  if (code === "ENOENT") return "there is no device node: mount -t devtmpfs devtmpfs /dev";
  return code === "EACCES" || code === "EPERM" ? "run it as root" : "check that the port is in the VM's configuration";
}
