/**
 * What the errno of each call in the splice loop means: one table per call, so that no call site decides by itself.
 *
 * Sources: tracing_buffers_splice_read and tracing_buffers_read (kernel/trace/trace.c), port_fops_splice_write
 * (drivers/char/virtio_console.c), pipe_write (fs/pipe.c), splice(2), write(2).
 */
import { E, errnoName } from "../../../ffi/errno.ts";
import { assert } from "../../base/errors.ts";

export const Verdict = {
  /** Interrupted by a signal: repeat the call at once. */
  retry: 0,
  /** No data, or no room: poll reports when there is. */
  notReady: 1,
  /** The kernel cannot do it now and has taken nothing: repeat the call after a pause. poll does not report this. */
  denied: 2,
  /** Permanent: the worker ends with this errno. */
  failed: 3,
} as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/** Our own descriptors and addresses are wrong: only a bug explains these. */
const impossible: ReadonlySet<number> = new Set([E.EBADF, E.EFAULT, E.ESPIPE]);

function temporary(errno: number): Verdict | undefined {
  switch (errno) {
    case E.EINTR:
      return Verdict.retry;
    case E.EAGAIN:
      return Verdict.notReady;
    // ENOMEM: no page for the exchange or the copy. ENOBUFS: the same for a socket.
    case E.ENOMEM:
    case E.ENOBUFS:
      return Verdict.denied;
    default:
      return undefined;
  }
}

/**
 * splice or read of trace_pipe_raw. `denied`: ENOMEM, and EBUSY while the buffer is used in another way (a
 * snapshot, a mapping). EINVAL means that the file position does not fit a changed sub-buffer size: the caller
 * reopens the file.
 */
export function readVerdict(errno: number): Verdict {
  // At each wake-up, with cold caches: what follows makes texts.
  if (errno === E.EAGAIN) return Verdict.notReady;
  assert(!impossible.has(errno), `trace_pipe_raw can be read (${errnoName(errno)})`);
  return temporary(errno) ?? (errno === E.EBUSY ? Verdict.denied : Verdict.failed);
}

/** splice, or read and write, from the pipe into the output. A failure means a port or file that is gone or full. */
export function sendVerdict(errno: number): Verdict {
  if (errno === E.EAGAIN) return Verdict.notReady;
  // EBADF is the user's mistake: a stdout that was opened for reading.
  assert(errno !== E.EFAULT && errno !== E.ESPIPE, `the output can be written (${errnoName(errno)})`);
  return temporary(errno) ?? Verdict.failed;
}

/** write into our own pipe, which is empty and has a reader: only memory can be missing. */
export function fillVerdict(errno: number): Verdict {
  const verdict = temporary(errno);
  assert(verdict === Verdict.retry || verdict === Verdict.denied, `an empty pipe takes bytes (${errnoName(errno)})`);
  return verdict;
}
