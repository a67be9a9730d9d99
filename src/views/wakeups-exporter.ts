/** `trace-agent report --wakeups`: who waited for a CPU, how long, and what ran meanwhile; for people or as one JSON object. */
import { AgentError } from "../base/errors.ts";
import { foreignText } from "../base/foreign-text.ts";
import type { EventIterator } from "../timeline/event-iterator.ts";
import type { EventSelection } from "../timeline/event-selection.ts";
import { clockOf } from "../tracefs/trace-clocks.ts";
import type { RecordedPart } from "../trace-dat/parts.ts";
import { EventExport } from "./event-export.ts";
import type { Exporter } from "./exporter.ts";
import { jsonTime, jsonWithTimes } from "./json-times.ts";
import { type Losses, lossText } from "./loss-text.ts";
import { labelOf } from "./part-label.ts";
import { schedulingJson } from "./scheduling/json.ts";
import { schedulingLimits } from "./scheduling/limits.ts";
import { SchedulingSummary } from "./scheduling/summary.ts";
import { schedulingText } from "./scheduling/text.ts";
import { shownTime } from "./shown-time.ts";
import type { HostVcpus } from "./vcpus/host-vcpus.ts";
import { vcpusJson } from "./vcpus/json.ts";
import { vcpuSections } from "./vcpus/text.ts";
import { VcpuViews } from "./vcpus/vcpu-views.ts";
import { writeText } from "./written-text.ts";

/** `first`, `last`: NaN before the first event. */
type Summed = {
  part: RecordedPart;
  iterator: EventIterator;
  summary: SchedulingSummary;
  vcpus: HostVcpus | undefined;
  losses: Losses;
  first: number;
  last: number;
};

/** `longest`: how many of each kind. */
export function wakeupsExporter(longest: number = schedulingLimits.longest): Exporter {
  return makeExporter(longest, (all) =>
    all
      .map((summed) => {
        const label = labelOf(summed.part);
        const text = textOf(summed);
        return all.length === 1 && label === "" ? text : `${label === "" ? "top-level buffer" : label}:\n${text}`;
      })
      .join("\n"),
  );
}

/** One object; of several parts one with a list of theirs. */
export function wakeupsJsonExporter(longest: number = schedulingLimits.longest): Exporter {
  return makeExporter(longest, (all) => {
    const objects = all.map((summed) => jsonWithTimes(objectOf(summed, all.length > 1)));
    return all.length === 1 ? `${objects[0]}\n` : `{"parts":[${objects.join(",\n")}]}\n`;
  });
}

function makeExporter(longest: number, text: (all: readonly Summed[]) => string): Exporter {
  return {
    begin: (parts, selection, write) => {
      const { from, to } = onlyTasks(selection);
      const all: Summed[] = [];
      const views = new VcpuViews(parts, longest);
      let finished = 0;
      return new EventExport(parts, { from, to }, write, (iterator, out, part) => {
        const summary = new SchedulingSummary(iterator.catalog, { cpus: part.source.cpus.length, longest }, selection);
        const losses = { lostEvents: 0, unknownLosses: 0 };
        views.begin({ part, iterator, summary });
        const vcpus = views.of(part);
        const summed: Summed = { part, iterator, summary, vcpus, losses, first: NaN, last: NaN };
        all.push(summed);
        const { scheduling } = summary;
        const { record } = iterator;
        return {
          take: () => {
            if (summed.first !== summed.first) summed.first = record.timestamp;
            summed.last = record.timestamp;
            scheduling.add(record, iterator.kind);
          },
          gap: (cpu) => scheduling.gap(cpu),
          lost: (_, count) => {
            if (count < 0) losses.unknownLosses++;
            else losses.lostEvents += count;
          },
          finish: () => {
            scheduling.finish();
            if (++finished === all.length) writeText(out, text(all));
          },
        };
      });
    },
  };
}

/** Switches of all tasks are needed to say what one waited for: tasks and CPUs choose what is shown, not what is read. */
function onlyTasks(selection: EventSelection): EventSelection {
  const { events = [], filters = [] } = selection;
  if (events.length > 0 || filters.length > 0)
    throw new AgentError("usage", "--wakeups needs all events of the scheduler: -e and -F leave some out", {
      remedy: "choose tasks with --pid or --comm, CPUs with --cpu, a time with --from and --to",
    });
  return selection;
}

/** Why there is nothing to show. */
function whyNone({ iterator, part: { source } }: Summed): string | undefined {
  if (!iterator.inNanoseconds)
    return `no latencies: the recording's clock "${foreignText(clockOf(source.metadata))}" counts no nanoseconds`;
  if (iterator.catalog.find("sched", "sched_switch") === undefined)
    return "no latencies: the recording has no sched_switch events (record with -e sched)";
  return undefined;
}

function textOf(summed: Summed): string {
  const { iterator, summary, vcpus, losses, first, last } = summed;
  const none = whyNone(summed);
  if (none !== undefined || first !== first) return `${none ?? "no events"}\n`;
  const at = (stamp: number): string => shownTime(iterator.epoch + BigInt(Math.round(stamp)), true);
  const head = [
    `time   ${at(first)} to ${at(last)}, ${((last - first) / 1e9).toFixed(3)} s`,
    `lost   ${lossText(losses, " events")}`,
  ];
  const ofGuests = vcpus === undefined ? [] : vcpuSections(vcpus, last - first);
  return [`${head.join("\n")}\n`, schedulingText(summary, iterator), ...ofGuests].join("\n");
}

function objectOf(summed: Summed, isNamed: boolean): object {
  const { part, iterator, summary, vcpus, losses, first, last } = summed;
  const name = isNamed ? { name: foreignText(part.machine), buffer: foreignText(part.buffer) } : {};
  const none = whyNone(summed);
  if (none !== undefined) return { ...name, none };
  const time = (stamp: number): string => jsonTime(iterator.epoch + BigInt(Math.round(stamp)));
  return {
    ...name,
    first: first === first ? time(first) : null,
    last: last === last ? time(last) : null,
    lost: losses.lostEvents,
    lostUncounted: losses.unknownLosses,
    ...schedulingJson(summary, time),
    ...(vcpus === undefined || first !== first ? {} : { guests: vcpusJson(vcpus, last - first, time) }),
  };
}
