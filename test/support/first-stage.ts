/**
 * The part of a boot that comes before the root file system, of guests whose root is a disk: kernel and initramfs. It knows nothing of
 * the disk's content, so that it is kept (kept-guest.ts), and restored with the disk of a test.
 */
import { statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { QemuProcess } from "./qemu-process.ts";

export type FirstStage = {
  /** All that its initramfs is made of: strings that change when it does. */
  parts: readonly string[];
  /** Writes that initramfs. */
  writeInitramfs: (target: string) => Promise<void>;
  /** Shell text that waits until it has done all that it does before the root. */
  untilWaiting: string;
  /** Shell text that lets it go on to the root's init, which runs the command loop again. */
  goOn: string;
  /** Images of disks, the root's first. Their sizes are a part of the machine that is kept. */
  disks: readonly { path: string; readonly?: boolean }[];
};

/** QEMU's words for its disks: /dev/vda and so on. */
export function stageDiskArguments({ disks }: FirstStage): string[] {
  return disks.flatMap(({ path, readonly = false }) => [
    "-drive",
    `if=virtio,format=raw,cache=unsafe,file=${path}${readonly ? ",readonly=on" : ""}`,
  ]);
}

/** What a kept one depends on, beside the machine. */
export function stageParts({ parts, disks }: FirstStage): string[] {
  return [...parts, ...disks.map(({ path, readonly = false }) => `${statSync(path).size} ${readonly}`)];
}

/** The same with empty disks of the same sizes in `folder`. */
export function withEmptyDisks(stage: FirstStage, folder: string): FirstStage {
  const disks = stage.disks.map((disk, index) => {
    const path = join(folder, `empty-${index}`);
    writeFileSync(path, "");
    truncateSync(path, statSync(disk.path).size);
    return { ...disk, path };
  });
  return { ...stage, disks };
}

/** Of a guest that waits for it: resolves when the root's init has come up to the command loop. */
export async function goOnToRoot(stage: FirstStage, qemu: QemuProcess, timeoutMs: number): Promise<void> {
  const { readyAgain } = qemu.commands;
  // The command may end with the loop that carried it out.
  qemu.commands.run(`date -s @${Math.round(Date.now() / 1000)} >/dev/null; ${stage.goOn}`, timeoutMs).catch(() => {});
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`the root's init did not come up within ${timeoutMs} ms\n${qemu.consoleText()}`)),
    timeoutMs,
  );
  try {
    await Promise.race([readyAgain, promise]);
  } finally {
    clearTimeout(timer);
  }
}
