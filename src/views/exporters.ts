/** All forms of a recording, one line each. */
import type { Exporter } from "./exporter.ts";
import { htmlExporter } from "./html/html-exporter.ts";
import { jsonExporter } from "./json-exporter.ts";
import { perfettoExporter } from "./perfetto/perfetto-exporter.ts";
import { summaryExporter, summaryJsonExporter } from "./summary-exporter.ts";
import { textExporter } from "./text-exporter.ts";
import { wakeupsExporter, wakeupsJsonExporter } from "./wakeups-exporter.ts";

export const exporters = {
  text: textExporter(),
  json: jsonExporter,
  summary: summaryExporter,
  "summary-json": summaryJsonExporter,
  wakeups: wakeupsExporter(),
  "wakeups-json": wakeupsJsonExporter(),
  perfetto: perfettoExporter(),
  html: htmlExporter,
} as const satisfies Record<string, Exporter>;

export type Form = keyof typeof exporters;
