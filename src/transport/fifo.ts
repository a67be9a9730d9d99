/**
 * FIFOs: one for both ways, or a pair NAME.in and NAME.out as QEMU's pipe chardev uses them: the host writes
 * .in, reads .out.
 */
import { fstatSync } from "node:fs";
import { E, SystemError } from "../../ffi/errno.ts";
import { closeFd, O, openFd, writeFrom } from "../../ffi/fd.ts";
import { setPipeSize } from "../../ffi/pipe.ts";
import { unreadInPipe } from "../../ffi/unread.ts";
import { AgentError } from "../base/errors.ts";
import { transportLimits } from "./limits.ts";
import { openInDirectory } from "./open-in-directory.ts";
import { portNamesIn } from "./host-entries.ts";
import type { Transport } from "./transport.ts";

export const fifo = {
  guest: {
    traits: {
      duplex: false,
      oneFd: true,
      singleOpener: false,
      spliceMaxBytes: Infinity,
      ackedSpliceMaxBytes: Infinity,
      mayDrop: false,
      mayRefuseSplice: false,
      waitsInSplice: false,
      absentHost: false,
      hangsUp: false,
      keeps: false,
    },
    endings: { write: ".out", read: ".in" },
    isOf: (status) => status.isFIFO(),
    // Opened for both ways, so that it never hangs up and keeps its content.
    open: (path) => openInDirectory(path, O.RDWR | O.NONBLOCK),
  },
  host: {
    name: "fifo",
    plural: "FIFOs",
    endings: [".in", ".out"],
    find: (directory) =>
      new Map(
        portNamesIn(directory, ".out", (status) => status.isFIFO()).map((name) => [name, `${directory}/${name}`]),
      ),
    madeBySetup: true,
    showsHolders: true,
    splicesToFile: true,
    isHeld: (path) => {
      try {
        closeFd(openFifo(`${path}.in`, O.WRONLY));
        return true;
      } catch (error) {
        return !(error instanceof SystemError && error.errno === E.ENXIO);
      }
    },
    openControl: (path) => {
      // The reading end first: what the guest answers at once has a place to go.
      const read = openFifo(`${path}.out`, O.RDONLY);
      try {
        return { read, write: openFifo(`${path}.in`, O.WRONLY) };
      } catch (error) {
        closeFd(read);
        throw error;
      }
    },
    send: writeFrom,
    unread: unreadInPipe,
    openData: (path) => {
      const fd = openFifo(`${path}.out`, O.RDONLY);
      // Larger where that is allowed, so that the guest waits less.
      setPipeSize(fd, transportLimits.pipeMaxBytes);
      return fd;
    },
    chardev: {
      path: (place) => place,
      qemu: (id, path) => `pipe,id=${id},path=${path}`,
      libvirtType: "pipe",
      libvirtSource: (path) => `path='${path}'`,
    },
  },
} as const satisfies Transport;

/** Only a FIFO: orders must not be written into a file that somebody put there or linked to. */
function openFifo(path: string, flags: number): number {
  const fd = openFd(path, flags | O.NONBLOCK | O.NOFOLLOW | O.NOCTTY);
  if (fstatSync(fd).isFIFO()) return fd;
  closeFd(fd);
  throw new AgentError("unavailable", `cannot open port "${path}": it is not a FIFO`, {
    remedy: "move it away; trace-agent setup makes what is missing",
  });
}
