/** `trace-agent setup GUEST`: makes the host's side of the ports, and prints the VM's configuration for them. */
import { existsSync } from "node:fs";
import { AgentError } from "../base/errors.ts";
import { foreignText } from "../base/foreign-text.ts";
import { counted } from "../base/plural.ts";
import { type GuestDirectory, guestDirectory } from "../host/guest-directory.ts";
import { type HostTransport, hostTransports } from "../transport/transports.ts";
import { libvirtXml } from "../host/setup/libvirt-xml.ts";
import { qemuArguments, qemuText } from "../host/setup/qemu-arguments.ts";
import { entryPath, forget, persist } from "../host/setup/persist.ts";
import { type Made, makeGuestDirectory, removeGuestDirectory } from "../host/setup/setup.ts";
import { planSetup } from "../host/setup/setup-plan.ts";
import { attachDevices, detachDevices, requireDomain, type VirshOutcome } from "../host/setup/virsh.ts";
import { log } from "../base/log.ts";
import { writeAsIs } from "../base/standard-output.ts";
import { formatCpuList } from "../tracefs/cpu-list.ts";
import { type Flags, makeCommand } from "./command.ts";
import { guestPositional } from "./guest-flags.ts";

const flags = {
  cpus: {
    type: "string",
    short: "c",
    valueHint: "N",
    description: "CPUs of the guest, including those that may be plugged in",
  },
  dir: { type: "string", valueHint: "DIR", description: "The guest's directory, instead of /run/virtio-trace/GUEST" },
  transport: {
    type: "string",
    valueHint: hostTransports.join("|"),
    description: "FIFO pairs, or Unix sockets that QEMU makes (fifo)",
  },
  print: { type: "string", valueHint: "qemu|libvirt", description: "QEMU arguments or libvirt XML (qemu)" },
  group: { type: "string", valueHint: "GROUP", description: "Group that may use them, as QEMU under libvirt must" },
  attach: { type: "boolean", description: "Add them to the libvirt domain's definition, with virsh" },
  domain: { type: "string", valueHint: "NAME", description: "libvirt's name of the VM, where it is not GUEST" },
  persist: { type: "boolean", description: "Also have them made at each boot of this host (tmpfiles.d)" },
  remove: { type: "boolean", description: "Undo it: remove the FIFOs; with --attach, also the devices of the domain" },
} as const satisfies Flags;

export const setupCommand = makeCommand({
  name: "setup",
  description: "Make a guest's FIFOs and print the QEMU arguments or the libvirt XML for them",
  flags,
  groups: {
    "The ports": ["cpus", "transport", "group", "dir", "persist", "remove"],
    "The VM": ["print", "attach", "domain"],
  },
  examples: [
    { what: "For plain QEMU", line: "trace-agent setup vm1 --cpus 4 > vm1.args" },
    { what: "For libvirt", line: "trace-agent setup vm1 --cpus 4 --group libvirt-qemu --attach" },
    { what: "Undo that", line: "trace-agent setup vm1 --remove --attach" },
  ],
  positionals: [guestPositional],
  run: (values, [guest = ""]) => {
    const directory = guestDirectory(guest, values.dir);
    const { path } = directory;
    const domain = values.domain ?? directory.guest;
    const transport = oneOf("transport", values.transport ?? "fifo", hostTransports);
    const form = oneOf("print", values.print ?? "qemu", ["qemu", "libvirt"] as const);
    if (values.remove) return remove(directory, values.attach ? domain : undefined);
    if (values.cpus === undefined || !/^\d{1,5}$/.test(values.cpus)) {
      throw new AgentError(
        "usage",
        values.cpus === undefined ? "--cpus is missing" : `cannot read --cpus "${values.cpus}"`,
        {
          remedy: "give the number of the guest's CPUs, as in --cpus 4",
        },
      );
    }
    const plan = planSetup(Number(values.cpus));
    // Without virsh, or without such a domain, nothing is made.
    if (values.attach) requireDomain(domain);
    const made = makeGuestDirectory(path, plan, transport, values.group);
    log.info(`${path}: ${news(made)} for ${counted(Number(values.cpus), "CPU")}`);
    if (made.beyond.length > 0)
      log.warn(
        `${path} has ports of CPU ${formatCpuList(made.beyond)} too, of an earlier setup, which are recorded without any data; ` +
          "when no VM uses them, give this with --remove, and then again",
      );
    if (values.persist) log.info(`${persist(directory, plan, transport, values.group)}: makes them at each boot`);
    if (values.attach) return report(`attached to "${domain}"`, attachDevices(domain, plan, path, transport));
    const text = form === "qemu" ? qemuText(qemuArguments(plan, path, transport)) : libvirtXml(plan, path, transport);
    writeAsIs(Buffer.from(text));
    return undefined;
  },
});

function news({ directory, fifos }: Made): string {
  if (fifos > 0) return `made ${counted(fifos, "FIFO")}`;
  return directory ? "made the directory" : "nothing to make, all is there";
}

function remove(directory: GuestDirectory, domain: string | undefined): void {
  const { path } = directory;
  if (domain !== undefined) report(`detached from "${domain}"`, detachDevices(domain));
  const wasThere = existsSync(path);
  const { removed, left } = removeGuestDirectory(path);
  log.info(`${path}: ${wasThere ? `removed ${counted(removed, "entry", "entries")}` : "nothing to remove"}`);
  if (left.length > 0) {
    const names = left.slice(0, 5).map((name) => foreignText(name));
    log.warn(`${path} stays: it also holds ${names.join(", ")}`);
  }
  if (forget(directory)) log.info(`${entryPath(directory)}: removed`);
}

function report(done: string, { done: count, unchanged, failures }: VirshOutcome): void {
  const before = unchanged > 0 ? `, ${unchanged} ${unchanged === 1 ? "was" : "were"} there already` : "";
  log.info(`${done}: ${counted(count, "device")}${before}`);
  if (failures.length === 0) return;
  for (const failure of failures) log.error(failure);
  throw new AgentError("unavailable", `${counted(failures.length, "device")} failed`, {
    remedy: "fix the cause and run it again",
  });
}

function oneOf<T extends HostTransport | "qemu" | "libvirt">(option: string, value: string, known: readonly T[]): T {
  const found = known.find((word) => word === value);
  if (found === undefined)
    throw new AgentError("usage", `cannot use --${option} "${value}"`, { remedy: `use ${known.join(" or ")}` });
  return found;
}
