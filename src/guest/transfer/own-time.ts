/**
 * When the partial sub-buffer of a busy CPU is due. A worker that finds whole sub-buffers wakes anyway, so it keeps its own time, and
 * the periodic check (latency-check.ts) leaves it alone: a check, and what it takes to wake a worker, cost more than the data that it finds.
 *
 * Before each wait a worker takes all whole sub-buffers. If there was one, the partial sub-buffer that it left the time before was among
 * them: what is unread now was written after that. So while the ring buffer's own wake-up comes often enough, no partial sub-buffer is
 * ever due.
 *
 * The time is asked once for each wait: it is one of the dearest calls of a worker that finds all caches cold.
 */
import { latencyIndex } from "./run-state.ts";
import { keepTime, type Stream } from "./stream.ts";

/**
 * For how many ms a worker that is about to wait may do so: 0 where the partial sub-buffer is to be sent first, -1 where it does not keep
 * its own time.
 */
export function ownWaitMs(stream: Stream): number {
  const nowMs = performance.now();
  // Where it waited for its port, data may have come since it read the last ones.
  const drainedMs = stream.portWaitMs === 0 ? nowMs : stream.portWaitMs;
  const periodMs = drainedMs - stream.drainedMs;
  if (stream.handedOver) stream.unreadSinceMs = drainedMs;
  else if (stream.foundWhole) stream.unreadSinceMs = stream.drainedMs;
  stream.drainedMs = drainedMs;
  stream.portWaitMs = 0;
  const latencyMs = stream.words[latencyIndex] ?? 0;
  const keepsTime = latencyMs > 0 && (stream.foundWhole || (stream.keepsTime && !stream.foundEmpty));
  // If it is due before the next wake-up is to be expected, it is sent now: that costs less than a wake-up of its own.
  const expectedMs = stream.handedOver ? 0 : periodMs;
  stream.handedOver = stream.foundEmpty = false;
  if (keepsTime !== stream.keepsTime) keepTime(stream, keepsTime);
  if (!keepsTime) return -1;
  const leftMs = stream.unreadSinceMs + latencyMs - nowMs;
  return leftMs <= expectedMs ? 0 : Math.ceil(leftMs) | 0;
}

/** Before the first wait for the port since the last wait for data. */
export function notePortWait(stream: Stream): void {
  if (stream.portWaitMs === 0) stream.portWaitMs = performance.now();
}
