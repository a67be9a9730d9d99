/** A recorder's status for people. Its names come from a socket that may be anybody's. */
import { foreignText } from "../../base/foreign-text.ts";
import { table } from "../../base/table.ts";
import type { MachineStatus, ControlStatus } from "./messages.ts";

const head = ["machine", "state", "received", "segments", "overrun", "dropped", "lost bytes", "silent"];

const modeTexts: Record<ControlStatus["mode"], string> = {
  whole: "a file of each machine at the end",
  segments: "segments (--rotate)",
  ring: "the newest in a ring (--last)",
};

export function recorderText(status: ControlStatus): string {
  const { directory, version, pid, started, state, mode, diskBytes, spoolBytes, snapshots, machines } = status;
  const taken = Object.entries(snapshots).map(([trigger, count]) => `${count} by ${foreignText(trigger)}`);
  const lines = [
    `${foreignText(directory)} (trace-agent ${foreignText(version)}, pid ${pid}): ${state} since ${foreignText(started)}`,
    `  ${modeTexts[mode]}; ${diskBytes} bytes on the disk, ${spoolBytes} of them in the spool${taken.length === 0 ? "" : `; snapshots: ${taken.join(", ")}`}`,
  ];
  const rows = machines.map(rowOf);
  const reasons = machines.flatMap(({ name, reason }) =>
    reason === undefined ? [] : [`${foreignText(name)}: ${foreignText(reason)}\n`],
  );
  return `${lines.join("\n")}\n${rows.length === 0 ? "" : table(head, rows, "left")}${reasons.join("")}`;
}

function rowOf({ name, state, receivedBytes, segments, lost, lostBytes, silentSeconds }: MachineStatus): string[] {
  const silent = silentSeconds === 0 ? "-" : `${silentSeconds.toFixed(1)} s`;
  return [
    foreignText(name),
    state,
    ...[receivedBytes, segments, lost.overrun, lost.dropped, lostBytes].map(String),
    silent,
  ];
}
