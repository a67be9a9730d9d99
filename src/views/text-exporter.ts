/** A recording as text, like `trace-cmd report`. */
import { EventExport } from "./event-export.ts";
import { EventText } from "./event-text.ts";
import type { Exporter } from "./exporter.ts";
import { type LineStyle, TimeDifferences } from "./line-style.ts";
import { prefixesOf } from "./part-label.ts";

export const textExporter = (style: LineStyle = {}): Exporter => ({
  begin: (parts, selection, write) => {
    const prefixes = prefixesOf(parts);
    const counted = new Set<string>();
    const differences = style.timeDifferences === true ? new TimeDifferences() : undefined;
    return new EventExport(parts, selection, write, (iterator, out, part) => {
      const prefix = prefixes[parts.indexOf(part)] ?? "";
      const { machine, source } = part;
      const text = new EventText(iterator.catalog, out, iterator.epoch, iterator.inSeconds, {
        ...style,
        prefix,
        differences,
      });
      if (!counted.has(machine))
        out.text(Buffer.from(`${machine === "" ? "" : `${machine}: `}cpus=${source.cpus.length}\n`).toString("latin1"));
      counted.add(machine);
      return {
        take: () => text.line(iterator.record, iterator.kind),
        lost: (cpu, count) => text.lost(cpu, count),
        finish: () => text.finish(),
      };
    });
  },
});
