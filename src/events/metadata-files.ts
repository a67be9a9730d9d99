/** Turns files of a traced machine, by their names in the protocol, into metadata: only this file knows the names. */
import type { EventText, Metadata } from "./trace-metadata.ts";

/** Names below the tracefs directory, and where their text goes. */
const texts = {
  "events/header_page": "headerPage",
  "events/header_event": "headerEvent",
  printk_formats: "printkFormats",
  saved_cmdlines: "savedCommands",
  saved_tgids: "savedTgids",
  trace_clock: "traceClock",
  buffer_size_kb: "bufferSizeKb",
  available_events: "availableEvents",
  available_tracers: "availableTracers",
} as const satisfies Record<string, keyof Metadata>;
const keys: ReadonlyMap<string, (typeof texts)[keyof typeof texts]> = new Map(Object.entries(texts));
const kallsyms = "kallsyms";

export class MetadataFiles {
  readonly #texts: { -readonly [Key in (typeof texts)[keyof typeof texts]]?: string } = {};
  #kallsyms: Uint8Array | undefined;
  readonly #formats = new Map<string, EventText>();
  readonly #stats = new Map<number, string>();

  /** `content`: its bytes, which the caller may use again but for those of kallsyms, or a text of which each char is one. A file that is of no use here is passed over. */
  put(name: string, content: string | Buffer): void {
    if (name === kallsyms) {
      this.#kallsyms = typeof content === "string" ? Buffer.from(content, "latin1") : content;
      return;
    }
    const key = keys.get(name);
    const text = typeof content === "string" ? content : content.toString("latin1");
    if (key !== undefined) this.#texts[key] = text;
    else {
      const [, system, event] = /^events\/([^/]{1,200})\/([^/]{1,200})\/format$/.exec(name) ?? [];
      const cpu = /^per_cpu\/cpu(0|[1-9]\d{0,4})\/stats$/.exec(name)?.[1];
      if (system !== undefined && event !== undefined) this.#formats.set(name, { system, event, text });
      else if (cpu !== undefined) this.#stats.set(Number(cpu), text);
    }
  }

  metadata(head: { uname: string; cpus: number; missing: Readonly<Record<string, string>> }): Metadata {
    return {
      ...head,
      ...this.#texts,
      ...(this.#kallsyms === undefined ? {} : { kallsyms: this.#kallsyms }),
      formats: [...this.#formats.values()],
      cpuStats: [...this.#stats].map(([cpu, text]) => ({ cpu, text })).sort((a, b) => a.cpu - b.cpu),
    };
  }
}

/** Files that only one of them has, and for those that both have, the later one. */
export function mergeMetadata(earlier: Metadata | undefined, later: Metadata | undefined): Metadata | undefined {
  if (earlier === undefined || later === undefined) return later ?? earlier;
  const merged = {
    ...earlier,
    ...later,
    cpus: Math.max(earlier.cpus, later.cpus),
    formats: byKey(earlier.formats, later.formats, ({ system, event = "" }) => `${system}/${event}`),
    cpuStats: byKey(earlier.cpuStats, later.cpuStats, ({ cpu }) => cpu).toSorted((a, b) => a.cpu - b.cpu),
  };
  const missing = Object.entries({ ...earlier.missing, ...later.missing });
  return { ...merged, missing: Object.fromEntries(missing.filter(([name]) => !isGiven(merged, name))) };
}

function isGiven(metadata: Metadata, name: string): boolean {
  const key = name === kallsyms ? kallsyms : keys.get(name);
  return key !== undefined && metadata[key] !== undefined;
}

/** The later entry of each key, in the place of the first. */
function byKey<T>(earlier: readonly T[], later: readonly T[], keyOf: (item: T) => string | number): readonly T[] {
  // At each cut of a recording nothing is told of thousands of formats.
  if (later.length === 0) return earlier;
  const all = new Map<string | number, T>();
  for (const item of earlier) all.set(keyOf(item), item);
  for (const item of later) all.set(keyOf(item), item);
  return [...all.values()];
}
