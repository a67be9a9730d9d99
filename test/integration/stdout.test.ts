import { describe, expect, test } from "bun:test";
import { closeSync, constants, existsSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { makeFifo } from "../../ffi/pipe.ts";
import { POLL, PollSet } from "../../ffi/poll.ts";
import { countEvents } from "../../src/ring-buffer/event-count.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { AgentFixture, sequence } from "../support/agent-fixture.ts";
import { eventually, executable } from "../support/agent-process.ts";
import { PortReader } from "../support/port-reader.ts";
import { findMarkers, writeMarkers } from "../support/markers.ts";

const fixture = new AgentFixture("stdout");
const { cpus, layout } = fixture;
const count = 20_000;

/** Runs `--stdout` into `path` opened with `flags`, writes markers, ends it by SIGINT, and gives what the file holds. */
async function recordTo(path: string, flags: number, args: string[] = [], markers = count): Promise<Buffer> {
  const fd = openSync(path, flags, 0o600);
  const agent = fixture.launch(["--stdout", ...args], { stdout: fd });
  closeSync(fd);
  await agent.says("started");
  writeMarkers(fixture.tracefs.path, cpus, 0, markers);
  agent.child.kill("SIGINT");
  expect(await agent.end()).toEqual({ code: 0, signal: null });
  return readFileSync(path);
}

describe.skipIf(fixture.skipReason !== undefined)("trace-agent --stdout", () => {
  test.each([
    ["a new file", constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC],
    ["a file opened for append, where splice is refused", constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND],
  ])("writes whole sub-buffers of every CPU into %s, and SIGINT flushes the last", async (name, flags) => {
    const bytes = await recordTo(join(fixture.scratch, `${name.length}.raw`), flags);
    expect(bytes.length % layout.sizeBytes).toBe(0);
    expect(countEvents(bytes, layoutOf(layout.sizeBytes, 8))).toMatchObject({
      lostEvents: 0,
      unknownLosses: 0,
      damaged: 0,
    });
    for (const cpu of cpus) expect(findMarkers(bytes, cpu)).toEqual(sequence(0, count));
  });

  test("gives one CPU's stream alone with --cpus", async () => {
    const bytes = await recordTo(join(fixture.scratch, "one.raw"), constants.O_WRONLY | constants.O_CREAT, [
      "--cpus",
      "0",
    ]);
    expect(findMarkers(bytes, 0)).toEqual(sequence(0, count));
    for (const cpu of cpus.slice(1)) expect(findMarkers(bytes, cpu)).toEqual([]);
  });

  test("fills a pipe to a slow reader without tearing a sub-buffer", async () => {
    fixture.tracefs.write("buffer_size_kb", "16384");
    const pipe = join(fixture.scratch, "pipe");
    makeFifo(pipe, 0o600);
    const reader = new PortReader(pipe, { paused: true });
    const fd = openSync(pipe, constants.O_WRONLY);
    const agent = fixture.launch(["--stdout"], { stdout: fd });
    await agent.says("started");
    // More than the pipe holds, and no more: an agent that ends waits ten seconds for its reader, who is slower on a busy machine.
    const some = 4_000;
    writeMarkers(fixture.tracefs.path, cpus, 0, some);
    await eventually(
      () => !hasRoom(fd),
      "the pipe is full",
      () => agent.log,
    );
    // Never a whole sub-buffer at once.
    const reading = setInterval(() => reader.poll(5000), 1);
    agent.child.kill("SIGINT");
    expect(await agent.end()).toEqual({ code: 0, signal: null });
    clearInterval(reading);
    const bytes = reader.takeAll();
    reader.close();
    closeSync(fd);
    expect(countEvents(bytes, layout)).toMatchObject({ damaged: 0, lostEvents: 0 });
    for (const cpu of cpus) expect(findMarkers(bytes, cpu)).toEqual(sequence(0, some));
  });

  test("ends by itself with code 0 when the reader of the pipe is gone", async () => {
    const code = join(fixture.scratch, "code");
    const agent = Bun.spawn(
      [
        "sh",
        "-c",
        `{ ${executable} --instance ${fixture.tracefs.name} --stdout; echo $? >$0; } | head -c 4096 | wc -c`,
        code,
      ],
      {
        stdout: "pipe",
        stderr: "ignore",
      },
    );
    const writing = setInterval(() => writeMarkers(fixture.tracefs.path, [0], 0, 2000), 200);
    const text = await new Response(agent.stdout).text();
    clearInterval(writing);
    expect([text, readFileSync(code, "latin1")]).toEqual(["4096\n", "0\n"]);
  });

  test("writes into /dev/null", async () => {
    await recordTo("/dev/null", constants.O_WRONLY);
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
  });

  test("obeys a control port when there is one", async () => {
    const ports = fixture.makePorts({ cpus: [] });
    const path = join(fixture.scratch, "ordered.raw");
    const fd = openSync(path, "w");
    const agent = fixture.launch(["--stdout", "--ports", ports.path], { stdout: fd });
    closeSync(fd);
    await agent.says("armed: ");
    writeMarkers(fixture.tracefs.path, cpus, 0, 10);
    // Longer than a running agent would wait with them (latency_ms, 500).
    await Bun.sleep(600);
    expect(statSync(path).size).toBe(0);
    ports.order("1\n0\n");
    await agent.says("stopped");
    for (const cpu of cpus) expect(findMarkers(readFileSync(path), cpu)).toEqual(sequence(0, 10));
  });

  test("writes text to a terminal: every event, with its CPU, without being asked for text", async () => {
    const output = join(fixture.scratch, "terminal.txt");
    const terminal = Bun.spawn(
      ["script", "-qefc", `exec ${executable} --stdout --instance ${fixture.tracefs.name}`, output],
      { stdin: "ignore", stdout: "ignore" },
    );
    const shown = (): string => readFileSync(output, "latin1");
    await eventually(() => existsSync(output) && shown().includes("started"), "the agent starts on a terminal");
    writeMarkers(fixture.tracefs.path, cpus, 0, 100);
    await eventually(() => cpus.every((cpu) => shown().includes(`MARK ${cpu} 99`)), "all markers are shown", shown);
    for (const cpu of cpus) {
      const lines = shown()
        .split("\n")
        .filter((line) => line.includes(`tracing_mark_write: MARK ${cpu} `));
      expect(lines.map((line) => Number(/MARK \d+ (\d+)/.exec(line)?.[1]))).toEqual(sequence(0, 100));
      expect(lines.filter((line) => !line.includes(` [${String(cpu).padStart(3, "0")}] `))).toEqual([]);
    }
    // The agent is hung up on, and ends too.
    terminal.kill("SIGTERM");
    await terminal.exited;
  });

  test("refuses raw data to a terminal with a hint and exit code 64", async () => {
    const terminal = Bun.spawn(
      ["script", "-qec", `${executable} --stdout --format raw --instance ${fixture.tracefs.name}`, "/dev/null"],
      {
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    const text = await new Response(terminal.stdout).text();
    expect(text).toContain("cannot write raw trace data to a terminal");
    expect(text).toContain("trace-agent --stdout > trace.raw");
    expect(await terminal.exited).toBe(64);
  });

  test("writes one JSON object per event with --format json, and the last at SIGINT", async () => {
    // An agent that ends has ten seconds for it, and a busy machine little CPU.
    const some = 4_000;
    const flags = constants.O_WRONLY | constants.O_CREAT;
    const bytes = await recordTo(join(fixture.scratch, "events.json"), flags, ["--format", "json"], some);
    const events = bytes
      .toString("latin1")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { cpu: number; event: string; fields: { buf: string } });
    for (const cpu of cpus) {
      const numbers = events
        .filter((event) => event.cpu === cpu && event.event === "print")
        .map(({ fields }) => Number(/MARK \d+ (\d+)/.exec(fields.buf)?.[1]));
      expect(numbers).toEqual(sequence(0, some));
    }
  });

  test("ends by itself with code 0 when the reader of its text is gone", async () => {
    const code = join(fixture.scratch, "code-of-text");
    const agent = Bun.spawn(
      [
        "sh",
        "-c",
        `{ ${executable} --instance ${fixture.tracefs.name} --stdout --format text; echo $? >$0; } | head -n 10 | wc -l`,
        code,
      ],
      {
        stdout: "pipe",
        stderr: "ignore",
      },
    );
    const writing = setInterval(() => writeMarkers(fixture.tracefs.path, [0], 0, 2000), 200);
    const text = await new Response(agent.stdout).text();
    clearInterval(writing);
    expect([text, readFileSync(code, "latin1")]).toEqual(["10\n", "0\n"]);
  });

  test("hears orders and signals while the reader of its text takes nothing", async () => {
    const ports = fixture.makePorts({ cpus: [] });
    const unread = join(fixture.scratch, "unread");
    makeFifo(unread, 0o600);
    // Open for both ways, so that it has a reader, who does nothing.
    const fd = openSync(unread, constants.O_RDWR);
    const agent = fixture.launch(["--stdout", "--format", "text", "--ports", ports.path], { stdout: fd });
    await agent.says("armed: ");
    ports.order("1\n");
    await agent.says("started");
    writeMarkers(fixture.tracefs.path, cpus, 0, count);
    await eventually(() => !hasRoom(fd), "nothing more fits into the FIFO");
    expect(await ports.ask("hello n1", "hello", () => agent.log)).toMatchObject({ state: "running" });

    agent.child.kill("SIGTERM");
    await agent.says("ending: SIGTERM");
    agent.child.kill("SIGTERM");
    expect(await agent.end()).toEqual({ code: 0, signal: null });
    expect(agent.log).toContain("the last events are not shown: the reader of stdout did not take them");
    closeSync(fd);
  }, 300_000);
});

function hasRoom(fd: number): boolean {
  const poll = new PollSet(1);
  poll.set(0, fd, POLL.OUT);
  return poll.wait(0) > 0;
}
