/** `trace-agent setup GUEST`: the host's side of the ports, and what the VM's configuration needs for them. */
import { AgentError } from "../errors.ts";
import { guestDirectory, type Transport } from "../host/guest-directory.ts";
import { libvirtXml } from "../host/libvirt-xml.ts";
import { qemuArguments, qemuText } from "../host/qemu-arguments.ts";
import { makeGuestDirectory, removeGuestDirectory } from "../host/setup.ts";
import { planSetup } from "../host/setup-plan.ts";
import { attachDevices, detachDevices, type VirshOutcome } from "../host/virsh.ts";
import { log } from "../log.ts";
import { writeAsIs } from "../standard-output.ts";
import { type Flags, makeCommand } from "./command.ts";
import { guestPositional } from "./guest-flags.ts";

const flags = {
  cpus: { type: "string", short: "c", valueHint: "N", description: "CPUs of the guest, with those that may be plugged in" },
  dir: { type: "string", valueHint: "DIR", description: "The guest's directory, instead of /run/virtio-trace/GUEST" },
  transport: { type: "string", valueHint: "fifo|socket", description: "FIFO pairs, or Unix sockets that QEMU makes (fifo)" },
  print: { type: "string", valueHint: "qemu|libvirt", description: "QEMU arguments or libvirt XML (qemu)" },
  group: { type: "string", valueHint: "GROUP", description: "Group that may use them, as QEMU under libvirt must" },
  attach: { type: "boolean", description: "Add them to the libvirt domain's definition, with virsh" },
  domain: { type: "string", valueHint: "NAME", description: "libvirt's name of the VM, where it is not GUEST" },
  remove: { type: "boolean", description: "Undo it: remove the FIFOs; with --attach, also the devices of the domain" },
} as const satisfies Flags;

export const setupCommand = makeCommand({
  name: "setup",
  description: "Make a guest's FIFOs and print the QEMU arguments or the libvirt XML for them",
  flags,
  positionals: [guestPositional],
  run: (values, [guest = ""]) => {
    const { guest: name, path } = guestDirectory(guest, values.dir);
    const domain = values.domain ?? name;
    const transport = oneOf("transport", values.transport ?? "fifo", ["fifo", "socket"] as const);
    const form = oneOf("print", values.print ?? "qemu", ["qemu", "libvirt"] as const);
    if (values.remove) return remove(path, values.attach ? domain : undefined);
    if (values.cpus === undefined || !/^\d{1,5}$/.test(values.cpus)) {
      throw new AgentError("usage", values.cpus === undefined ? "--cpus is missing" : `cannot read --cpus "${values.cpus}"`, {
        remedy: "give the number of the guest's CPUs, as in --cpus 4",
      });
    }
    const plan = planSetup(Number(values.cpus));
    const made = makeGuestDirectory(path, plan, transport, values.group);
    const news = made.directory || made.fifos > 0 ? `made ${made.fifos} FIFOs` : "nothing to make, all is there";
    log.info(`${path}: ${news} for ${values.cpus} CPUs`);
    if (values.attach) return report(`attached to "${domain}"`, attachDevices(domain, plan, path, transport));
    const text = form === "qemu" ? qemuText(qemuArguments(plan, path, transport)) : libvirtXml(plan, path, transport);
    writeAsIs(Buffer.from(text));
    return undefined;
  },
});

function remove(path: string, domain: string | undefined): void {
  if (domain !== undefined) report(`detached from "${domain}"`, detachDevices(domain));
  const { removed, left } = removeGuestDirectory(path);
  log.info(`${path}: removed ${removed} entries`);
  if (left.length > 0) log.warn(`${path} stays: it also holds ${left.slice(0, 5).join(", ")}`);
}

function report(done: string, { done: count, unchanged, failures }: VirshOutcome): void {
  log.info(`${done}: ${count} devices${unchanged > 0 ? `, ${unchanged} were there already` : ""}`);
  if (failures.length === 0) return;
  for (const failure of failures) log.error(failure);
  throw new AgentError("unavailable", `${failures.length} devices failed`, { remedy: "mend the cause and run it again" });
}

function oneOf<T extends Transport | "qemu" | "libvirt">(option: string, value: string, known: readonly T[]): T {
  const found = known.find((word) => word === value);
  if (found === undefined) throw new AgentError("usage", `cannot use --${option} "${value}"`, { remedy: `use ${known.join(" or ")}` });
  return found;
}
