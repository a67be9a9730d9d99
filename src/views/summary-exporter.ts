/** A recording summed up: counts, rates, busiest tasks, latencies, losses; for people or as one JSON object. */
import type { EventSelection } from "../timeline/event-selection.ts";
import { EventExport } from "./event-export.ts";
import type { Exporter } from "./exporter.ts";
import { labelOf } from "./part-label.ts";
import { schedulingLimits } from "./scheduling/limits.ts";
import { SchedulingSummary } from "./scheduling/summary.ts";
import { summaryJson } from "./summary-json.ts";
import { summaryText } from "./summary-text.ts";
import type { Summed } from "./summed.ts";
import { TraceStatistics } from "./trace-statistics.ts";
import { vcpuLimits } from "./vcpus/limits.ts";
import { VcpuViews } from "./vcpus/vcpu-views.ts";
import { writeText } from "./written-text.ts";

/** Of several parts each has its own, under its name. */
export const summaryExporter = makeExporter((all) =>
  all
    .map((summed) => {
      const label = labelOf(summed.part);
      const text = summaryText(summed);
      return all.length === 1 && label === "" ? text : `${label === "" ? "top-level buffer" : label}:\n${text}`;
    })
    .join("\n"),
);

/** One object; of several parts one with a list of theirs. */
export const summaryJsonExporter = makeExporter((all) => {
  const objects = all.map((summed) => summaryJson(summed, all.length > 1));
  return all.length === 1 ? `${objects[0]}\n` : `{"parts":[${objects.join(",\n")}]}\n`;
});

function makeExporter(textOf: (all: readonly Summed[]) => string): Exporter {
  return {
    begin: (parts, selection, write) => {
      const all: Summed[] = [];
      const vcpus = new VcpuViews(parts, vcpuLimits.longestInSummary);
      let finished = 0;
      return new EventExport(parts, selection, write, (iterator, out, part) => {
        const statistics = new TraceStatistics(iterator.catalog);
        for (const cpu of part.source.cpus) statistics.cpu(cpu);
        const scheduling =
          iterator.inNanoseconds && selectsNoPart(selection)
            ? new SchedulingSummary(iterator.catalog, {
                cpus: part.source.cpus.length,
                longest: schedulingLimits.longestInSummary,
              })
            : undefined;
        if (scheduling !== undefined) vcpus.begin({ part, iterator, summary: scheduling });
        const summed: Summed = { part, statistics, scheduling, vcpus: vcpus.of(part), iterator, whole: false };
        all.push(summed);
        return {
          take: () => {
            statistics.add(iterator.record, iterator.kind);
            scheduling?.scheduling.add(iterator.record, iterator.kind);
          },
          gap: (cpu) => {
            statistics.gap(cpu);
            scheduling?.scheduling.gap(cpu);
          },
          lost: (cpu, count) => statistics.lost(cpu, count),
          damaged: (cpu) => statistics.damaged(cpu),
          finish: (isEnd) => {
            scheduling?.scheduling.finish();
            summed.whole = isEnd && selectsAll(selection);
            if (++finished === all.length) writeText(out, textOf(all));
          },
        };
      });
    },
  };
}

function selectsAll(selection: EventSelection): boolean {
  return selectsNoPart(selection) && selection.from === undefined && selection.to === undefined;
}

function selectsNoPart({ events = [], filters = [], comms = [], cpus, pids }: EventSelection): boolean {
  return (
    [events, filters, comms].every(({ length }) => length === 0) && [cpus, pids].every((choice) => choice === undefined)
  );
}
