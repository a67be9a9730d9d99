/** Unix sockets: NAME.sock, which QEMU's socket chardev makes and listens on. */
import { connectUnix, sendMessage } from "../../ffi/socket.ts";
import { unreadInSocket } from "../../ffi/unread.ts";
import { portNamesIn } from "./host-entries.ts";
import type { Transport } from "./transport.ts";

export const socket = {
  guest: {
    traits: {
      duplex: true,
      oneFd: true,
      singleOpener: false,
      spliceMaxBytes: Infinity,
      ackedSpliceMaxBytes: Infinity,
      mayDrop: false,
      mayRefuseSplice: false,
      waitsInSplice: true,
      absentHost: false,
      hangsUp: true,
      keeps: false,
    },
    endings: { write: ".sock", read: ".sock" },
    isOf: (status) => status.isSocket(),
    open: connectUnix,
  },
  host: {
    name: "socket",
    plural: "sockets",
    endings: [".sock"],
    find: (directory) =>
      new Map(
        portNamesIn(directory, ".sock", (status) => status.isSocket()).map((name) => [
          name,
          `${directory}/${name}.sock`,
        ]),
      ),
    madeBySetup: false,
    showsHolders: false,
    splicesToFile: false,
    // A connection that is given up again would be news in the guest.
    isHeld: () => true,
    openControl: (path) => {
      const fd = connectUnix(path);
      return { read: fd, write: fd };
    },
    send: sendMessage,
    unread: unreadInSocket,
    openData: connectUnix,
    chardev: {
      path: (place) => `${place}.sock`,
      qemu: (id, path) => `socket,id=${id},path=${path},server=on,wait=off`,
      libvirtType: "unix",
      libvirtSource: (path) => `mode='bind' path='${path}'`,
    },
  },
} as const satisfies Transport;
