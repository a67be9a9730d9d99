/** QEMU's arguments for a test guest, and whether KVM can be used. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../ffi/static/cache.ts";
import type { Kernel } from "./kernel.ts";
import { timeStampCounterKhz } from "./time-stamp-counter.ts";

export type Transport = "fifo" | "socket";

export type Machine = {
  kernel: Kernel;
  initramfs: string;
  cpus: number;
  maxCpus: number;
  memoryMb: number;
  kvm: boolean;
  cpuModel: string | undefined;
  kernelArguments: string;
  reboot: boolean;
  /** Folder of the console log and the QMP socket. */
  folder: string;
};

/**
 * What the emulator can at most, but for what makes it slow: vector instructions of 256 bits, which it does in pieces, and
 * protections, which it checks at each access. A sixth of a boot and a quarter of an agent's first start.
 */
const emulatedCpu = "max,-avx,-avx2,-la57,-smap,-smep,-pku";

/**
 * no_timer_check: on a loaded machine an emulated timer can look broken to the kernel. norandmaps: programs and libraries lie at the same
 * addresses in each process, so that what QEMU has translated of them serves again. The others leave out what only costs.
 */
const cheapKernel = [
  "no_timer_check",
  "tsc=reliable",
  "mitigations=off",
  "init_on_alloc=0",
  "nokaslr",
  "nowatchdog",
  "audit=0",
  "apparmor=0",
  "ipv6.disable=1",
  "norandmaps",
  "8250.nr_uarts=2",
].join(" ");

/** What a guest's kernel need not measure. */
const clockOfEmulated = (): string => `tsc_early_khz=${timeStampCounterKhz()}`;

/** Everything but the virtio-serial devices. Standard input and output are the guest's second serial port. */
export function machineArguments(machine: Machine): string[] {
  const { cpus, maxCpus, folder } = machine;
  return [
    "qemu-system-x86_64",
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-machine",
    "pc",
    // QEMU 7.2's multi-threaded emulation can panic a guest when tracepoints are switched on. Bun needs SSE4.2.
    "-accel",
    machine.kvm ? "kvm" : "tcg,thread=single",
    "-cpu",
    machine.cpuModel ?? (machine.kvm ? "host" : emulatedCpu),
    "-smp",
    `${cpus},maxcpus=${maxCpus}`,
    "-m",
    `${machine.memoryMb}`,
    "-kernel",
    machine.kernel.image,
    "-initrd",
    machine.initramfs,
    "-append",
    `console=ttyS0 panic=-1 ${cheapKernel} ${machine.kvm ? "" : clockOfEmulated()} ${machine.kernelArguments}`,
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
      words.push(
        "-device",
        `virtserialport,bus=vser${device}.0,nr=${index + 1},chardev=c-${name},id=p-${name},name=${name}`,
      );
    }
  }
  return words;
}

function chardev(directory: string, name: string, transport: Transport): string {
  return transport === "fifo"
    ? `pipe,id=c-${name},path=${join(directory, name)}`
    : `socket,id=c-${name},path=${join(directory, `${name}.sock`)},server=on,wait=off`;
}

/** QEMU's words with every end of a port leading nowhere: what is left does not depend on who is at the other end. */
export function withoutHost(words: string[]): string[] {
  return words.map((word, index) => {
    if (words[index - 1] !== "-chardev" || word.startsWith("stdio,")) return word;
    const [, id] = /,id=([^,]+)/.exec(word) ?? [];
    return `null,id=${id}`;
  });
}

let version: string | undefined;

/** What a saved machine depends on beside QEMU's words. */
export function qemuIdentity(kvm: boolean): string[] {
  version ??= Bun.spawnSync(["qemu-system-x86_64", "--version"]).stdout.toString();
  const cpu = kvm ? (/^model name.*$[^]*?^flags.*$/m.exec(readFileSync("/proc/cpuinfo", "latin1"))?.[0] ?? "") : "";
  // These change from moment to moment.
  return [version, cpu.replaceAll(/^(cpu MHz|apicid|initial apicid|core id).*$/gm, "")];
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
