/** What the agent tells beyond protocol 1, and what a flood of orders may cost. */
import { describe, expect, test } from "bun:test";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { MetadataBody } from "../../src/protocol/metadata.ts";
import { type ReadReply, ReplyReader } from "../../src/protocol/reply-reader.ts";
import { readTracing } from "../../src/tracefs/tracefs.ts";
import { readMetadata } from "../../src/trace-dat/spool/metadata-read.ts";
import { parseTraceTime } from "../../src/tracefs/cpu-stats.ts";
import { AgentFixture } from "../support/agent-fixture.ts";
import type { PortDirectory } from "../support/agent-process.ts";
import { eventually } from "../support/agent-process.ts";
import { writeMarkers } from "../support/markers.ts";
import { testUnless } from "../support/test-unless.ts";
import { inLongForm } from "../support/long.ts";
import { inQuickForm } from "../support/quick.ts";

const fixture = new AgentFixture("orders");
const { cpus } = fixture;

const traceTime = (cpu: number): bigint =>
  parseTraceTime(`${readTracing(fixture.tracefs.path, `per_cpu/cpu${cpu}/stats`)}\n`) ?? -1n;

/** Writes all of `text` into the control port, however slowly it is taken. */
async function flood(ports: PortDirectory, text: string): Promise<void> {
  const fd = openSync(join(ports.path, "agent-ctl-path.in"), constants.O_WRONLY | constants.O_NONBLOCK);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(fd, bytes, at);
    } catch {
      await Bun.sleep(1);
    }
  }
  closeSync(fd);
}

describe.skipIf(fixture.skipReason !== undefined)("the agent tells", () => {
  const clocks = fixture.skipReason === undefined ? fixture.tracefs.read("trace_clock") : "";
  for (const clock of ["local", "mono", "x86-tsc", "counter"]) {
    const noClock = clocks.includes(clock) ? undefined : "this kernel lacks it";
    testUnless(noClock, `each CPU's trace time at the start, with clock ${clock}`, async () => {
      const { agent, ports } = await fixture.startOnPorts();
      fixture.tracefs.write("trace_clock", clock);
      await ports.ask("hello x", "hello", () => agent.log);
      const before = cpus.map(traceTime);
      const start = await ports.ask("1", "start", () => agent.log);
      const after = cpus.map(traceTime);
      const streams = start["streams"] as { cpu: number; time: string }[];
      cpus.forEach((cpu, index) => {
        const time = BigInt(streams.find((stream) => stream.cpu === cpu)?.time ?? "-1");
        expect(time).toBeGreaterThanOrEqual(before[index] ?? 0n);
        expect(time).toBeLessThanOrEqual(after[index] ?? 0n);
      });
      // A start order while it runs tells the same: where the run began.
      expect((await ports.ask("1", "start", () => agent.log))["streams"]).toEqual(streams);
    });
  }

  test("what keeps events out: filters of enabled events, pids, tracing_on", async () => {
    const { tracefs } = fixture;
    tracefs.write("events/sched/sched_switch/filter", "prev_pid == 4242");
    tracefs.write("events/irq/irq_handler_entry/filter", "irq == 7");
    tracefs.write("set_event_pid", "4242");
    tracefs.write("tracing_on", "0");
    const { agent, ports } = await fixture.startOnPorts();
    try {
      const hello = await ports.ask("hello x", "hello", () => agent.log);
      expect(hello["found"]).toEqual({ tracingOn: false, pids: "4242", notracePids: "", filters: [], filtersInAll: 0 });
      await ports.ask("set events sched timer", "set", () => agent.log);
      await ports.ask("set tracing_on 1", "set", () => agent.log);
      const status = await ports.ask("status", "status", () => agent.log);
      expect(status["found"]).toEqual({
        tracingOn: true,
        pids: "4242",
        notracePids: "",
        filters: [{ event: "sched:sched_switch", filter: "prev_pid == 4242" }],
        filtersInAll: 1,
      });
    } finally {
      tracefs.write("events/sched/sched_switch/filter", "0");
      tracefs.write("events/irq/irq_handler_entry/filter", "0");
      tracefs.write("set_event_pid", "");
    }
  });

  test("that it works, to a host that said host 2, and to no other", async () => {
    const { agent, ports } = await fixture.startOnPorts({ paused: true });
    const context = (): string => agent.log;
    for (const knows of [true, false]) {
      await ports.ask(`hello ${knows}`, "hello", context);
      if (knows) expect(await ports.ask("host 2", "host", context)).toEqual({ reply: "host", protocol: 2 });
      await ports.ask("1", "start", context);
      writeMarkers(fixture.tracefs.path, cpus, 0, 30_000);
      ports.replies.take();
      // Nobody reads the data ports: the stop cannot end.
      ports.order("0\n");
      let told = "";
      const lines = (): string[] => (told += ports.replies.take().toString("latin1")).split("\n").slice(0, -1);
      if (knows) {
        await eventually(() => lines().length >= 2, "two lines of progress", context);
        expect(new Set(lines())).toEqual(new Set(['{"reply":"progress","word":"flush"}']));
      } else {
        // Three times as long as one that tells it would be silent.
        await Bun.sleep(3500);
        expect(lines()).toEqual([]);
      }
      for (const cpu of cpus) ports.reader(cpu).resume();
      await eventually(() => lines().some((line) => line.startsWith('{"reply":"stop"')), "the stop reply", context);
      for (const cpu of cpus) ports.reader(cpu).pause();
    }
    // A later protocol than ours is answered by ours.
    expect(await ports.ask("host 9", "host", context)).toEqual({ reply: "host", protocol: 3 });
  }, 300_000);
});

describe.skipIf(fixture.skipReason !== undefined)("a body", () => {
  test.each([
    ["in frames to a host that said host 3", "host 3", true],
    ["in one piece to a host that said host 2", "host 2", false],
    ["in one piece to a host of protocol 1", undefined, false],
  ])("goes %s", async (_, host, frames) => {
    const { agent, ports } = await fixture.startOnPorts({ through: fixture.withFewSymbols() });
    const reader = new ReplyReader("x");
    ports.order(`hello x\n${host === undefined ? "" : `${host}\n`}metadata\n`);
    let bytes = "";
    const heard: ReadReply[] = [];
    await eventually(
      () => {
        const came = ports.replies.take();
        bytes += came.toString("latin1");
        heard.push(...reader.push(came));
        return heard.some(({ reply }) => reply.reply === "metadata");
      },
      "the metadata",
      () => agent.log,
    );
    const metadata = heard.find(({ reply }) => reply.reply === "metadata");
    const { files } = JSON.parse(gunzipSync(metadata?.body ?? new Uint8Array()).toString()) as MetadataBody;
    expect(Object.keys(files).length).toBeGreaterThan(10);
    expect([bytes.includes('"frames":true'), bytes.includes('{"reply":"frame"')]).toEqual([frames, frames]);
    expect(reader.ignored).toBe(0);
  });

  test("of sections goes in frames, and sections that are none are refused", async () => {
    const { agent, ports } = await fixture.startOnPorts();
    const reader = new ReplyReader("x");
    const heard: ReadReply[] = [];
    const hear = (found: (read: ReadReply) => boolean): Promise<void> =>
      eventually(
        () => (heard.push(...reader.push(ports.replies.take())), heard.some(found)),
        "the answer",
        () => agent.log,
      );
    ports.order(
      "hello x\nhost 3\nmetadata formats:sched available_events\nmetadata kallsyms\nmetadata tasks secrets\n",
    );
    await hear(({ reply }) => reply.reply === "error");
    await hear(({ reply }) => reply.reply === "sections" && reply.sections.includes("kallsyms"));
    const error = heard.find(({ reply }) => reply.reply === "error")?.reply;
    expect(error).toMatchObject({ order: "metadata tasks secrets", error: expect.stringContaining('not "secrets"') });
    const first = heard.find(({ reply }) => reply.reply === "sections");
    const metadata = readMetadata(first?.body ?? new Uint8Array(0), "the agent");
    expect(new Set(metadata.formats.map(({ system }) => system))).toEqual(new Set(["sched"]));
    expect(metadata.availableEvents).toContain("sched:sched_switch\n");
    expect(reader.ignored).toBe(0);
    const hello = heard.find(({ reply }) => reply.reply === "hello")?.reply;
    expect(hello).toMatchObject({ symbols: { kptrRestrict: expect.any(String), printkBytes: expect.any(Number) } });
  });

  test("in frames ends where another host says hello", async () => {
    const { agent, ports } = await fixture.startOnPorts();
    ports.order("hello x\nhost 3\nmetadata\n");
    let text = "";
    const until = (found: string): Promise<void> =>
      eventually(
        () => (text += ports.replies.take().toString("latin1")).includes(found),
        found,
        () => agent.log,
      );
    await until('"frames":true');
    ports.order("hello y\nstatus\n");
    await until('{"reply":"status"');
    expect(text.slice(text.indexOf('"nonce":"y"'))).not.toContain('{"reply":"frame"');
  });
});

describe.skipIf(fixture.skipReason !== undefined)("a flood of orders", () => {
  /** Twice what a FIFO holds, at least. */
  const kilobytes = inQuickForm(130, inLongForm(200, 10_000));
  test.each([
    ["10"],
    ["metadata\n"],
    ["status\n"],
    ["hello a\nhello b\n"],
    ["set events sched\nset events irq\n"],
    ["metadata\nstatus\n1\nset clock mono\n0\nset clock local\nrubbish\n"],
  ])(
    "of %p keeps nobody waiting, and does not fill the log",
    async (orders) => {
      const { agent, ports } = await fixture.startOnPorts({ through: fixture.withFewSymbols() });
      await ports.ask("hello first", "hello", () => agent.log);
      const begin = performance.now();
      await flood(ports, orders.repeat(Math.ceil((kilobytes * 1000) / orders.length)));
      // In front of the answer lie the bodies of the metadata that were asked for.
      let text = "";
      ports.order("\nhello after\n");
      await eventually(
        () => (text += ports.replies.take().toString("latin1")).includes('"hello","nonce":"after"'),
        "the hello's answer",
        () => agent.log.slice(-2000),
        300_000,
      );
      // Room for a loaded machine; the orders one by one would take minutes.
      expect(performance.now() - begin).toBeLessThan(kilobytes * 300);
      await ports.ask("0", "stop", () => agent.log.slice(-2000));
      expect(agent.log.length).toBeLessThan(100_000);
      expect(text.split('{"reply":"metadata"').length - 1).toBeLessThanOrEqual(2 + (kilobytes * 1000) / 65_536);
    },
    600_000,
  );
});
