/** The only places where a CPU worker waits: for data in its ring buffer, for room in its port. */
import { clearEventFd } from "../../../ffi/eventfd.ts";
import { readInto } from "../../../ffi/fd.ts";
import { POLL } from "../../../ffi/poll.ts";
import { assert } from "../../base/errors.ts";
import { guestLimits } from "../limits.ts";
import { Counter } from "./run-state.ts";
import { add, dataSlot, type Stream, wakeSlot } from "./stream.ts";

/**
 * Sleeps until the ring buffer's wake-up (buffer_percent), an order, or the periodic check, which wakes the worker of a
 * CPU with unread events.
 */
export function waitForData(stream: Stream): void {
  const timeoutMs = chooseWait(stream);
  stream.foundWhole = false;
  stream.spuriousWakeUp = false;
  stream.drained = false;
  stream.dataPoll.set(dataSlot, stream.blind ? -1 : stream.rawFd, POLL.IN);
  Atomics.store(stream.words, stream.sleepingIndex, 1);
  // The check sets this before it reads who sleeps: either it is seen here, or the eventfd is signalled.
  const due = Atomics.load(stream.words, stream.partialDueIndex) !== 0;
  const ready = due ? 0 : stream.dataPoll.wait(timeoutMs);
  Atomics.store(stream.words, stream.sleepingIndex, 0);
  if (ready > 0) {
    if (stream.dataPoll.revents(wakeSlot) !== 0) clearEventFd(stream.wakeFd);
    stream.spuriousWakeUp = stream.dataPoll.revents(dataSlot) !== 0;
  }
}

/**
 * Whether the ring buffer is polled, and how long the wait is at most. Where poll wakes at every event, the ring buffer is
 * polled only until the first one. That may be the start of a burst, so the buffer is read once more after a moment, then
 * at short intervals while whole sub-buffers arrive; otherwise the periodic check ends the wait.
 */
function chooseWait(stream: Stream): number {
  if (stream.spuriousWakeUp) {
    stream.wakesEarly = stream.blind = true;
    return guestLimits.emptyWakeMs;
  }
  if (!stream.wakesEarly || !stream.foundWhole) return stream.sleepMs;
  stream.blind = true;
  return guestLimits.earlyWakePollMs;
}

/** Pause before repeating a call for which the kernel had no memory: poll would return at once. */
export function waitAfterDenial(stream: Stream): void {
  stream.dataPoll.set(dataSlot, -1, 0);
  if (stream.dataPoll.wait(guestLimits.deniedPauseMs) > 0) clearEventFd(stream.wakeFd);
}

/** Waits until the port can take data, without spinning while it has no host. */
export function waitForPort(stream: Stream): void {
  const ready = stream.portPoll.wait(-1);
  if (ready <= 0) return;
  if (stream.portPoll.revents(wakeSlot) !== 0) clearEventFd(stream.wakeFd);
  if ((stream.portPoll.revents(dataSlot) & POLL.HUP) !== 0 && stream.hostWatch !== undefined) waitForHost(stream);
}

/**
 * poll reports POLLHUP for as long as no host is connected; the edge-triggered watch reports once when one
 * connects.
 */
function waitForHost(stream: Stream): void {
  const { hostWatch, portPoll } = stream;
  if (hostWatch === undefined) return;
  dropTornSubBuffer(stream);
  hostWatch.consume();
  // The host may have connected before the watch was emptied: poll once more before waiting.
  portPoll.wait(0);
  if ((portPoll.revents(dataSlot) & POLL.HUP) !== 0) {
    portPoll.set(dataSlot, hostWatch.fd, POLL.IN);
    if (portPoll.wait(-1) > 0 && portPoll.revents(wakeSlot) !== 0) clearEventFd(stream.wakeFd);
    portPoll.set(dataSlot, stream.outputFd, POLL.OUT);
  }
}

/**
 * A new host's stream begins with a whole sub-buffer: the rest of one that was cut by the disconnection is not
 * sent.
 */
function dropTornSubBuffer(stream: Stream): void {
  if (stream.sentOfSubBuffer === 0) return;
  const rest = Math.min(stream.subBufferBytes - stream.sentOfSubBuffer, stream.queued);
  const dropped = rest === 0 ? 0 : readInto(stream.pipeRead, stream.partial, rest);
  assert(dropped === rest, `the pipe holds what was put into it: ${rest} bytes, read ${dropped}`);
  // Anything held back of a sub-buffer larger than the pipe is the end of this one.
  add(stream, Counter.lostBytes, dropped + stream.heldTo - stream.heldFrom);
  stream.heldFrom = stream.heldTo = 0;
  stream.queued -= dropped;
  stream.sentOfSubBuffer = 0;
}
