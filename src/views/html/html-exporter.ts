/** `trace-agent report --html`: a recording as one page that needs nothing else, to be sent and opened anywhere. */
import { AgentError } from "../../base/errors.ts";
import { foreignText } from "../../base/foreign-text.ts";
import { versionText } from "../../base/version.ts";
import type { EventSelection } from "../../timeline/event-selection.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import type { RecordedPart } from "../../trace-dat/parts.ts";
import { EventExport } from "../event-export.ts";
import type { Exporter } from "../exporter.ts";
import { offsetText } from "../offset-text.ts";
import { labelOf } from "../part-label.ts";
import { SchedulingSummary } from "../scheduling/summary.ts";
import { shownTime } from "../shown-time.ts";
import { summaryObject } from "../summary-json.ts";
import type { Summed } from "../summed.ts";
import { TraceStatistics } from "../trace-statistics.ts";
import { isMain, isOfGuest } from "../vcpus/guest-parts.ts";
import { VcpuViews } from "../vcpus/vcpu-views.ts";
import { writeText } from "../written-text.ts";
import { base85 } from "./base85.ts";
import { pageLimits } from "./limits.ts";
import { PageMachine } from "./machine.ts";
import { PageBudget } from "./page-budget.ts";
import type { GuestHead, MachineHead, PageHead, Summary } from "./page-data.ts";
import { pageFrame } from "./page-file.ts";

type Shown = Summed & { machine: PageMachine };

export const htmlExporter: Exporter = {
  binary: "a page",
  ending: ".html",
  begin: (parts, selection, write) => {
    const { from, to } = onlyTimes(selection);
    const budget = new PageBudget();
    const views = new VcpuViews(parts, pageLimits.longest);
    const all: Shown[] = [];
    let epoch: bigint | undefined;
    let finished = 0;
    return new EventExport(parts, { from, to }, write, (iterator, out, part) => {
      epoch ??= iterator.epoch;
      const statistics = new TraceStatistics(iterator.catalog);
      for (const cpu of part.source.cpus) statistics.cpu(cpu);
      const cpus = part.source.cpus.length;
      const scheduling = new SchedulingSummary(iterator.catalog, { cpus, longest: pageLimits.longest });
      const machine = new PageMachine(iterator, part.source.cpus, Number(iterator.epoch - epoch), budget);
      if (iterator.inNanoseconds) {
        views.begin({ part, iterator, summary: scheduling });
        scheduling.alsoTold.push(machine);
      }
      const whole = from === undefined && to === undefined;
      all.push({ part, statistics, scheduling, vcpus: views.of(part), iterator, whole, machine });
      return {
        take: () => {
          const { record, kind } = iterator;
          statistics.add(record, kind);
          machine.event(record, kind);
          scheduling.scheduling.add(record, kind);
        },
        gap: (cpu) => {
          machine.gap(cpu);
          scheduling.scheduling.gap(cpu);
        },
        lost: (cpu, count) => {
          machine.lost(cpu, count);
          statistics.lost(cpu, count);
        },
        damaged: (cpu) => statistics.damaged(cpu),
        finish: () => {
          scheduling.scheduling.finish();
          if (++finished < all.length) return;
          const [before, data, behind] = pageOf(all, parts, epoch ?? 0n, budget);
          writeText(out, before);
          for (let at = 0; at < data.length; at += lineChars) writeText(out, `${data.slice(at, at + lineChars)}\n`);
          writeText(out, behind);
        },
      };
    });
  },
};

/** Of the data: some programs that mail passes through break longer lines. */
const lineChars = 960;

/** Switches of all tasks and CPUs are needed to say who ran meanwhile; in the page one searches. */
function onlyTimes(selection: EventSelection): EventSelection {
  const { events = [], filters = [], comms = [], cpus, pids } = selection;
  const isPart = [events, filters, comms].some(({ length }) => length > 0) || cpus !== undefined || pids !== undefined;
  if (isPart)
    throw new AgentError(
      "usage",
      "--html shows all events, tasks and CPUs of a time: -e, -F, --pid, --comm and --cpu are not for it",
      {
        remedy: "choose a time with --from and --to; search in the page",
      },
    );
  return selection;
}

function pageOf(
  all: readonly Shown[],
  parts: readonly RecordedPart[],
  epoch: bigint,
  budget: PageBudget,
): [before: string, data: string, behind: string] {
  for (const { machine } of all) machine.finish();
  const { title, recorded } = titleOf(all);
  const head: PageHead = {
    title,
    epoch: String(epoch),
    recorded,
    tool: versionText,
    machines: all.map((shown) => machineHead(shown, all, parts, epoch)),
    notes: budget.notes((time) => shownTime(epoch + BigInt(Math.round(time)), true)),
  };
  const json = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  const columns = all.flatMap((shown) => (hasRows(shown) ? shown.machine.rows.flatMap(({ bytes }) => bytes) : []));
  // Loaded when a page is made: it brings streams with it, and a report as text would pay for them.
  const { gzipSync } = process.getBuiltinModule("node:zlib");
  const data = base85(gzipSync(Buffer.concat([length, json, ...columns]), { level: 9 }));
  const { before, behind } = pageFrame(title);
  return [before, data, behind];
}

/** What was recorded, and when, as far as it is known. */
function titleOf(all: readonly Shown[]): { title: string; recorded: string } {
  const about = all.map(({ part }) => part.about);
  const names = [...new Set(all.map(({ part }) => foreignText(part.machine)))].filter((name) => name !== "");
  const [file = "recording"] = about.flatMap((one) => (one === undefined ? [] : [foreignText(one.file)]));
  const shown = names.slice(0, 4).join(", ");
  const title = names.length === 0 ? file : names.length > 4 ? `${shown} and ${names.length - 4} more` : shown;
  const recorded = about.flatMap((one) => (one?.started === undefined ? [] : [foreignText(one.started)]));
  return { title, recorded: recorded.sort()[0] ?? "" };
}

function hasRows({ iterator }: Shown): boolean {
  return iterator.inNanoseconds;
}

function machineHead(shown: Shown, all: readonly Shown[], parts: readonly RecordedPart[], epoch: bigint): MachineHead {
  const { part, iterator, machine } = shown;
  const ahead = Number(iterator.epoch - epoch);
  const rows = hasRows(shown) ? machine.rows.map(({ head }) => head) : [];
  const clock = clockText(shown, all);
  const summary = summaryObject(shown, false, (stamp) => Math.round(stamp + ahead));
  return {
    label: foreignText(labelOf(part)),
    continues: all.findIndex((other) => isContinuedBy(other, shown)),
    ...(hasRows(shown)
      ? {}
      : { without: `its clock "${foreignText(clockOf(part.source.metadata))}" counts no nanoseconds` }),
    ...(clock === undefined ? {} : { clock }),
    first: orNull(machine.first),
    last: orNull(machine.last),
    tasks: machine.tasks.heads,
    names: machine.names.names,
    fieldTexts: machine.fields.texts,
    rows,
    guests: isMain(part, parts) ? guestsOf(part, all, parts) : [],
    // The object that --stat --json writes; its type is in page-data.ts.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    summary: summary as Summary,
  };
}

/** Whether both are recordings of one machine in one session, one after the other; the first of several is the earlier one. */
function isContinuedBy(earlier: Shown, later: Shown): boolean {
  const [one, other] = [earlier.part, later.part];
  const isSame = one.machine === other.machine && one.buffer === other.buffer && hasRows(earlier) && hasRows(later);
  const { session } = one.about ?? {};
  return (
    isSame && session !== undefined && session === other.about?.session && earlier.machine.last <= later.machine.first
  );
}

function orNull(time: number): number | null {
  return time === time ? Math.round(time) : null;
}

/** How a machine's times stand to those of the others. */
function clockText({ part }: Shown, all: readonly Shown[]): string | undefined {
  if (new Set(all.map((other) => other.part.machine)).size < 2) return undefined;
  if (part.about?.offset !== undefined) return foreignText(offsetText(part.machine, part.about.offset));
  const { timeShift, guests = [] } = part.source.metadata;
  if (timeShift !== undefined)
    return `${foreignText(part.machine)}: on its host's clock; how far it may be off is not in the file`;
  return guests.length > 0 ? undefined : `${foreignText(part.machine)}: on its own clock`;
}

function guestsOf(host: RecordedPart, all: readonly Shown[], parts: readonly RecordedPart[]): GuestHead[] {
  return (host.source.metadata.guests ?? []).map((guest) => ({
    name: foreignText(guest.name),
    machine: all.findIndex(({ part }) => isMain(part, parts) && isOfGuest(part, host, guest)),
    tasks: [...guest.tasks],
  }));
}
