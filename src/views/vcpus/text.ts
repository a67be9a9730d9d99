/** The vCPUs of a host's guests as text. */
import { foreignText } from "../../base/foreign-text.ts";
import { counted } from "../../base/plural.ts";
import { table } from "../../base/table.ts";
import { formatCpuList } from "../../tracefs/cpu-list.ts";
import { schedulingLimits } from "../scheduling/limits.ts";
import { shownTime } from "../shown-time.ts";
import { type GuestVcpus, type HostVcpus, threadsOf } from "./host-vcpus.ts";
import { vcpuLimits } from "./limits.ts";
import type { Stall } from "./vcpu-times.ts";
import { unknownNs } from "./unknown-time.ts";

/** Sections of all guests; `spanNs`: from the host's first event to its last. */
export function vcpuSections(host: HostVcpus, spanNs: number): string[] {
  const sections = host.guests.flatMap((guest) =>
    guest.cpus.every((times) => times === undefined)
      ? [`VCPUS OF ${foreignText(guest.name)}: it is not known which tasks of the host run them\n`]
      : [timesTable(host, guest, spanNs), latencyTable(guest), stallSection(host, guest)],
  );
  if (host.isCut) sections.push(`More vCPUs than ${vcpuLimits.vcpus}: the others are left out.\n`);
  return sections.filter((section) => section !== "");
}

/** WAITED: could run, and did not: what a guest sees as steal. */
function timesTable(host: HostVcpus, guest: GuestVcpus, spanNs: number): string {
  const rows = threadsOf(guest).map(({ vcpus, times }) => {
    if (times === undefined) return [vcpuText(vcpus), "unknown", "-", "-", "-", "-", "-"];
    const { sleepNs = 0, blockedNs = 0 } = host.scheduling.tasks.find(times.task) ?? {};
    return [
      vcpuText(vcpus),
      named(host.scheduling.catalog.tasks.text(times.task), times.task),
      ms(times.runNs),
      ms(times.stallNs),
      spanNs > 0 ? `${((100 * times.stallNs) / spanNs).toFixed(1)} %` : "-",
      ms(sleepNs + blockedNs),
      ms(unknownNs(host, times, spanNs)),
    ];
  });
  const title = `VCPUS OF ${foreignText(guest.name)}`;
  return table([title, "HOST TASK", "RAN MS", "WAITED MS", "STEAL", "IDLE MS", "UNKNOWN MS"], rows, "left");
}

/** Of the threads on the host, and what stalls did to the guest's tasks. */
function latencyTable(guest: GuestVcpus): string {
  const known = threadsOf(guest).flatMap(({ times }) => times ?? []);
  const rows = known.map(({ vcpus, latencies, preemptions, guest: { wakeups, delayed, delayedNs } }) => {
    const at = (share: number): string => (latencies === undefined ? "-" : us(latencies.percentile(share)));
    const row = [vcpuText(vcpus), String(latencies?.count ?? 0), at(0.5), at(0.99), at(1), String(preemptions)];
    return guest.isJoined ? row.concat(String(wakeups), String(delayed), ms(delayedNs)) : row;
  });
  const ofGuest = guest.isJoined ? ["WAKE-UPS INSIDE", "DELAYED", "BY MS"] : [];
  return table(["", "THREAD WAKE-UPS", "P50 US", "P99 US", "MAX US", "PREEMPTED", ...ofGuest], rows, "left");
}

function stallSection(host: HostVcpus, guest: GuestVcpus): string {
  const lines = guest.stalls.all.flatMap((stall) => [
    `${(stall.isEndCut ? ">" : "") + us(stall.end - stall.start)} us from ${shownTime(host.epoch + BigInt(Math.round(stall.start)), true)}: ${vcpuText(stall.vcpus)} ${stall.cause === "preempted" ? "was preempted" : "was woken"} on CPU ${stall.cpu}`,
    `    meanwhile it ran ${ranText(stall)}`,
    ...wakeupLines(stall),
  ]);
  return lines.length === 0
    ? ""
    : `LONGEST STALLS OF ${foreignText(guest.name)} (a vCPU could run, and did not)\n${lines.join("\n")}\n`;
}

function ranText({ ran, interruptsNs, isWhole }: Stall): string {
  const texts = ran
    .slice(0, schedulingLimits.meanwhileTasksInText)
    .map(({ pid, name, ns }) => `${pid === 0 ? "idle" : named(name, pid)} ${us(ns)} us`);
  if (interruptsNs > 0) texts.push(`of that ${us(interruptsNs)} us in interrupts`);
  if (texts.length === 0) return "what is not known";
  return `${texts.join(", ")}${isWhole ? "" : "; the rest is not known"}`;
}

function wakeupLines({ wakeups, wakeupCount }: Stall): string[] {
  const more = wakeupCount - wakeups.length;
  const lines = wakeups.map(
    ({ wakeup: { pid, name, start, end }, ns }) =>
      `    inside, ${named(name, pid)} was woken and waited ${us(end - start)} us, ${us(ns)} us of it for this`,
  );
  return more > 0 ? [...lines, `    and ${counted(more, "further wake-up")} inside`] : lines;
}

function vcpuText(vcpus: readonly number[]): string {
  return `vCPU ${formatCpuList(vcpus)}`;
}

function named(name: string, pid: number): string {
  return `${foreignText(name)}-${pid}`;
}

function us(ns: number): string {
  return (ns / 1e3).toFixed(1);
}

function ms(ns: number): string {
  return (ns / 1e6).toFixed(3);
}
