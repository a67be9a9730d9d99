/**
 * Half a second of a host and two guests, recorded for real (fixtures/machines): that events of guests lie where their vCPUs ran, and
 * in one order, is judged by Perfetto's trace_processor, by trace-cmd and by KernelShark's library.
 */
import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { syncFiles } from "../../../src/timeline/sync/sync-files.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { fixturePath } from "../../fixtures/fixtures.ts";
import { whyNoTools } from "../../support/packages.ts";
import { askTrace, findTraceProcessor } from "../../support/perfetto/perfetto.ts";
import { testUnless } from "../../support/test-unless.ts";
import { traceCmd } from "../../support/trace-cmd.ts";

const base = mkdtempSync(`${tmpdir()}/ta-recorded-`);
afterAll(() => rmSync(base, { recursive: true }));
const fileOf = (name: string): string => fixturePath("machines", `${name}.dat`);
const names = ["host", "vm1", "vm2"];
const guests = ["vm1", "vm2"];
const processor = findTraceProcessor();
const insideLeast = 0.999;
const library = "/usr/lib/x86_64-linux-gnu/libkshark.so.2";
const noKshark = process.arch === "x64" ? await whyNoTools(library) : "its path is that of x86-64";

/** Runs trace-agent from its source. */
function run(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["src/main.ts", ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`trace-agent ${args.join(" ")}: ${status}\n${stderr}`);
  return stdout;
}

/** Machine, CPU, ns and task of each event. */
function ownOrder(paths: readonly string[]): string[] {
  const lines = run("report", "--json", ...paths).split("\n");
  return lines.flatMap((line) => {
    if (line === "") return [];
    const { machine, cpu, time, pid } = JSON.parse(line) as Record<string, string | number>;
    return [`${machine} ${cpu} ${time} ${pid}`];
  });
}

/**
 * Of a guest's CPU the events while the host was recorded, and those that lie within a slice of the thread: from one switch of a CPU
 * to the next, which tells who ran. `begin` and the table `switches` are the host's.
 */
const switches = `create perfetto table switches as
  select lag(f.ts) over (partition by f.ucpu order by f.ts) begin, f.ts end, extract_arg(f.arg_set_id, 'prev_pid') pid
  from ftrace_event f join cpu c on f.ucpu = c.id where f.name = 'sched_switch' and coalesce(c.machine_id, 0) = 0`;

const insideOf = (machine: number, cpu: number, thread: number): string => `
  with slices as (select begin, end from switches where pid = ${thread} and begin is not null),
    events as (select f.ts from ftrace_event f join cpu c on f.ucpu = c.id
      where c.machine_id = ${machine} and c.cpu = ${cpu}
        and f.ts between (select min(begin) from slices) and (select max(end) from slices)),
    points as (select begin ts, end, 0 kind from slices union all select ts, null, 1 from events),
    marked as (select ts, kind,
      max(end) over (order by ts, kind rows between unbounded preceding and current row) last_end from points)
  select count(*) n, coalesce(sum(last_end >= ts), 0) inside from marked where kind = 1`;

testUnless(
  "reason" in processor ? processor.reason : undefined,
  "trace_processor finds the events of each guest's CPU within the time in which the host ran its thread",
  () => {
    if ("reason" in processor) return;
    const trace = `${base}/machines.pftrace`;
    run("export", ...names.map(fileOf), "-o", trace);
    const host = openTraceDat(fileOf("host"));
    const maps = host.metadata.guests ?? [];
    host.close();
    const vcpus = maps.flatMap(({ tasks }, guest) => tasks.map((task, cpu) => ({ machine: guest + 1, cpu, task })));
    expect(vcpus.length).toBe(4);
    const queries = vcpus.map(({ machine, cpu, task }) => insideOf(machine, cpu, task));
    const [, ...found] = askTrace(processor.folder, trace, [switches, ...queries]);
    for (const [index, vcpu] of vcpus.entries()) {
      const [{ n = 0, inside = 0 } = {}] = found[index] ?? [];
      expect({ ...vcpu, n, inside, isEnough: Number(n) > 500 }).toMatchObject({ isEnough: true });
      expect({ ...vcpu, n, inside, holds: Number(inside) >= Number(n) * insideLeast }).toMatchObject({ holds: true });
    }
    // The threads of the other guest are not where the events are.
    const wrong = vcpus.map(({ machine, cpu }, index) => insideOf(machine, cpu, vcpus[(index + 2) % 4]?.task ?? 0));
    for (const [row] of askTrace(processor.folder, trace, [switches, ...wrong]).slice(1))
      expect(Number(row?.["inside"])).toBeLessThan(Number(row?.["n"]) * 0.9);
  },
  300_000,
);

testUnless(await whyNoTools("trace-cmd"), "trace-cmd shows host and guests in the same order, to the ns", () => {
  const paths = names.map(fileOf);
  const lines = traceCmd("report", "-t", ...paths.flatMap((path) => ["-i", path])).split("\n");
  const theirs = lines.flatMap((line) => {
    const [, name, pid, cpu, seconds, ns] = /^ *(\w+)\.dat: .*?-(\d+) +\[(\d+)\] +(\d+)\.(\d{9}): /.exec(line) ?? [];
    return name === undefined ? [] : [`${name} ${Number(cpu)} ${seconds}${ns} ${pid}`];
  });
  expect(theirs.length).toBeGreaterThan(7_000);
  expect(theirs).toEqual(ownOrder(paths));
});

testUnless(noKshark, "KernelShark's library loads host and guests in the same order, to the ns", () => {
  for (const order of [names, names.toReversed()]) {
    const paths = order.map(fileOf);
    const script = join(import.meta.dir, "../../support/libkshark.ts");
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, library, ...paths], { encoding: "utf8" });
    expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
    const theirs = stdout.split("\n").flatMap((line) => {
      const [path = "", ...rest] = line.split(" ");
      return path === "" ? [] : [[basename(path, ".dat"), ...rest].join(" ")];
    });
    expect(theirs).toEqual(ownOrder(paths));
  }
});

test("sync finds anew what the recorder found, within both bounds, by threads and offsets that the files tell", () => {
  const [, ...placed] = syncFiles({
    onStep: () => {},
    paths: names.map(fileOf),
    directory: `${base}/synced`,
    group: undefined,
    host: undefined,
    offsets: new Map(),
    vcpus: new Map(),
  });
  expect(placed.map(({ name }) => name)).toEqual(guests);
  for (const { name, offset } of placed) {
    const { method, boundNs = 0, events = 0, inside = 0 } = offset ?? {};
    expect({ name, method }).toEqual({ name, method: "causality" });
    expect(boundNs).toBeLessThan(60_000);
    expect(inside).toBeGreaterThanOrEqual(events * insideLeast);
    const source = openTraceDat(fileOf(name));
    const sample = source.metadata.timeShift?.samples[0]?.[0];
    source.close();
    // The recorder's was ±40 µs.
    expect(Math.abs(Number(BigInt(offset?.ns ?? 0) - (sample?.offset ?? 0n)))).toBeLessThan(boundNs + 40_000);
  }
});
