/** The agent's accounting: what each CPU's stream carried and lost, for replies and for the log. */
import { readCpuStats } from "../../tracefs/cpu-stats.ts";
import type { CpuStatus } from "../../protocol/replies.ts";
import { Counter, type RunState } from "./run-state.ts";
import type { Supervisor } from "../supervisor.ts";

export function cpuStatus(run: RunState, supervisor: Supervisor, tracingDirectory: string): CpuStatus[] {
  return supervisor.slots.map(({ cpu, worker, state, port, restarts, bytes }) => {
    const stats = readCpuStats(tracingDirectory, cpu);
    return {
      cpu,
      state,
      port,
      bytes,
      subBuffers: Math.round(run.counter(worker, Counter.subBuffers)),
      entries: stats?.entries ?? 0,
      overrun: stats?.overrun ?? 0,
      commitOverrun: stats?.commitOverrun ?? 0,
      droppedEvents: stats?.droppedEvents ?? 0,
      readEvents: stats?.readEvents ?? 0,
      lostBytes: run.counter(worker, Counter.lostBytes),
      backpressure: run.counter(worker, Counter.backpressure),
      restarts,
    };
  });
}

/** One line per CPU, preceded by the losses. */
export function summaryLines(statuses: readonly CpuStatus[]): string[] {
  return statuses.map((status) => {
    const lost = status.overrun + status.commitOverrun + status.droppedEvents;
    const parts = [
      `CPU ${status.cpu}: ${status.state}, port ${status.port}`,
      `${status.bytes} bytes in ${status.subBuffers} sub-buffers sent`,
      `${lost} events lost (overrun ${status.overrun}, commit overrun ${status.commitOverrun}, dropped ${status.droppedEvents})`,
      `${status.lostBytes} bytes lost in transit`,
      `${status.entries} events unread`,
      `port full ${status.backpressure} times`,
    ];
    if (status.restarts > 0) parts.push(`restarted ${status.restarts} times`);
    return parts.join(", ");
  });
}
