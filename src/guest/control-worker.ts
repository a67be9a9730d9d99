/**
 * Waits for what main must hear of: bytes on the control port, and state changes of the CPU workers (the done eventfd).
 *
 * Main cannot wait itself: its event loop takes a port without a host for the end of a file, or spins on it. While main has
 * not handled what it was sent, no more is read, so a flood on the port does not grow memory.
 */
import { E } from "../../ffi/errno.ts";
import { EdgeWatch } from "../../ffi/epoll.ts";
import { clearEventFd } from "../../ffi/eventfd.ts";
import { readInto } from "../../ffi/fd.ts";
import { POLL, PollSet } from "../../ffi/poll.ts";
import { limits } from "../limits.ts";
import type { OutputKind } from "./output-kind.ts";
import { controlBusyIndex } from "./run-state.ts";

declare const self: Worker;

export type ControlWorkerJob = {
  memory: SharedArrayBuffer;
  /** Main signals: it has handled what it was sent, or the worker shall end (`controlEnd` in the busy word). */
  wakeFd: number;
  doneFd: number;
  /** -1 without a control port. */
  controlFd: number;
  controlKind: OutputKind;
};

/** Values of the busy word of the run state. */
export const ControlState = { free: 0, busy: 1, end: 2 } as const;

export type ControlWorkerMessage =
  | { kind: "bytes"; bytes: Uint8Array }
  | { kind: "host"; present: boolean }
  | { kind: "done" }
  | { kind: "lost"; errno: number }
  | { kind: "end" };

const wakeSlot = 0;
const doneSlot = 1;
const controlSlot = 2;

self.onmessage = (message: MessageEvent<ControlWorkerJob>): void => {
  watch(message.data, (news) => self.postMessage(news));
  self.postMessage({ kind: "end" } satisfies ControlWorkerMessage);
};

function watch(job: ControlWorkerJob, tell: (news: ControlWorkerMessage) => void): void {
  const words = new Int32Array(job.memory);
  const bytes = new Uint8Array(new ArrayBuffer(limits.controlReadBytes));
  const poll = new PollSet(3);
  poll.set(wakeSlot, job.wakeFd, POLL.IN);
  poll.set(doneSlot, job.doneFd, POLL.IN);
  const edge = job.controlFd >= 0 && job.controlKind === "virtio" ? new EdgeWatch(job.controlFd) : undefined;
  let hostPresent = true;
  let lost = job.controlFd < 0;
  try {
    for (;;) {
      const state = Atomics.load(words, controlBusyIndex);
      if (state === ControlState.end) return;
      const listening = !lost && state === ControlState.free;
      poll.set(controlSlot, listening ? (hostPresent ? job.controlFd : (edge?.fd ?? -1)) : -1, POLL.IN);
      if (poll.wait(-1) <= 0) continue;
      if (poll.revents(wakeSlot) !== 0) clearEventFd(job.wakeFd);
      if (poll.revents(doneSlot) !== 0) {
        clearEventFd(job.doneFd);
        tell({ kind: "done" });
      }
      if (!listening || poll.revents(controlSlot) === 0) continue;
      if (!hostPresent) edge?.consume();
      const count = readInto(job.controlFd, bytes);
      if (count > 0) {
        if (!hostPresent) tell({ kind: "host", present: (hostPresent = true) });
        Atomics.store(words, controlBusyIndex, ControlState.busy);
        tell({ kind: "bytes", bytes: bytes.slice(0, count) });
      } else if (count === 0 && job.controlKind === "socket") {
        lost = true;
        tell({ kind: "lost", errno: E.ECONNRESET });
      } else if (count === 0) {
        // No host is connected: not an end. The edge-triggered watch tells when one comes.
        if (hostPresent) tell({ kind: "host", present: (hostPresent = false) });
      } else if (count === -E.EAGAIN && !hostPresent) {
        tell({ kind: "host", present: (hostPresent = true) });
      } else if (count !== -E.EAGAIN && count !== -E.EINTR) {
        lost = true;
        tell({ kind: "lost", errno: -count });
      }
    }
  } finally {
    edge?.close();
  }
}
