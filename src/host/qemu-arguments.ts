/**
 * The QEMU arguments of a plan, for any machine with PCI (pc, q35, virt).
 *
 * A few devices are left to QEMU to place. Many would not find free slots, so they share slots as functions, from slot
 * 0x10 on: what QEMU places itself begins at the low slots, and q35's own devices stand at the highest.
 */
import type { Transport } from "./guest-directory.ts";
import { maxPorts, type SetupPlan, vectors } from "./setup-plan.ts";

const placedByQemu = 8;
const firstSharedSlot = 0x10;
const functionsPerSlot = 8;

/** One string per argument: "-device", "virtio-serial-pci,...", "-chardev", ... */
export function qemuArguments(plan: SetupPlan, directory: string, transport: Transport): string[] {
  const args: string[] = [];
  for (let controller = 0; controller < plan.controllers; controller++) {
    const place = plan.controllers > placedByQemu ? sharedPlace(controller) : "";
    args.push("-device", `virtio-serial-pci,id=${controllerId(controller)},max_ports=${maxPorts},vectors=${vectors}${place}`);
  }
  for (const { name, controller, number } of plan.ports) {
    args.push("-chardev", chardev(name, directory, transport));
    args.push("-device", `virtserialport,bus=${controllerId(controller)}.0,nr=${number},chardev=${name},id=port-${name},name=${name}`);
  }
  return args;
}

/** The arguments for a person to paste into a shell: an option and its value on a line. */
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

function chardev(name: string, directory: string, transport: Transport): string {
  // In QEMU's option syntax a comma inside a value is written twice.
  const path = `${directory}/${name}`.replaceAll(",", ",,");
  return transport === "fifo" ? `pipe,id=${name},path=${path}` : `socket,id=${name},path=${path}.sock,server=on,wait=off`;
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
