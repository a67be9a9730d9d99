/** Metrics of a recorder as Prometheus reads them. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { ControlStatus } from "../../../src/host/control/messages.ts";
import { metricsText } from "../../../src/host/metrics/metrics-text.ts";
import { isLong } from "../../support/long.ts";
import { unpackedPackage } from "../../support/packages.ts";

setDefaultTimeout(300_000);

const odd = 'vm "2"\\\nx';
const status: ControlStatus = {
  version: "0.2.0",
  pid: 7,
  directory: "/var/flight",
  started: "2026-01-01T00:00:00.000Z",
  state: "recording",
  mode: "ring",
  diskBytes: 9_000_000_000_000,
  spoolBytes: 77,
  snapshots: { latency: 2, command: 1 },
  machines: ["vm1", odd].map((name, index) => ({
    name,
    kind: "guest",
    state: index === 0 ? "recording" : "ended",
    up: index === 0,
    silentSeconds: index * 1.5,
    receivedBytes: 300,
    spoolBytes: 77,
    segments: 3,
    lost: { overrun: 5, dropped: 1, transit: 2 },
    lostBytes: 4096,
    cpus: [
      { cpu: 0, receivedBytes: 100, overrun: 5, dropped: 0 },
      { cpu: 1, receivedBytes: 200, overrun: 0, dropped: 1 },
    ],
  })),
};

/** Of the text format, line by line: comments that name what follows, and samples of it. */
function seriesOf(text: string): Map<string, number> {
  const series = new Map<string, number>();
  let name = "";
  for (const line of text.trimEnd().split("\n")) {
    const [, keyword, named] = /^# (HELP|TYPE) (traceagent_[a-z_]+) \S.*$/.exec(line) ?? [];
    if (keyword === "TYPE")
      expect({ line, ends: line.endsWith(" counter") }).toEqual({ line, ends: line.includes("_total ") });
    if (named !== undefined) {
      name = named;
      continue;
    }
    const [, sample, labels = "", value] =
      /^(traceagent_[a-z_]+)\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+)\} (\d+(?:\.\d+)?)$/.exec(line) ?? [];
    expect({ line, sample }).toEqual({ line, sample: name });
    const key = `${sample?.slice("traceagent_".length)}{${labels}}`;
    expect({ line, isTwice: series.has(key) }).toEqual({ line, isTwice: false });
    series.set(key, Number(value));
  }
  return series;
}

test("have a series for each machine, with sums of its CPUs, and names that may be anything", () => {
  const series = seriesOf(metricsText(status, false));
  expect(series.get('received_bytes_total{session="/var/flight",domain="vm1"}')).toBe(300);
  expect(series.get(String.raw`guest_up{session="/var/flight",domain="vm \"2\"\\\nx"}`)).toBe(0);
  expect(series.get(String.raw`guest_silent_seconds{session="/var/flight",domain="vm \"2\"\\\nx"}`)).toBe(1.5);
  expect(series.get('events_lost_total{session="/var/flight",domain="vm1",reason="overrun"}')).toBe(5);
  expect(series.get('events_lost_total{session="/var/flight",domain="vm1",reason="transit"}')).toBe(2);
  expect(series.get('snapshots_total{session="/var/flight",trigger="latency"}')).toBe(2);
  expect(series.get('disk_bytes{session="/var/flight"}')).toBe(9_000_000_000_000);
  expect(series.get('build_info{session="/var/flight",version="0.2.0"}')).toBe(1);
  expect([...series.keys()].filter((key) => key.includes("cpu="))).toEqual([]);
});

test("have those of each CPU on request", () => {
  const series = seriesOf(metricsText(status, true));
  expect(series.get('received_bytes_total{session="/var/flight",domain="vm1",cpu="1"}')).toBe(200);
  expect(series.get('events_lost_total{session="/var/flight",domain="vm1",cpu="0",reason="overrun"}')).toBe(5);
  expect(series.has('received_bytes_total{session="/var/flight",domain="vm1"}')).toBeFalse();
});

test("are a text also before there is a machine", () => {
  expect([...seriesOf(metricsText({ ...status, machines: [], snapshots: {} }, false)).keys()]).toEqual([
    'build_info{session="/var/flight",version="0.2.0"}',
    'disk_bytes{session="/var/flight"}',
  ]);
});

test("are those of the operators' page", () => {
  const page = readFileSync(`${import.meta.dir}/../../../src/host/README.md`, "utf8");
  const names = (text: string): string[] => [...new Set(text.match(/traceagent_[a-z_]+/g))].sort();
  expect(names(metricsText(status, false))).toEqual(names(page));
});

// promtool is in a package of 40 MB.
if (isLong) {
  test("are what promtool takes", async () => {
    const promtool = `${await unpackedPackage("prometheus")}/usr/bin/promtool`;
    for (const perCpu of [false, true]) {
      const check = Bun.spawn([promtool, "check", "metrics"], {
        stdin: Buffer.from(metricsText(status, perCpu)),
        stdout: "pipe",
        stderr: "pipe",
      });
      const said = await Promise.all([check.stdout.text(), check.stderr.text(), check.exited]);
      expect(said).toEqual(["", "", 0]);
    }
  });
}
