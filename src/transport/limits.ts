/** The bounds of pipes and ports: each with its unit and its reason. */
import { assert } from "../base/errors.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

export const transportLimits = {
  pipeMinBytes: 64 * KiB,
  pipeMaxBytes: 1 * MiB,
  pipeDefaultBytes: 1 * MiB,
  /** One splice to a virtio port becomes one entry of a queue of this length (QEMU's virtio-serial has it so). */
  virtioQueueEntries: 128,
  /**
   * Its pages are held until the host has read them: so much of them per port, less than 10 MiB with the pipe's content. FIFOs,
   * sockets and files bound themselves.
   */
  virtioHeldMaxBytes: 128 * 76 * KiB,
  /** Largest splice to a host that does not acknowledge: a whole queue of them is within that bound. */
  virtioSpliceBytes: 76 * KiB,
  /** The same to a host that does: as the kernel's agent, and as large as a pipe may be. */
  virtioAckedSpliceBytes: 1 * MiB,
  /** Each free entry has room for this much: two sub-buffers, and 1 MiB in all, which leaves 8.5 MiB for large pieces. */
  virtioPieceMinBytes: 8 * KiB,
  /** How long the agent waits for ports at its start; QEMU announces their names a moment after the device. */
  portsWaitMs: 2_000,
  portsPollMs: 50,
} as const;

assert(
  transportLimits.pipeMinBytes <= transportLimits.virtioSpliceBytes,
  "a splice to a virtio port must fit the smallest pipe or more",
);
assert(
  transportLimits.virtioQueueEntries * transportLimits.virtioSpliceBytes <= transportLimits.virtioHeldMaxBytes,
  "a queue of small pieces is within its bound",
);
assert(
  transportLimits.virtioHeldMaxBytes + transportLimits.virtioSpliceBytes < 10 * MiB,
  "a silent host costs less than 10 MiB per CPU",
);
assert(transportLimits.pipeDefaultBytes <= transportLimits.pipeMaxBytes, "the default pipe is within the bounds");
