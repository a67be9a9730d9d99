import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import type { RecordedPart } from "../../../src/trace-dat/parts.ts";
import { finishExport } from "../../../src/views/exporter.ts";
import { exporters } from "../../support/exporters.ts";
import { fixturePath } from "../../fixtures/fixtures.ts";
import { isLong } from "../../support/long.ts";
import { makeVcpus } from "../../support/made-vcpus.ts";
import { askDuckDb, askFile, exportTables, type Rows, sessionParts, sqlFolder } from "../../support/parquet.ts";
import { askTrace, findTraceProcessor } from "../../support/perfetto/perfetto.ts";
import { testUnless } from "../../support/test-unless.ts";
import { openedGuest, openedHost } from "../vcpus/opened.ts";

const folder = mkdtempSync(join(tmpdir(), "trace-agent-queries-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Latencies = { count: number; sumNs: number; p50Ns: number; p99Ns: number; maxNs: number };
type Stat = {
  name: string;
  cpus: { cpu: number; lost: number; lostUncounted: number }[];
  scheduling: {
    woken: Latencies;
    longestWoken: { pid: number; waitNs: number; ended: boolean }[];
    tasks: { pid: number; runNs: number; waitNs: number; runs: number }[];
  };
  guests?: { guest: string; threads: { runNs: number; waitNs: number; preemptions: number }[] }[];
};

const lost = openTraceDat(fixturePath("linux-6.18-lost"));
const old = openTraceDat(fixturePath("linux-5.10"));
const world = makeVcpus();
/** A host with a guest whose vCPUs it shows, and two guests of its own time. */
const parts: RecordedPart[] = sessionParts([
  { ...openedHost(world.host), kind: "host" },
  openedGuest(world.guest),
  { machine: "lossy", source: lost },
  { machine: "old", source: old },
]);
let stats: Stat[] = [];
const traceOf = (machine: string): string => join(folder, `${machine}.pftrace`);

beforeAll(() => {
  const pieces: Buffer[] = [];
  finishExport(exporters["summary-json"].begin(parts, {}, (bytes) => pieces.push(Buffer.from(bytes))));
  stats = (JSON.parse(Buffer.concat(pieces).toString()) as { parts: Stat[] }).parts;
  exportTables(folder, parts, { host: "node1" });
  for (const part of parts) {
    const trace: Buffer[] = [];
    finishExport(exporters.perfetto.begin([part], {}, (bytes) => trace.push(Buffer.from(bytes))));
    writeFileSync(traceOf(part.machine), Buffer.concat(trace));
  }
  lost.close();
  old.close();
}, 300_000);

/** Names of guests in the order of the rows. */
const byGuest = (rows: Rows, guest: string): Rows => rows.filter((row) => row["guest"] === guest);
const numbers = (row: Rows[number] | undefined, ...keys: string[]): number[] => keys.map((key) => Number(row?.[key]));

describe("the query of", () => {
  test("busiest tasks gives the times of report --stat, for the hour of the session", async () => {
    const rows = await askFile("busiest-tasks", folder);
    for (const { name, scheduling } of stats) {
      const own = byGuest(rows, name);
      expect(own.length).toBeGreaterThan(1);
      // report --stat leaves out tasks whose only slices began before the recording.
      const told = new Map(scheduling.tasks.map(({ pid, runNs }) => [pid, runNs]));
      const both = own.map((row) => numbers(row, "tid", "run_ns")).filter(([pid = 0]) => told.has(pid));
      expect(both).toEqual(both.map(([pid = 0]) => [pid, told.get(pid) ?? -1]));
      const least = Number(own.at(-1)?.["run_ns"]);
      const busier = scheduling.tasks.filter(({ runNs }) => runNs > least);
      expect(both.map(([pid]) => pid)).toEqual(expect.arrayContaining(busier.map(({ pid }) => pid)));
    }
    expect(new Set(rows.map((row) => row["hour"]))).toEqual(new Set(["2026-11-30 08:00:00"]));
  });

  test("wake-up latencies gives those of report --stat: count, sum and longest alike, percentiles within its classes", async () => {
    const rows = await askFile("wakeup-latency", folder);
    expect(rows.map((row) => row["guest"])).toEqual(stats.map(({ name }) => name).sort());
    for (const { name, scheduling } of stats) {
      const { woken } = scheduling;
      const [row] = byGuest(rows, name);
      expect(numbers(row, "wakeups", "sum_ns", "max_ns")).toEqual([woken.count, woken.sumNs, woken.maxNs]);
      for (const [key, theirs] of [
        ["p50_ns", woken.p50Ns],
        ["p99_ns", woken.p99Ns],
      ] as const) {
        // report --stat tells the upper end of a class of 1/16.
        expect(Number(row?.[key])).toBeLessThanOrEqual(theirs);
        expect(Number(row?.[key])).toBeGreaterThanOrEqual(theirs / 1.07 - 1);
      }
    }
  });

  test("tasks that waited longest begins with the longest wake-up that report --stat shows", async () => {
    const rows = await askFile("worst-wakeups", folder);
    for (const { name, scheduling } of stats) {
      const longest = scheduling.longestWoken.find(({ ended }) => ended);
      if (longest !== undefined)
        expect(numbers(byGuest(rows, name)[0], "tid", "max_ns")).toEqual([longest.pid, longest.waitNs]);
    }
  });

  test("steal gives what each vCPU ran and waited, as report --stat does, and what made it wait", async () => {
    const rows = await askFile("steal", folder);
    const threads = stats.find(({ name }) => name === "host")?.guests?.[0]?.threads ?? [];
    expect(threads).toHaveLength(2);
    for (const [vcpu, { runNs, waitNs, preemptions }] of threads.entries()) {
      const row = rows[vcpu];
      expect(numbers(row, "run_ns", "wait_ns", "preemptions")).toEqual([runNs, waitNs, preemptions]);
      expect(row).toMatchObject({ host: "node1", guest: "vm1", vcpus: `${vcpu}`, mostly_by: "hog" });
      expect(Number(row?.["steal_percent"])).toBeCloseTo((100 * waitNs) / (runNs + waitNs), 1);
    }
  });

  test("losses gives the events that report --stat counts", async () => {
    const rows = await askFile("losses", folder);
    const theirs = stats.flatMap(({ name, cpus }) =>
      cpus.filter((cpu) => cpu.lost + cpu.lostUncounted > 0).map((cpu) => [name, cpu.cpu, cpu.lost, cpu.lostUncounted]),
    );
    expect(rows.map((row) => [row["guest"] as unknown].concat(numbers(row, "cpu", "lost", "uncounted")))).toEqual(
      theirs,
    );
    expect(theirs.length).toBeGreaterThan(0);
  });

  test("who woke whom counts each wake-up once", async () => {
    const rows = await askFile("who-woke-whom", folder);
    const all = await askDuckDb(
      `select guest, count(*) n from read_parquet('${folder}/wakeup/*/*/*/*.parquet', hive_partitioning = true) group by guest`,
    );
    for (const { guest, n } of all)
      expect(rows.filter((row) => row["guest"] === guest).reduce((sum, row) => sum + Number(row["wakeups"]), 0)).toBe(
        Number(n),
      );
    expect(rows.find((row) => row["guest"] === "vm1")).toMatchObject({ waker: "spin", woken: "worker" });
  });
});

const traceProcessor = findTraceProcessor();

testUnless(
  "reason" in traceProcessor ? traceProcessor.reason : undefined,
  "tables and queries have the figures of trace_processor on the same recordings",
  async () => {
    const processor = "folder" in traceProcessor ? traceProcessor.folder : "";
    const tables = (table: string, guest: string): string =>
      `read_parquet('${folder}/${table}/*/*/guest=${guest}/*.parquet')`;
    // The made one has thousands of waits, the other one interrupts.
    for (const machine of isLong ? ["host", "old"] : ["host"]) {
      // Perfetto tells no slice's length whose end it did not see; a slice whose begin was not seen is not in its table at all.
      const [runs = [], latencies = [], interrupts = []] = askTrace(processor, traceOf(machine), [
        "select tid, sum(dur) ns, count(*) n from sched join thread using (utid) where tid != 0 and dur >= 0 group by tid order by tid",
        "select dur from thread_state where state = 'R' and waker_utid is not null and dur >= 0 order by dur",
        "select count(*) n, coalesce(sum(s.dur), 0) ns from slice s join track t on s.track_id = t.id where s.dur >= 0 and (t.name glob 'Irq Cpu *' or t.name glob 'SoftIrq Cpu *')",
      ]);
      const whole = await askDuckDb(
        `select tid, sum(dur) ns, count(*) n from ${tables("sched_slice", machine)} where tid != 0 and not cut and not start_cut group by tid order by tid`,
      );
      expect(whole.map((row) => numbers(row, "tid", "ns", "n"))).toEqual(
        runs.map(({ tid, ns, n }) => [Number(tid), Number(ns), Number(n)]),
      );
      const durations = latencies.map(({ dur }) => Number(dur));
      expect(durations.length).toBeGreaterThan(machine === "host" ? 1_000 : 1);
      const at = (share: number): number => durations[Math.ceil(share * durations.length) - 1] ?? NaN;
      const [row] = byGuest(await askFile("wakeup-latency", folder), machine);
      expect(numbers(row, "wakeups", "p50_ns", "p99_ns", "max_ns")).toEqual([
        durations.length,
        at(0.5),
        at(0.99),
        at(1),
      ]);
      const [own] = await askDuckDb(
        `select count(*) n, coalesce(sum(dur), 0) ns from ${tables("irq_slice", machine)} where kind != 'vector'`,
      );
      expect(numbers(own, "n", "ns")).toEqual(interrupts.flatMap(({ n, ns }) => [Number(n), Number(ns)]));
    }
  },
  300_000,
);

test("every query stands in the page of the tables, with what it is for", () => {
  const page = readFileSync(join(sqlFolder, "../README.md"), "utf8");
  const files = readdirSync(sqlFolder);
  expect(files.filter((file) => !page.includes(`(sql/${file})`))).toEqual([]);
  for (const file of files) expect(readFileSync(join(sqlFolder, file), "utf8")).toStartWith("-- ");
});

test("run time by hour and guest adds up to the table of tasks", async () => {
  const from = (table: string): string =>
    `read_parquet('${folder}/${table}/*/*/*/*.parquet', hive_partitioning = true)`;
  const [difference] = await askDuckDb(
    `select (select sum(dur) from ${from("sched_slice")} where tid != 0) - (select sum(run) from ${from("task")}) as ns`,
  );
  expect(Number(difference?.["ns"])).toBe(0);
});
