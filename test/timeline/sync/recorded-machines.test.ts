/**
 * 0.28 s of a host and two guests, recorded for real (fixtures/machines): that events of guests lie where their vCPUs ran, and
 * in one order, is judged by Perfetto's trace_processor, by trace-cmd and by KernelShark's library.
 */
import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { syncFiles, type SyncOptions } from "../../../src/timeline/sync/sync-files.ts";
import { OptionId } from "../../../src/trace-dat/format.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { fixturePath } from "../../fixtures/fixtures.ts";
import { whyNoTools } from "../../support/packages.ts";
import { askTrace, findTraceProcessor } from "../../support/perfetto/perfetto.ts";
import { testUnless } from "../../support/test-unless.ts";
import { composeTraceDat } from "../../support/trace-dat/compose.ts";
import { parseTraceDat } from "../../support/trace-dat/parse.ts";
import { traceCmd } from "../../support/trace-cmd.ts";
import { executable } from "../../support/agent-process.ts";

const base = mkdtempSync(`${tmpdir()}/ta-recorded-`);
afterAll(() => rmSync(base, { recursive: true }));
const fileOf = (name: string): string => fixturePath("machines", `${name}.dat`);
const guests = ["vm1", "vm2"];
const names = ["host", ...guests];
const processor = findTraceProcessor();
const insideLeast = 0.999;
const noTraceCmd = await whyNoTools("trace-cmd");
const library = "/usr/lib/x86_64-linux-gnu/libkshark.so.2";
const noKshark = process.arch === "x64" ? await whyNoTools(library) : "its path is that of x86-64";

/** Runs trace-agent from its source. */
function run(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(executable, args, {
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

/** The host's time on each CPU from one switch to the next, which tells who ran: this kernel leaves out one of a hundred. */
const switches = `create perfetto table switches as
  select lag(f.ts) over (partition by f.ucpu order by f.ts) begin, f.ts end, extract_arg(f.arg_set_id, 'prev_pid') pid
  from ftrace_event f join cpu c on f.ucpu = c.id where f.name = 'sched_switch' and coalesce(c.machine_id, 0) = 0`;

/** Of a guest's CPU the events while the host was recorded, and those that lie where its thread ran. */
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
    const own = vcpus.map(({ machine, cpu, task }) => insideOf(machine, cpu, task));
    // The threads of the other guest are not where the events are.
    const others = vcpus.map(({ machine, cpu }, index) => insideOf(machine, cpu, vcpus[(index + 2) % 4]?.task ?? 0));
    const [, ...found] = askTrace(processor.folder, trace, [switches, ...own, ...others]);
    const counted = found.map(([row]) => ({ n: Number(row?.["n"]), inside: Number(row?.["inside"]) }));
    for (const { n, inside } of counted.slice(0, 4)) {
      expect(n).toBeGreaterThan(300);
      expect(inside).toBeGreaterThanOrEqual(n * insideLeast);
    }
    for (const { n, inside } of counted.slice(4)) expect(inside).toBeLessThan(n * 0.9);
  },
  300_000,
);

testUnless(noTraceCmd, "trace-cmd shows host and guests in the same order, to the ns", () => {
  const paths = names.map(fileOf);
  const lines = traceCmd("report", "-t", ...paths.flatMap((path) => ["-i", path])).split("\n");
  const theirs = lines.flatMap((line) => {
    const [, name, pid, cpu, seconds, ns] = /^ *(\w+)\.dat: .*?-(\d+) +\[(\d+)\] +(\d+)\.(\d{9}): /.exec(line) ?? [];
    return name === undefined ? [] : [`${name} ${Number(cpu)} ${seconds}${ns} ${pid}`];
  });
  expect(theirs.length).toBeGreaterThan(4_000);
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

function recordedOffset(name: string): bigint {
  const source = openTraceDat(fileOf(name));
  const sample = source.metadata.timeShift?.samples[0]?.[0];
  source.close();
  if (sample === undefined) throw new Error(`${name} has no TIME_SHIFT`);
  return sample.offset;
}

/** Where the recorder placed each guest, to 40 us, and where sync places those of `paths`. */
function expectPlaced(paths: readonly string[], directory: string, offsets: SyncOptions["offsets"] = new Map()): void {
  const options = { group: undefined, host: undefined, offsets, vcpus: new Map<string, number[]>() };
  const [, ...placed] = syncFiles({ onStep: () => {}, paths, directory, ...options });
  expect(placed.map(({ name }) => name)).toEqual(guests);
  for (const { name, offset } of placed) {
    const { method, boundNs = 0, events = 0, inside = 0 } = offset ?? {};
    expect({ name, method }).toEqual({ name, method: "causality" });
    expect(boundNs).toBeLessThan(60_000);
    expect(inside).toBeGreaterThanOrEqual(events * insideLeast);
    expect(Math.abs(Number(BigInt(offset?.ns ?? 0) - recordedOffset(name)))).toBeLessThan(boundNs + 40_000);
  }
}

test("sync finds anew what the recorder found, within both bounds, by threads and offsets that the files tell", () => {
  expectPlaced(names.map(fileOf), `${base}/synced`);
});

/** What they hold because `record` placed them. */
const placing: ReadonlySet<number> = new Set([OptionId.timeShift, OptionId.guest]);

for (const [version, compression] of [
  ["6", "none"],
  ["7", "zstd"],
] as const)
  testUnless(
    noTraceCmd,
    `sync places files of trace-cmd too, which name no threads, where the offset is known to 1 ms (version ${version})`,
    () => {
      const folder = `${base}/v${version}`;
      mkdirSync(folder);
      const paths = names.map((name) => `${folder}/${name}.dat`);
      for (const path of paths) {
        const dat = parseTraceDat(readFileSync(fileOf(basename(path, ".dat"))));
        const bare = `${path}.bare`;
        writeFileSync(bare, composeTraceDat({ ...dat, options: dat.options.filter(({ id }) => !placing.has(id)) }));
        const args = ["convert", "-i", bare, "-o", path, "--file-version", version, "--compression", compression];
        const { status, stderr } = spawnSync("trace-cmd", args, { encoding: "utf8" });
        expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
        const source = openTraceDat(path);
        const { timeShift, guests: maps = [] } = source.metadata;
        source.close();
        expect({ timeShift, maps }).toEqual({ timeShift: undefined, maps: [] });
      }
      const about = guests.map((name) => [name, { ns: recordedOffset(name) + 700_000n, boundNs: 1_000_000 }] as const);
      expectPlaced(paths, `${folder}/synced`, new Map(about));
    },
  );
