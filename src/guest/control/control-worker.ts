/**
 * Waits for orders on the control port, and for state changes of the CPU workers (the done eventfd).
 *
 * Main cannot wait itself: its event loop takes a port without a host for end of file, or spins on it. Orders are
 * decoded here. While main works, further orders wait in the intake; when many wait, the port is not read, so a
 * flood does not grow memory. During a run it also makes the periodic check (LatencyCheck). What the clocks show is told here,
 * so that the answer does not wait for main, and that main works while the kernel holds it. Where main permits it a start is ordered
 * here too (EarlyStart).
 */
import { E } from "../../../ffi/errno.ts";
import { EdgeWatch } from "../../../ffi/epoll.ts";
import { clearEventFd } from "../../../ffi/eventfd.ts";
import { readInto } from "../../../ffi/fd.ts";
import { POLL, PollSet } from "../../../ffi/poll.ts";
import { releaseTsc } from "../../../ffi/tsc.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import type { Order } from "../../protocol/orders.ts";
import type { PortTraits } from "../../transport/transport.ts";
import { LatencyCheck } from "../transfer/latency-check.ts";
import { controlBusyIndex, ControlState, Held, heldIndex, RunState } from "../transfer/run-state.ts";
import { runWorker, settleWorker } from "../heap-settling.ts";
import { guestLimits } from "../limits.ts";
import { AckWait } from "./ack-wait.ts";
import { warmUpCheck } from "./check-warm-up.ts";
import { takePortChanges } from "./device-changes.ts";
import { EarlyStart, practiseEarlyStart } from "./early-start.ts";
import { OrderIntake } from "./order-intake.ts";
import { PortLock, PortUser } from "./port-lock.ts";
import { WorkerReplies } from "./worker-replies.ts";

declare const self: Worker;

export type ControlWorkerJob = {
  memory: SharedArrayBuffer;
  tracingDirectory: string;
  /** All CPUs, by the number of their worker. */
  cpus: readonly number[];
  /** Main's signal: it has handled what it was sent, a run begins or ends, or the worker must end (`ControlState.end`). */
  wakeFd: number;
  doneFd: number;
  /** Tells of device nodes; -1 where they cannot be watched. */
  devicesFd: number;
  /** -1 without a control port. */
  controlFd: number;
  /** The same port for replies; -1 where there is no way back. */
  writeFd: number;
  traits: PortTraits | undefined;
};

export type ControlWorkerMessage =
  /** Since the last message: new orders; bytes arrived even if no order was completed. */
  | { kind: "orders"; orders: Order[] }
  | { kind: "host"; present: boolean }
  | { kind: "done" }
  /** A port's device node came or went. */
  | { kind: "ports" }
  | { kind: "lost"; errno: number }
  | { kind: "end" };

const wakeSlot = 0;
const doneSlot = 1;
const controlSlot = 2;
const answerSlot = 3;
const devicesSlot = 4;

self.onmessage = (message: MessageEvent<ControlWorkerJob>): void => {
  // So that the code is there when the first order comes: a full ring buffer may wait for it.
  const practice = new OrderIntake();
  practice.take(Buffer.from("1\nstatus\n"));
  practice.give();
  practiseEarlyStart(() => new RunState(1));
  runWorker(async () => {
    await watch(message.data, (news) => self.postMessage(news));
    self.postMessage({ kind: "end" } satisfies ControlWorkerMessage);
  });
};

async function watch(job: ControlWorkerJob, tell: (news: ControlWorkerMessage) => void): Promise<void> {
  const run = new RunState(job.memory);
  const { words } = run;
  const check = new LatencyCheck(run, job.tracingDirectory, job.cpus);
  const bytes = new Uint8Array(new ArrayBuffer(protocolLimits.controlReadBytes));
  const poll = new PollSet(5);
  poll.set(wakeSlot, job.wakeFd, POLL.IN);
  poll.set(doneSlot, job.doneFd, POLL.IN);
  poll.set(devicesSlot, job.devicesFd, POLL.IN);
  const edge = job.controlFd >= 0 && job.traits?.absentHost === true ? new EdgeWatch(job.controlFd) : undefined;
  const start = new EarlyStart(run, `${job.tracingDirectory}/per_cpu`, job.cpus.length);
  const replies = new WorkerReplies(new PortLock(words, PortUser.controlWorker), job.writeFd);
  const acknowledge = (cpu: number, position: number): void => {
    const worker = job.cpus.indexOf(cpu);
    if (worker >= 0) run.acknowledge(worker, position);
  };
  const intake = new OrderIntake((order) => {
    if (order.order === "clock") replies.answer(order.nonce);
    if (order.order === "ack") acknowledge(order.cpu, order.bytes);
    return order.order === "clock" || order.order === "ack";
  });
  const waits = new AckWait({ poll, fd: job.controlFd, slot: controlSlot, bytes, intake, acknowledge });
  // Main carries out no orders at once, so that its code too is there when the first one comes.
  intake.take(new Uint8Array(0));
  const passes = guestLimits.warmUpPasses.values();
  let pass = passes.next().value;
  let hostPresent = true;
  /** One was there, and may leave. */
  let hostSeen = false;
  let lost = job.controlFd < 0;
  /** The host or the port went away after orders that main has not carried out: main is told after those. */
  let endWaits = false;
  /** When to tell a host that main works, if it still does then. */
  let progressAtMs = 0;
  const tellProgress = (): void => {
    if (performance.now() < progressAtMs) return;
    progressAtMs = performance.now() + guestLimits.progressMs;
    const held = Atomics.load(words, heldIndex);
    if (held !== Held.free) replies.progress(held === Held.set ? "set" : "restore");
  };
  let listening = false;
  let warmsUp = false;
  /** Sets what is waited for; gives for how long at most. */
  const prepare = (mainFree: boolean): number => {
    listening = !lost && !endWaits && !intake.full;
    poll.set(controlSlot, listening ? (hostPresent ? job.controlFd : (edge?.fd ?? -1)) : -1, POLL.IN);
    // Without a host the port is ready to be written all the time.
    poll.set(answerSlot, replies.needsRoom && hostPresent && listening ? job.writeFd : -1, POLL.OUT);
    const untilCheckMs = check.turn(performance.now());
    warmsUp = untilCheckMs < 0 && pass !== undefined && !replies.waiting;
    const untilWorkMs = warmsUp && pass !== undefined ? pass.afterMs : untilCheckMs;
    const untilProgressMs = mainFree ? -1 : Math.max(0, Math.ceil(progressAtMs - performance.now()) | 0);
    return sooner(untilProgressMs, sooner(untilWorkMs, replies.waitMs));
  };
  try {
    for (;;) {
      const state = Atomics.load(words, controlBusyIndex);
      if (state === ControlState.end) return;
      const mainFree = state === ControlState.free;
      if (mainFree && intake.received) {
        if (Atomics.compareExchange(words, controlBusyIndex, ControlState.free, ControlState.busy) !== state) continue;
        progressAtMs = performance.now() + guestLimits.progressMs;
        tell({ kind: "orders", orders: intake.give() });
        continue;
      }
      if (mainFree) endWaits = false;
      else tellProgress();
      const ready = waits.wait(prepare(mainFree), listening && hostPresent);
      hostSeen ||= waits.tookAcks;
      if (replies.waiting) replies.send();
      if (ready === 0 && warmsUp && pass !== undefined) {
        const { rounds } = pass;
        pass = passes.next().value;
        warmUpCheck(job.tracingDirectory, job.cpus[0] ?? 0, rounds, () => {
          if (!intake.received) prepare(true);
          return poll.wait(0) > 0 && poll.revents(wakeSlot) + poll.revents(doneSlot) + poll.revents(controlSlot) > 0;
        });
        // What start-up and compilation left behind: from here on the thread only waits and reads.
        await settleWorker();
      }
      if (ready <= 0) continue;
      if (poll.revents(wakeSlot) !== 0) clearEventFd(job.wakeFd);
      if (poll.revents(doneSlot) !== 0) {
        clearEventFd(job.doneFd);
        tell({ kind: "done" });
      }
      if (poll.revents(devicesSlot) !== 0 && takePortChanges(job.devicesFd, bytes)) tell({ kind: "ports" });
      if (!listening || poll.revents(controlSlot) === 0) continue;
      if (!hostPresent) edge?.consume();
      const count = waits.hasRead ? waits.count : readInto(job.controlFd, bytes);
      hostSeen ||= count > 0 || count === -E.EAGAIN;
      if (count > 0) {
        const behindAcks = waits.hasRead ? waits.behindAcks : intake.takeAcks(bytes, count, acknowledge);
        if (mainFree && behindAcks === 0 && intake.isEmpty) start.consider(bytes);
        if (behindAcks < count) replies.stampRead();
        if (!hostPresent) tell({ kind: "host", present: (hostPresent = true) });
        if (behindAcks < count) intake.take(bytes.subarray(behindAcks, count), behindAcks > 0);
      } else if (count === -E.EAGAIN || count === -E.EINTR) {
        if (count === -E.EAGAIN && !hostPresent) tell({ kind: "host", present: (hostPresent = true) });
      } else if (!mainFree) {
        endWaits = true;
      } else if (count === 0 && job.traits?.hangsUp === true) {
        lost = true;
        tell({ kind: "lost", errno: E.ECONNRESET });
      } else if (count === 0) {
        // No host is connected: not an end. The edge-triggered watch reports when one connects.
        intake.forgetHalf();
        replies.drop();
        if (hostSeen) run.hostLeft();
        hostSeen = false;
        if (hostPresent) tell({ kind: "host", present: (hostPresent = false) });
      } else {
        lost = true;
        tell({ kind: "lost", errno: -count });
      }
    }
  } finally {
    replies.drop();
    releaseTsc();
    edge?.close();
    check.close();
  }
}

/** Of two waits; -1 is without end. */
function sooner(oneMs: number, otherMs: number): number {
  return oneMs < 0 || otherMs < 0 ? Math.max(oneMs, otherMs) : Math.min(oneMs, otherMs);
}
