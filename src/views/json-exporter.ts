/** A recording as JSON, one object a line. */
import { EventExport } from "./event-export.ts";
import { EventJson } from "./event-json.ts";
import type { Exporter } from "./exporter.ts";

export const jsonExporter: Exporter = {
  begin: (parts, selection, write) =>
    new EventExport(parts, selection, write, (iterator, out, part) => {
      const json = new EventJson(iterator.catalog, out, iterator.epoch, part);
      return {
        take: () => json.line(iterator.record, iterator.kind),
        lost: (cpu, count) => json.lost(cpu, count),
      };
    }),
};
