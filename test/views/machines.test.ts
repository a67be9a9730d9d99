/** Several recordings at once: lines by time with the machine's name, as trace-cmd has them; one trace for Perfetto. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setLogLevel } from "../../src/base/log.ts";
import { type SessionOffset, sessionText } from "../../src/trace-dat/session/session-file.ts";
import { fixturePath } from "../fixtures/fixtures.ts";
import { traceAgent } from "../support/recorder-process.ts";
import { differenceOf } from "../support/trace-cmd-differences.ts";
import { noTraceCmdReason, ourReport } from "../support/trace-cmd-report.ts";
import { runTraceCmd } from "../support/trace-cmd.ts";
import { testUnless } from "../support/test-unless.ts";

setDefaultTimeout(300_000);
setLogLevel("error");
const folder = mkdtempSync(join(tmpdir(), "ta-machines-"));
afterAll(() => rmSync(folder, { recursive: true }));
const of = {
  host: "case-host-tsc2nsec",
  vm1: "case-guest-time-shift",
  vm2: "linux-6.12-lost",
  many: "buffers-v6",
} as const;
type Name = keyof typeof of;
const pathOf = (name: Name): string => join(folder, `${name}.dat`);
for (const [name, fixture] of Object.entries(of)) copyFileSync(fixturePath(fixture), join(folder, `${name}.dat`));

function theirs(...names: Name[]): string[] {
  const { stdout } = runTraceCmd(["report", ...names.flatMap((name) => ["-i", pathOf(name)])]);
  return stdout.split("\n");
}

/** The machine's name is the file's without its ending, to the right. */
function asTheirs(line: string): string {
  return line.replace(/^( *)([\w/]+): /, (_, blanks: string, name: string) => `${blanks}${name}.dat: `);
}

describe("report of several files", () => {
  testUnless(
    noTraceCmdReason(),
    "has the lines of trace-cmd report -i A -i B, and names the machine before each",
    () => {
      for (const names of [
        ["host", "vm1"],
        ["vm1", "vm2"],
      ] as Name[][]) {
        const ours = ourReport(names.map(pathOf)).split("\n");
        const expected = theirs(...names);
        expect({ names, lines: ours.length }).toEqual({ names, lines: expected.length });
        for (const [index, line] of expected.entries()) {
          // Behind a loss trace-cmd writes the event without the name.
          const unnamed = expected[index - 1]?.endsWith("EVENTS DROPPED]") === true;
          const mine = ours[index] ?? "";
          const own = (unnamed ? mine.replace(/^ *\w+: /, "") : asTheirs(mine)).trimStart();
          if (own === line.trimStart()) continue;
          const isKnown = differenceOf(line.trimStart(), own) !== undefined;
          expect({ line, own: isKnown ? line : own }).toEqual({ line, own: line });
        }
      }
    },
  );

  test("has the machine in JSON, and its ring buffer where that has a name", () => {
    const lines = ourReport([pathOf("many"), pathOf("vm1")], { form: "json" })
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { machine: string; buffer?: string; time: number });
    const counts: Record<string, number> = {};
    for (const { machine, buffer = "" } of lines)
      counts[`${machine}/${buffer}`] = (counts[`${machine}/${buffer}`] ?? 0) + 1;
    expect(counts).toEqual({ "many/": 51, "many/bar": 60, "many/foo": 60, "vm1/": expect.any(Number) });
    const times = lines.map(({ time }) => time);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  test("shows the machines and ring buffers that are asked for, and says which there are", () => {
    const all = [pathOf("many"), pathOf("vm1")];
    const chosen = ourReport(all, { form: "json", machines: ["many"], buffers: ["foo"] });
    expect(chosen.trimEnd().split("\n").length).toBe(60);
    expect(() => ourReport(all, { machines: ["vm9"] })).toThrow('cannot select machine "vm9"');
    expect(() => ourReport(all, { buffers: ["nope"] })).toThrow('cannot select buffer "nope"');
  });

  test("sums up each machine under its name, also as JSON", () => {
    const all = [pathOf("many"), pathOf("vm1")];
    const text = ourReport(all, { form: "summary" });
    for (const name of ["many", "many/foo", "many/bar", "vm1"]) expect(text).toContain(`${name}:\nmachine `);
    const { parts } = JSON.parse(ourReport(all, { form: "summary-json" })) as {
      parts: { name: string; buffer: string }[];
    };
    expect(parts.map(({ name, buffer }) => `${name}/${buffer}`)).toEqual(
      ["many/", "many/bar", "many/foo", "vm1/"].sort((a, b) =>
        a.startsWith("vm") ? 1 : b.startsWith("vm") ? -1 : a < b ? -1 : 1,
      ),
    );
  });

  test("selects an event of one of them, and refuses one that none has", () => {
    const all = [pathOf("many"), pathOf("vm2")];
    const lines = ourReport(all, { events: ["softirq_raise"], form: "json" });
    expect(lines).toContain('"event":"softirq_raise"');
    const refused = (event: string) => expect(() => ourReport(all, { events: [event] }));
    refused("no_such_event").toThrow("the recording has no format of that name");
    for (const [event, near] of [
      ["irq/softirq_rise", "irq:softirq_raise"],
      ["softirq_rise", "softirq_raise"],
    ] as const)
      refused(event).toThrow(expect.objectContaining({ remedy: `did you mean ${near}?` }));
  });
});

describe("the directory of a session", () => {
  const directory = join(folder, "session");
  mkdirSync(directory);
  for (const name of ["host", "vm1"] as const) copyFileSync(pathOf(name), join(directory, `${name}.dat`));
  const machines = (["host", "vm1"] as const).map((name) => ({
    name,
    kind: name === "host" ? ("host" as const) : ("guest" as const),
    recordings: [{ file: `${name}.dat`, state: "whole" as const }],
  }));
  const offsets = { vm1: { method: "unknown" as const, reason: "no one asked" } };
  writeFileSync(join(directory, "session.json"), sessionText({ machines, clocks: {}, offsets, losses: {} }));

  test("is shown like its files", async () => {
    expect(ourReport(directory)).toBe(ourReport([pathOf("host"), pathOf("vm1")]));
    const { code, stdout, stderr } = await traceAgent("report", directory, "--machine", "vm1");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("vm1: cpus=1\n");
    expect(stdout).not.toContain("host: ");
  });

  test("says which machine's times are not its host's, where both are shown", async () => {
    const { code, stderr } = await traceAgent("report", "--stat", directory);
    const unknown = "vm1: clock unknown (no one asked): its times are its own";
    expect({ code, stderr }).toEqual({ code: 0, stderr: `trace-agent: warning: ${unknown}\n` });
  });

  test("sums up with each guest how well it is placed, in the words of its recording, and as session.json has it", async () => {
    const placed = join(folder, "placed");
    mkdirSync(placed);
    for (const name of ["host", "vm1"] as const) copyFileSync(pathOf(name), join(placed, `${name}.dat`));
    const summary = async (vm1: SessionOffset, ...options: string[]): Promise<string> => {
      const session = { machines, clocks: {}, offsets: { vm1 }, losses: {} };
      writeFileSync(join(placed, "session.json"), sessionText(session));
      const { code, stdout } = await traceAgent("report", "--stat", placed, ...options);
      expect(code).toBe(0);
      return Buffer.from(stdout).toString();
    };
    const window = { from: "1", to: "2", boundNs: 5_500, method: "causality" as const };
    const known = { ns: "-7", boundNs: 5_500, method: "causality" as const, events: 12, inside: 11, windows: [window] };
    const line = "\nplaced    ±6 µs (11 of 12 events lie within their vCPU's time on a CPU)\n";
    const [host, guest] = (await summary(known)).split("vm1:\nmachine ");
    expect(host).not.toContain("\nplaced ");
    expect(guest).toContain(line);
    expect(await summary(known, "--machine", "vm1")).toContain(line);
    const { parts } = JSON.parse(await summary(known, "--json")) as { parts: Record<string, unknown>[] };
    expect(parts.map(({ name, offset }) => [name, offset])).toEqual([
      ["host", undefined],
      ["vm1", known],
    ]);
    const unknown = { method: "unknown" as const, reason: "no one\u009b asked" };
    expect(await summary(unknown)).toContain("\nplaced    unknown (no one? asked): its times are its own\n");
    expect(await summary(unknown, "--json", "--machine", "vm1")).toContain('"reason":"no one? asked"');
  });

  test("of which one machine's file is damaged or missing shows the others and names it, with code 65", async () => {
    const file = join(directory, "vm1.dat");
    for (const spoil of [() => truncateSync(file, 100), () => rmSync(file)]) {
      spoil();
      const { code, stdout, stderr } = await traceAgent("report", directory);
      expect({ code, stderr }).toEqual({
        code: 65,
        stderr: expect.stringMatching(/warning: vm1 is left out: cannot (read|open) ".*vm1\.dat"/),
      });
      expect(stdout).toMatch(/^ *host: cpus=/m);
      expect(stdout).toMatch(/^ *host: .*: kvm_entry: /m);
    }
  });

  test("of which no file can be read, or a foreign one, is an error that names it", async () => {
    rmSync(join(directory, "host.dat"));
    const { code, stderr } = await traceAgent("report", directory);
    expect({ code, stderr }).toEqual({ code: 74, stderr: expect.stringContaining("vm1.dat") });
    writeFileSync(join(directory, "session.json"), '{"kind": "trace-agent session", "version": 9, "machines": []}');
    expect(await traceAgent("report", directory)).toMatchObject({
      code: 65,
      stderr: expect.stringContaining("version 9"),
    });
  });
});
