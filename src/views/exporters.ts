/** All forms of a recording, one line each. Each is loaded when it is asked for: a report as text needs no page, no Perfetto. */
import type { Exporter } from "./exporter.ts";
import type { LineStyle } from "./line-style.ts";
import type { GivenNames } from "./recorded-names.ts";

export type FormOptions = {
  /** Of the form "text". */
  style?: LineStyle;
  /** Of the forms of wake-ups: how many are shown. */
  longest?: number | undefined;
  /** Of the form "perfetto". */
  names?: GivenNames;
};

export const exporters = {
  text: async ({ style } = {}) => (await import("./text-exporter.ts")).textExporter(style),
  json: async () => (await import("./json-exporter.ts")).jsonExporter,
  summary: async () => (await import("./summary-exporter.ts")).summaryExporter,
  "summary-json": async () => (await import("./summary-exporter.ts")).summaryJsonExporter,
  wakeups: async ({ longest } = {}) => (await import("./wakeups-exporter.ts")).wakeupsExporter(longest),
  "wakeups-json": async ({ longest } = {}) => (await import("./wakeups-exporter.ts")).wakeupsJsonExporter(longest),
  perfetto: async ({ names } = {}) => (await import("./perfetto/perfetto-exporter.ts")).perfettoExporter(names),
  html: async () => (await import("./html/html-exporter.ts")).htmlExporter,
} as const satisfies Record<string, (options?: FormOptions) => Promise<Exporter>>;

export type Form = keyof typeof exporters;
