/** The summary after a recording: per CPU bytes, events, losses and their meaning; and how to open the file. */
import { counted } from "../base/plural.ts";
import { table } from "../base/table.ts";
import type { Found } from "../protocol/replies.ts";
import type { CpuBalance } from "../trace-dat/spool/balance.ts";
import type { Finished } from "../trace-dat/spool/finish.ts";
import { formatCpuList } from "../tracefs/cpu-list.ts";
import { lossCell } from "./loss-text.ts";

export function recordedText(output: string, finished: Finished): string {
  const quoted = /^[\w@%+=:,./-]+$/.test(output) ? output : `'${output.replaceAll("'", `'\\''`)}'`;
  return [
    recordedTable(finished),
    `\n${output}: ${finished.bytes} bytes. Open it with:\n`,
    `  trace-agent report ${quoted}\n  trace-cmd report -i ${quoted}\n  kernelshark ${quoted}\n`,
  ].join("");
}

/** Without how to open it. */
export function recordedTable(finished: Finished): string {
  const { metadata, balances, found } = finished;
  const absent = absentCpus(finished);
  const cpus = finished.cpus.filter(({ cpu }) => !absent.includes(cpu));
  const sum = (of: (tally: (typeof cpus)[number]) => number): number =>
    cpus.reduce((total, tally) => total + of(tally), 0);
  const events = sum((t) => t.events);
  const losses = { lostEvents: sum((t) => t.lostEvents), unknownLosses: sum((t) => t.unknownLosses) };
  const further = furtherColumns(balances);
  const rows = cpus.map(({ cpu, bytes: size, events: count, ...cpuLosses }) => {
    const balance = balances.find((entry) => entry.cpu === cpu);
    const told = balance?.counted;
    const [overrun, dropped] =
      told === undefined ? ["?", "?"] : [`${told.overrun}`, `${told.commitOverrun + told.dropped}`];
    const more = further.map(({ of }) => (balance === undefined ? "?" : of(balance)));
    return [`${cpu}`, `${size}`, `${count}`, lossCell(cpuLosses), overrun, dropped].concat(more);
  });
  rows.push(["all", `${sum((t) => t.bytes)}`, `${events}`, lossCell(losses)]);
  const head = ["CPU", "bytes", "events", "lost", "overrun", "dropped", ...further.map(({ title }) => title)];
  const lost = losses.lostEvents > 0 || losses.unknownLosses > 0;
  return [
    table(head, rows),
    absent.length === 0 ? "" : absentWords(absent, metadata.cpus),
    lossWords(lost, balances, metadata.bufferSizeKb),
    events === 0 ? emptyWords(found) : "",
  ].join("");
}

/** They have a port, and the guest, which has told of itself, has fewer CPUs. */
function absentCpus({ cpus, metadata, balances }: Finished): number[] {
  const isCounted = (cpu: number): boolean =>
    balances.some((entry) => entry.cpu === cpu && entry.counted !== undefined);
  if (metadata.formats.length === 0) return [];
  return cpus.flatMap(({ cpu, bytes }) => (cpu < metadata.cpus || bytes > 0 || isCounted(cpu) ? [] : [cpu]));
}

function absentWords(absent: readonly number[], cpus: number): string {
  const ports = counted(absent.length, "port");
  return `\nThe guest has ${counted(cpus, "CPU")}: nothing comes from the ${ports} of CPU ${formatCpuList(absent)}.\n`;
}

type Column = { title: string; of: (balance: CpuBalance) => string };

/** Columns that are all 0 in a complete recording. */
function furtherColumns(balances: readonly CpuBalance[]): Column[] {
  const columns: Column[] = [
    { title: "bytes lost in transit", of: ({ transitBytes }) => `${transitBytes}` },
    { title: "taken by another reader", of: ({ taken }) => `${taken}` },
    { title: "not served", of: ({ notServed }) => (notServed === undefined ? "0" : `${notServed.events}`) },
  ];
  const isNeeded = [
    ({ transitBytes }: CpuBalance) => transitBytes > 0,
    ({ taken }: CpuBalance) => taken > 0,
    ({ notServed }: CpuBalance) => notServed !== undefined,
  ];
  return columns.filter((_, index) => balances.some((balance) => isNeeded[index]?.(balance) === true));
}

/** Explains the columns that are not all 0, and what helps. */
function lossWords(lost: boolean, balances: readonly CpuBalance[], bufferKb: string | undefined): string {
  const total = (of: (told: NonNullable<CpuBalance["counted"]>) => number): number =>
    balances.reduce((sum, { counted: told }) => sum + (told === undefined ? 0 : of(told)), 0);
  const overrun = total((told) => told.overrun);
  const dropped = total((told) => told.commitOverrun + told.dropped);
  const words: string[] = [];
  if (lost) words.push("lost: missing inside the file, where it says so (gaps between events that were received)");
  if (overrun > 0) words.push("overrun: overwritten in the ring buffer before they were read, at its ends too");
  if (dropped > 0) words.push("dropped: not written at all, since the ring buffer was full or busy");
  if (words.length === 0) return "";
  const [kilobytes] = /\d{1,12}(?=\)?$)/.exec(bufferKb?.trim() ?? "") ?? [];
  const now = kilobytes === undefined ? "" : ` (now ${kilobytes} KB a CPU: -b ${Number(kilobytes) * 8})`;
  return `\n${words.join("\n")}\nTo lose fewer, make the ring buffer larger with -b KB${now}, or record fewer events.\n`;
}

/** Why nothing was recorded, as far as the guest reported. */
function emptyWords(found: Found | undefined): string {
  if (found === undefined)
    return "\nNo event was recorded. Where it was to be, check tracing_on, set_event_pid and the events' filters.\n";
  const reasons = reasonsOf(found);
  if (reasons.length === 0)
    return "\nNo event was recorded, and nothing was found that keeps events out. Is an event enabled (-e)?\n";
  return `\nNo event was recorded. What keeps events out:\n${reasons.map((reason) => `  ${reason}\n`).join("")}`;
}

/** What keeps events out of a recording. */
export function reasonsOf({ tracingOn, pids, notracePids, filters, filtersInAll }: Found): string[] {
  const reasons: string[] = [];
  if (!tracingOn) reasons.push("tracing_on is 0");
  if (pids !== "") reasons.push(`set_event_pid has only these tasks traced: ${pids}`);
  if (notracePids !== "") reasons.push(`set_event_notrace_pid has these tasks not traced: ${notracePids}`);
  for (const { event, filter } of filters) reasons.push(`${event} has a filter: ${filter}`);
  const further = filtersInAll - filters.length;
  if (further > 0) reasons.push(`there are filters of ${counted(further, "further event")}`);
  return reasons;
}
