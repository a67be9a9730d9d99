/** All forms of a recording, loaded. */
import type { Exporter } from "../../src/views/exporter.ts";
import { exporters as loaders, type Form } from "../../src/views/exporters.ts";

export const exporters: Record<Form, Exporter> = {
  text: await loaders.text(),
  json: await loaders.json(),
  summary: await loaders.summary(),
  "summary-json": await loaders["summary-json"](),
  wakeups: await loaders.wakeups(),
  "wakeups-json": await loaders["wakeups-json"](),
  perfetto: await loaders.perfetto(),
  html: await loaders.html(),
};
