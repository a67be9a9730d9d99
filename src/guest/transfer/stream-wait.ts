/** The only places where a CPU worker waits: for data in its ring buffer, for room in its port. */
import { clearEventFd } from "../../../ffi/eventfd.ts";
import { readInto } from "../../../ffi/fd.ts";
import { POLL } from "../../../ffi/poll.ts";
import { assert } from "../../base/errors.ts";
import { guestLimits } from "../limits.ts";
import { notePortWait, ownWaitMs } from "./own-time.ts";
import { Counter } from "./run-state.ts";
import { add, dataSlot, type Stream, wakeSlot, wantPartial } from "./stream.ts";

/**
 * Sleeps until the ring buffer's wake-up (buffer_percent), an order, or until the partial sub-buffer is due: a busy worker knows that
 * itself, the others are woken by the periodic check where their CPU has unread events.
 */
export function waitForData(stream: Stream): void {
  const ownMs = ownWaitMs(stream);
  if (ownMs === 0) {
    wantPartial(stream);
    stream.drained = false;
    return;
  }
  const otherMs = chooseWait(stream);
  const timeoutMs = ownMs < 0 || (otherMs >= 0 && otherMs < ownMs) ? otherMs : ownMs;
  stream.foundWhole = false;
  stream.spuriousWakeUp = false;
  stream.drained = false;
  stream.dataPoll.set(dataSlot, stream.blind ? -1 : stream.rawFd, POLL.IN);
  const ready = stream.keepsTime || announceSleep(stream) ? stream.dataPoll.wait(timeoutMs) : 0;
  stream.words[stream.sleepingIndex] = 0;
  if (ready > 0) {
    if (stream.dataPoll.revents(wakeSlot) !== 0) clearEventFd(stream.wakeFd);
    stream.spuriousWakeUp = stream.dataPoll.revents(dataSlot) !== 0;
  } else if (ready === 0 && timeoutMs === ownMs) {
    wantPartial(stream);
  }
}

/** For the periodic check. False: it came just before. It sets what is due before it reads who sleeps, and signals the eventfd then. */
function announceSleep({ words, sleepingIndex, partialDueIndex }: Stream): boolean {
  Atomics.store(words, sleepingIndex, 1);
  return Atomics.load(words, partialDueIndex) === 0;
}

/**
 * Whether the ring buffer is polled, and how long the wait is at most. Where poll wakes at every event, the ring buffer is
 * polled only until the first one. That may be the start of a burst, so the buffer is read once more after a moment, then
 * at short intervals while whole sub-buffers arrive; otherwise the wait ends when the partial sub-buffer is due.
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
  notePortWait(stream);
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
  const restBytes = stream.subBufferBytes - stream.sentOfSubBuffer;
  const rest = Math.min(restBytes, stream.queued);
  // Behind what is held back, which may belong to another one.
  const dropped = rest === 0 ? 0 : readInto(stream.pipeRead, stream.partial, rest, stream.heldTo);
  assert(dropped === rest, `the pipe holds what was put into it: ${rest} bytes, read ${dropped}`);
  add(stream, Counter.lostBytes, dropped);
  stream.queued -= dropped;
  if (restBytes > dropped) {
    // What is held back of a sub-buffer larger than the pipe is the end of this one.
    add(stream, Counter.lostBytes, stream.heldTo - stream.heldFrom);
    stream.heldFrom = stream.heldTo = 0;
  }
  stream.sentOfSubBuffer = 0;
}
