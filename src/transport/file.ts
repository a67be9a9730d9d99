/** Files, and devices of any kind: everything else. Only in the guest, in --ports DIR or as its stdout. */
import { O } from "../../ffi/fd.ts";
import { openInDirectory } from "./open-in-directory.ts";
import type { Transport } from "./transport.ts";

export const file = {
  guest: {
    traits: {
      duplex: false,
      oneFd: false,
      singleOpener: false,
      spliceMaxBytes: Infinity,
      ackedSpliceMaxBytes: Infinity,
      mayDrop: false,
      // A file that was opened for append.
      mayRefuseSplice: true,
      waitsInSplice: false,
      absentHost: false,
      hangsUp: false,
      keeps: true,
    },
    isOf: () => true,
    open: (path, side) => openInDirectory(path, (side === "write" ? O.WRONLY | O.CREAT : O.RDONLY) | O.NONBLOCK),
  },
} as const satisfies Transport;
