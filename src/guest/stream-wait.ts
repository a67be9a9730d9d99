/** The only places where a CPU worker waits: for data of its ring buffer, for room in its port. */
import { clearEventFd } from "../../ffi/eventfd.ts";
import { readInto } from "../../ffi/fd.ts";
import { POLL } from "../../ffi/poll.ts";
import { limits } from "../limits.ts";
import { Counter, Word, wordIndex } from "./run-state.ts";
import { add, dataSlot, type Stream, wakeSlot } from "./stream.ts";

/**
 * Waits for the ring buffer's wake-up (buffer_percent), an order, or the time of the next look: soon after data, so that a
 * busy CPU is not late, else rarely, so that an idle guest is left in peace.
 */
export function waitForData(stream: Stream): void {
  const blind = stream.wokenInVain;
  const timeoutMs = blind ? limits.emptyWakeMs : nextLookMs(stream);
  stream.foundBytes = 0;
  stream.wokenInVain = false;
  stream.drained = false;
  stream.dataPoll.set(dataSlot, blind ? -1 : stream.rawFd, POLL.IN);
  const ready = stream.dataPoll.wait(timeoutMs);
  if (ready > 0) {
    if (stream.dataPoll.revents(wakeSlot) !== 0) clearEventFd(stream.wakeFd);
    stream.wokenInVain = stream.dataPoll.revents(dataSlot) !== 0;
  }
}

function nextLookMs({ foundBytes, partialDueAt }: Stream): number {
  if (foundBytes > 0 && foundBytes < limits.heavyLookBytes) return limits.busyLookMs;
  const untilPartialMs = Math.ceil(partialDueAt - performance.now());
  if (foundBytes === 0) return Math.max(untilPartialMs, 1);
  return Math.min(Math.max(untilPartialMs, limits.busyLookMs), limits.heavyLookMs);
}

/** Waits until the port can take data, without spinning while it has no host. */
export function waitForPort(stream: Stream): void {
  const ready = stream.portPoll.wait(-1);
  if (ready <= 0) return;
  if (stream.portPoll.revents(wakeSlot) !== 0) clearEventFd(stream.wakeFd);
  if ((stream.portPoll.revents(dataSlot) & POLL.HUP) !== 0 && stream.hostWatch !== undefined) waitForHost(stream);
}

/** poll reports POLLHUP for as long as no host is connected; the edge-triggered watch speaks once when one comes. */
function waitForHost(stream: Stream): void {
  const { hostWatch, portPoll, settings } = stream;
  if (hostWatch === undefined) return;
  const absent = wordIndex(settings.worker, Word.hostAbsent);
  Atomics.store(stream.words, absent, 1);
  dropTornSubBuffer(stream);
  hostWatch.consume();
  // The host may have come before the watch was emptied: ask once more before waiting.
  portPoll.wait(0);
  if ((portPoll.revents(dataSlot) & POLL.HUP) !== 0) {
    portPoll.set(dataSlot, hostWatch.fd, POLL.IN);
    if (portPoll.wait(-1) > 0 && portPoll.revents(wakeSlot) !== 0) clearEventFd(stream.wakeFd);
    portPoll.set(dataSlot, stream.outputFd, POLL.OUT);
  }
  Atomics.store(stream.words, absent, 0);
}

/** A new host's stream begins with a whole sub-buffer: the rest of one that was cut by the disconnection is not sent. */
function dropTornSubBuffer(stream: Stream): void {
  if (stream.sentOfSubBuffer === 0) return;
  const rest = Math.min(stream.subBufferBytes - stream.sentOfSubBuffer, stream.queued);
  const dropped = readInto(stream.pipeRead, stream.partial, rest);
  if (dropped <= 0) return;
  stream.queued -= dropped;
  stream.sentOfSubBuffer = (stream.sentOfSubBuffer + dropped) % stream.subBufferBytes;
  add(stream, Counter.lostBytes, dropped);
}
