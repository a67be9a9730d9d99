/**
 * The QEMU arguments of a plan, for any machine with PCI (pc, q35, virt).
 *
 * QEMU places a few devices itself. Many would not find free slots, so they share slots as functions, from slot
 * 0x10 on: QEMU fills slots from the low end, and q35's own devices are at the high end.
 */
import { hostEnd, type HostTransport } from "../../transport/transports.ts";
import { maxPorts, type SetupPlan, vectors } from "./setup-plan.ts";

const placedByQemu = 8;
const firstSharedSlot = 0x10;
const functionsPerSlot = 8;

/** One string per argument: "-device", "virtio-serial-pci,...", "-chardev", ... */
export function qemuArguments(plan: SetupPlan, directory: string, transport: HostTransport): string[] {
  const args: string[] = [];
  for (let controller = 0; controller < plan.controllers; controller++) {
    const place = plan.controllers > placedByQemu ? sharedPlace(controller) : "";
    args.push(
      "-device",
      `virtio-serial-pci,id=${controllerId(controller)},max_ports=${maxPorts},vectors=${vectors}${place}`,
    );
  }
  for (const { name, controller, number } of plan.ports) {
    args.push("-chardev", chardevArgument(name, directory, transport));
    args.push(
      "-device",
      `virtserialport,bus=${controllerId(controller)}.0,nr=${number},chardev=${name},id=port-${name},name=${name}`,
    );
  }
  return args;
}

/** The arguments for pasting into a shell: one option with its value per line. */
export function qemuText(args: readonly string[]): string {
  const lines: string[] = [];
  for (let index = 0; index < args.length; index += 2) lines.push(`${args[index]} ${shellWord(args[index + 1] ?? "")}`);
  return `${lines.join(" \\\n")}\n`;
}

function controllerId(controller: number): string {
  return `trace-serial${controller}`;
}

function sharedPlace(controller: number): string {
  const slot = firstSharedSlot + Math.floor(controller / functionsPerSlot);
  const number = controller % functionsPerSlot;
  return `,addr=0x${slot.toString(16)}.0x${number}${number === 0 ? ",multifunction=on" : ""}`;
}

function chardevArgument(name: string, directory: string, transport: HostTransport): string {
  const { chardev } = hostEnd(transport);
  // In QEMU's option syntax a comma inside a value is written twice.
  return chardev.qemu(name, chardev.path(`${directory}/${name}`).replaceAll(",", ",,"));
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
