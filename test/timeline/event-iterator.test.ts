import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { AgentError } from "../../src/base/errors.ts";
import type { EventSelection } from "../../src/timeline/event-selection.ts";
import { openTraceDat } from "../../src/trace-dat/read/reader.ts";
import type { SubBufferReader } from "../../src/trace-dat/trace-source.ts";
import { finishExport } from "../../src/views/exporter.ts";
import { exporters } from "../support/exporters.ts";
import { fixturePath, fixtures } from "../fixtures/fixtures.ts";
import { ourReport } from "../support/trace-cmd-report.ts";
import { executable } from "../support/agent-process.ts";

function lines(fixture: string, selection: EventSelection = {}): string[] {
  return ourReport(fixturePath(fixture), selection).trimEnd().split("\n").slice(1);
}
function jsonLines(fixture: string, selection: EventSelection = {}): string[] {
  return ourReport(fixturePath(fixture), { ...selection, form: "json" })
    .trimEnd()
    .split("\n");
}
/** Some names of tasks are told by events of other kinds. */
const withoutTask = (line: string): string => line.replace(/"comm":"(?:[^"\\]|\\.)*",/, "");
const timeOf = (line: string): string => /\] *(-?\d+(?:\.\d+)?):/.exec(line)?.[1] ?? "";

describe("--from and --to", () => {
  test.each(["linux-6.12", "case-guest-time-shift", "case-date", "case-first-second", "case-old-clock", "date"])(
    "of %s give the events of the times that are shown, the ends included",
    (fixture) => {
      const all = lines(fixture);
      const times = [...new Set(all.map(timeOf))];
      const [from = "", to = ""] = [times[1], times.at(-2)];
      const between = all.slice(
        all.findIndex((line) => timeOf(line) === from),
        all.findLastIndex((line) => timeOf(line) === to) + 1,
      );
      expect(between.length).toBeGreaterThan(1);
      expect(lines(fixture, { from, to })).toEqual(between);
    },
  );

  test("do not tell of losses outside of them", () => {
    const all = lines("linux-6.12-lost");
    const isLoss = (line: string): boolean => /^CPU:\d+ \[\d+ EVENTS DROPPED\]$/.test(line);
    const at = all.findIndex(isLoss);
    expect(at).toBeGreaterThan(0);
    const before = lines("linux-6.12-lost", { to: timeOf(all[at - 1] ?? "") });
    expect(before.filter(isLoss)).toEqual([]);
    const last = all.findLast((line) => !isLoss(line)) ?? "";
    expect(lines("linux-6.12-lost", { from: timeOf(last) }).filter(isLoss)).toEqual([]);
    expect(lines("linux-6.12-lost", { from: "0" })).toEqual(all);
  });

  test("that end before they begin are refused, as is what is no time", () => {
    const said = (fixture: string, selection: EventSelection): string => {
      try {
        lines(fixture, selection);
      } catch (error) {
        if (error instanceof AgentError && error.kind === "usage") return error.text;
        throw error;
      }
      return "nothing";
    };
    expect(said("linux-6.12", { from: "5", to: "4.999999" })).toBe(
      "cannot select from 5 to 4.999999: it ends before it begins; --from gives the earlier time, --to the later one",
    );
    expect(said("linux-6.12", { from: "5", to: "5" })).toBe("nothing");
    expect(said("linux-6.12", { from: "soon" })).toContain('cannot read --from "soon"');
    expect(said("case-old-clock", { to: "12.5" })).toContain("give a whole number");
  });
});

describe("--cpu", () => {
  test("of a CPU that the recording has not is refused, with those that it has", () => {
    expect(() => lines("linux-6.12", { cpus: [7, 9] })).toThrow("cannot select CPU 7,9: the recording has no such CPU");
    expect(lines("linux-6.12", { cpus: [0, 9] })).toEqual(
      lines("linux-6.12").filter((line) => line.includes(" [000] ")),
    );
  });

  test.each(["text", "json", "summary", "summary-json"] as const)("reads nothing of other CPUs, in form %s", (form) => {
    const source = openTraceDat(fixturePath("linux-6.12-own-v7"));
    const read: number[] = [];
    const open = (): SubBufferReader[] =>
      source.open().map((reader) => ({
        cpu: reader.cpu,
        read: (target) => {
          read.push(reader.cpu);
          return reader.read(target);
        },
      }));
    const parts = [{ machine: "", buffer: "", source: { ...source, open } }];
    finishExport(exporters[form].begin(parts, { cpus: [1] }, () => {}));
    source.close();
    expect([...new Set(read)]).toEqual([1]);
  });
});

describe("--event", () => {
  test.each(fixtures.filter(({ like }) => like === undefined).map(({ name }) => name))(
    "of each kind in %s gives what is there of it, and tells of all losses where they were",
    (fixture) => {
      const all = jsonLines(fixture).map(withoutTask);
      const kinds = all.map((line) => {
        const { system, event, lost } = JSON.parse(line) as { system?: string; event?: string; lost?: number };
        return lost === undefined ? `${system}:${event}` : "lost";
      });
      const known = new Set(kinds.filter((kind) => kind !== "lost" && kind !== "null:null"));
      for (const kind of known)
        expect(jsonLines(fixture, { events: [kind] }).map(withoutTask)).toEqual(
          all.filter((_, index) => kinds[index] === kind || kinds[index] === "lost"),
        );
    },
  );
});

describe("an output without events", () => {
  test("says when the recording begins, on stderr", () => {
    const { status, stdout, stderr } = spawnSync(
      executable,
      ["report", "--from", "1", "--to", "2", fixturePath("linux-6.12")],
      { encoding: "utf8" },
    );
    const first = timeOf(lines("linux-6.12")[0] ?? "");
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: "cpus=2\n",
      stderr: `trace-agent: warning: no event matches what was selected; the first that was read is at ${first}\n`,
    });
  });
});
