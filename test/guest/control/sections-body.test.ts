/** Bodies of `metadata SECTION...` from this kernel, through the frames that carry them and the reader that takes them. */
import { afterAll, describe, expect, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import { attempt } from "../../../src/base/attempt.ts";
import { Frames } from "../../../src/guest/control/frames.ts";
import { collectMetadata } from "../../../src/guest/control/metadata.ts";
import { SectionsBody } from "../../../src/guest/control/sections-body.ts";
import { guestLimits } from "../../../src/guest/limits.ts";
import type { Section } from "../../../src/protocol/sections.ts";
import { ReplyReader } from "../../../src/protocol/reply-reader.ts";
import { readMetadata } from "../../../src/trace-dat/spool/metadata-read.ts";
import { whileSymbolsStay } from "../../support/kernel-symbols.ts";
import { reasonWithoutTracefs, TracefsInstance } from "../../support/tracefs.ts";

const reason = reasonWithoutTracefs();
if (reason !== undefined) console.error(`skipped: sections of this machine: ${reason}`);

const hello =
  `{"reply":"hello","nonce":"n","agent":"trace-agent","version":"1","protocol":1,"hostname":"h","kernel":"k",
"machine":"m","state":"armed","clock":"local","pageSize":4096,"subBufferSize":4096,"longSize":8,"cpus":[]}`.replace(
    "\n",
    "",
  );

/** The body as a host has it. */
function bodyOf(directory: string, sections: readonly Section[]): Uint8Array {
  const body = new SectionsBody(directory, sections);
  const frames = new Frames(body, () => {});
  const reader = new ReplyReader("n");
  reader.push(Buffer.from(`${hello}\n${JSON.stringify({ reply: "sections", sections })}\n`));
  for (;;) {
    const frame = frames.next();
    expect(frame.length).toBeLessThanOrEqual(guestLimits.replyWriteBytes);
    const [whole] = reader.push(frame);
    if (whole === undefined) {
      expect(frames.done).toBe(false);
      continue;
    }
    expect([whole.reply.reply, frames.done, reader.ignored]).toEqual(["sections", true, 0]);
    body.close();
    return whole.body ?? new Uint8Array(0);
  }
}

/** "file" and "missing" names, in the order in which they came, each once. */
function namesIn(body: Uint8Array): string[] {
  const text = Buffer.from(body).toString("latin1");
  return [...new Set([...text.matchAll(/\{"(?:file|missing)":"([^"]+)"/g)].map(([, name = ""]) => name))];
}

describe.skipIf(reason !== undefined)("sections of metadata", () => {
  const instance = reason === undefined ? new TracefsInstance("sections") : undefined;
  const directory = instance?.path ?? "";
  const decoders = [
    "events/header_page",
    "events/header_event",
    "trace_clock",
    "current_tracer",
    "available_tracers",
    "buffer_size_kb",
  ];
  afterAll(async () => instance?.remove());

  test.each([
    [["available_events"], ["available_events"]],
    [["printk"], ["printk_formats"]],
    [["tasks"], ["saved_cmdlines", "saved_tgids"]],
    [["kallsyms"], ["kallsyms"]],
    [["formats:no_such_system"], decoders],
    [["formats"], decoders],
    [["filters"], []],
  ] satisfies [Section[], string[]][])("%p give these files alone: %p", (sections, names) => {
    expect(namesIn(bodyOf(directory, sections))).toEqual(names);
  });

  test("formats:SYSTEM gives all formats of that system, of a pattern those of each system that it matches", () => {
    const events = (system: string): string[] =>
      readdirSync(`/sys/kernel/tracing/events/${system}`, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => `events/${system}/${entry.name}/format`);
    expect(namesIn(bodyOf(directory, ["formats:sched"])).toSorted()).toEqual(
      [...decoders, ...events("sched")].toSorted(),
    );
    expect(namesIn(bodyOf(directory, ["formats:ftrace"])).length).toBeGreaterThan(decoders.length + 5);
    const both = namesIn(bodyOf(directory, ["formats:sche?", "formats:sched", "formats:ftrac*"]));
    expect(both).toEqual(expect.arrayContaining([...events("sched"), "events/ftrace/print/format"]));
    expect(both.filter((name) => name === "events/sched/sched_switch/format")).toHaveLength(1);
  });

  test("formats alone gives those of systems with an enabled event, and filters those of enabled events", () => {
    instance?.write("events/irq/irq_handler_entry/enable", "1");
    instance?.write("events/irq/irq_handler_entry/filter", "irq == 7");
    try {
      const formats = namesIn(bodyOf(directory, ["formats"])).filter((name) => name.endsWith("/format"));
      expect(formats).toContain("events/irq/softirq_entry/format");
      expect(formats.filter((name) => !name.startsWith("events/irq/"))).toEqual([]);
      expect(Buffer.from(bodyOf(directory, ["filters"])).toString()).toMatch(
        /\{"file":"events\/irq\/irq_handler_entry\/filter","bytes": *9\}\nirq == 7\n/,
      );
    } finally {
      instance?.write("events/irq/irq_handler_entry/filter", "0");
      instance?.write("events/irq/irq_handler_entry/enable", "0");
    }
  });

  test("all together are what protocol 1 collects, byte for byte", async () => {
    const { symbols, value } = await whileSymbolsStay(() => ({
      body: bodyOf(directory, ["formats:*", "kallsyms", "printk", "tasks", "stats"]),
      collected: collectMetadata(directory),
    }));
    const { body, collected } = value;
    // The names of tasks and the counts of CPUs change from one reading to the next.
    const changing = { savedCommands: "", savedTgids: "", cpuStats: [] };
    const read = readMetadata(body, "this machine");
    expect(read.cpuStats.map(({ cpu }) => cpu)).toEqual(collected.cpuStats.map(({ cpu }) => cpu));
    expect(Object.keys(read).toSorted()).toEqual(Object.keys(collected).toSorted());
    expect({ ...read, ...changing, kallsyms: 0 }).toEqual({ ...collected, ...changing, kallsyms: 0 });
    expect(Buffer.from(read.kallsyms ?? []).equals(Buffer.from(collected.kallsyms ?? []))).toBe(true);
    if (read.kallsyms !== undefined) expect(Buffer.from(read.kallsyms).equals(symbols)).toBe(true);
  });

  test("end in the middle where nobody wants the rest, and leave no file open", () => {
    // What else this process opens and closes has other threads.
    const open = (): number =>
      readdirSync("/proc/self/fd").filter(
        (fd) => attempt(() => readlinkSync(`/proc/self/fd/${fd}`)) === "/proc/kallsyms",
      ).length;
    const body = new SectionsBody(directory, ["kallsyms"]);
    new Frames(body, () => {}).next();
    expect(open()).toBe(1);
    body.close();
    expect(open()).toBe(0);
  });
});
