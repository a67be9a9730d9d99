/** QEMU's arguments for a test guest, and whether KVM can be used. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../ffi/entry/cache.ts";
import type { Kernel } from "./kernel.ts";

export type Transport = "fifo" | "socket";

export type Machine = {
  kernel: Kernel;
  initramfs: string;
  cpus: number;
  maxCpus: number;
  memoryMb: number;
  kvm: boolean;
  kernelArguments: string;
  reboot: boolean;
  /** Folder of the console log and the QMP socket. */
  folder: string;
};

/** Everything but the virtio-serial devices. Standard input and output are the guest's second serial port. */
export function machineArguments(machine: Machine): string[] {
  const { cpus, maxCpus, folder } = machine;
  return [
    "qemu-system-x86_64",
    "-nodefaults",
    "-no-user-config",
    "-display", "none",
    "-machine", "pc",
    // QEMU 7.2's multi-threaded emulation can panic a guest when tracepoints are switched on. Bun needs SSE4.2.
    ...(machine.kvm ? ["-accel", "kvm", "-cpu", "host"] : ["-accel", "tcg,thread=single", "-cpu", "max"]),
    "-smp",
    `${cpus},maxcpus=${maxCpus}`,
    "-m",
    `${machine.memoryMb}`,
    "-kernel",
    machine.kernel.image,
    "-initrd",
    machine.initramfs,
    // no_timer_check: on a loaded machine an emulated timer can look broken to the kernel. mitigations: they only cost.
    "-append",
    `console=ttyS0 panic=-1 no_timer_check mitigations=off ${machine.kernelArguments}`,
    ...(machine.reboot ? [] : ["-no-reboot"]),
    "-serial",
    `file:${join(folder, "console.log")}`,
    "-chardev",
    "stdio,id=commands,signal=off",
    "-serial",
    "chardev:commands",
    "-qmp",
    `unix:${join(folder, "qmp.sock")},server=on,wait=off`,
  ];
}

/** With more ports on one device QEMU's control queue loses messages at boot. */
const portsPerDevice = 15;

/**
 * Arguments for virtio-serial ports of these names, whose host ends lie in `directory`. The last device (`vser0`, `vser1`
 * ...) has `spareSlots` more port numbers than ports, for hot-plug.
 */
export function portArguments(directory: string, names: string[], transport: Transport, spareSlots: number): string[] {
  const words: string[] = [];
  for (let first = 0; first === 0 || first < names.length; first += portsPerDevice) {
    const device = first / portsPerDevice;
    const group = names.slice(first, first + portsPerDevice);
    // nr=0 is reserved for the console, so n ports need n + 1.
    const maxPorts = group.length + 1 + (first + portsPerDevice < names.length ? 0 : spareSlots);
    words.push("-device", `virtio-serial-pci,id=vser${device},max_ports=${maxPorts},vectors=${2 * maxPorts + 3}`);
    for (const [index, name] of group.entries()) {
      words.push("-chardev", chardev(directory, name, transport));
      words.push("-device", `virtserialport,bus=vser${device}.0,nr=${index + 1},chardev=c-${name},id=p-${name},name=${name}`);
    }
  }
  return words;
}

function chardev(directory: string, name: string, transport: Transport): string {
  return transport === "fifo"
    ? `pipe,id=c-${name},path=${join(directory, name)}`
    : `socket,id=c-${name},path=${join(directory, `${name}.sock`)},server=on,wait=off`;
}

/** A guest under KVM must be up within this, else KVM is not used. */
const kvmProbeMs = 8_000;

/**
 * Whether KVM boots a guest here: tried once per boot of this machine, because /dev/kvm can be there and yet not work.
 * `boots` says whether the guest came up within the time.
 */
export async function canUseKvm(boots: (timeoutMs: number) => Promise<boolean>): Promise<boolean> {
  try {
    if (readFileSync("/proc/misc", "latin1").match(/ kvm$/m) === null) return false;
    const answer = join(cacheFolder("guest"), "kvm");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    try {
      const [knownBoot, works] = readFileSync(answer, "latin1").split(" ");
      if (knownBoot === boot) return works === "yes";
    } catch {
      // Not tried yet.
    }
    const works = await boots(kvmProbeMs);
    writeFileSync(answer, `${boot} ${works ? "yes" : "no"}`);
    return works;
  } catch {
    return false;
  }
}
