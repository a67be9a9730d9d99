/** What a test may ask of its guest. */
import type { FirstStage } from "./first-stage.ts";
import type { KernelName } from "./kernel.ts";
import type { Transport } from "./qemu.ts";

export type GuestOptions = {
  kernel: KernelName;
  /** 2 by default. */
  cpus?: number;
  /** More than `cpus` leaves room for CPU hot-plug (only 6.1 reserves it under emulation). */
  maxCpus?: number;
  /** 640 by default. Another size is another guest to keep: ask for it where it matters. */
  memoryMb?: number;
  /** FIFOs by default. */
  transport?: Transport;
  /** Names of the virtio-serial ports; the control port and one data port for each of `cpus` by default. */
  ports?: string[];
  /** Free port numbers on the last virtio-serial device, for hot-plug; 4 by default. */
  spareSlots?: number;
  /**
   * A directory and QEMU arguments made elsewhere (by `trace-agent setup`), instead of those for `ports` and `transport`. The
   * directory is not removed.
   */
  prepared?: { directory: string; qemuArguments: string[] };
  /** Files and folders of this machine, by their path in the guest: links to a read-only file system. */
  files?: Record<string, string>;
  /**
   * What comes before a root file system on a disk. It is kept, as other guests are, and restored; the init of the root then comes up
   * with what the disk holds. It must run `commandsScript` of guest-init.ts.
   */
  firstStage?: FirstStage;
  /** True: it is booted for this test, and not restored. So are guests with `initramfs`, `qemuArguments` or `reboot`. */
  boot?: boolean;
  /** QEMU's CPU model; what the emulator can at most by default. */
  cpuModel?: string;
  /**
   * An initramfs with an init of its own, instead of busybox and `files`; it is removed after the boot. Its init must run
   * `commandsScript` of guest-init.ts.
   */
  initramfs?: string;
  /** Kernel modules to insert beside those of virtio-serial, dependencies first. */
  modules?: string[];
  /** Kernel command line, added to the harness's. */
  kernelArguments?: string;
  /** Further arguments of QEMU (disks, devices). */
  qemuArguments?: string[];
  /** True: a reboot in the guest reboots it (see `Guest.rebooted`). Else it ends QEMU. */
  reboot?: boolean;
  bootTimeoutMs?: number;
};
