import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EventText } from "../../../src/events/trace-metadata.ts";
import { openRecordings } from "../../../src/trace-dat/open-recording.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { fixturePath } from "../../fixtures/fixtures.ts";
import { madeMachine, madeMetadata, type MadeSched } from "../../support/made-machine.ts";
import { whyNoSmallDisk, withSmallDisk } from "../../support/small-disk.ts";
import { testUnless } from "../../support/test-unless.ts";
import { askDuckDb, exportTables, filesIn, readers, sessionParts, sessionStart } from "../../support/parquet.ts";

const base = mkdtempSync(join(tmpdir(), "trace-agent-tables-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));
let folder = "";
let count = 0;
beforeEach(() => {
  folder = join(base, `${++count}`);
});

const task = (pid: number, comm: string): { pid: number; comm: string } => ({ pid, comm });
const [idle, a, b] = [task(0, "swapper"), task(5, "a"), task(6, "b")];
const [asleep, preempted] = [1, 0x100];
const events: MadeSched[] = [
  { time: 500, cpu: 0, by: 7, wakes: a, target: 0 },
  { time: 1_000, cpu: 0, by: 0, prev: idle, state: 0, next: a },
  { time: 3_000, cpu: 0, by: 5, prev: a, state: preempted, next: b },
  { time: 4_000, cpu: 0, by: 6, prev: b, state: asleep, next: a },
  { time: 9_000, cpu: 0, by: 5, lost: true, prev: a, state: asleep, next: task(7, "c") },
  { time: 9_500, cpu: 0, by: 7, prev: task(7, "c"), state: 2, next: idle },
];
const all = (table: string, order = "ts"): Promise<Record<string, unknown>[]> =>
  askDuckDb(
    `select * from read_parquet('${folder}/${table}/*/*/*/*.parquet', union_by_name = true, hive_types = {'guest': varchar}) order by ${order}`,
  );
const made = (
  machine = "vm1",
  more: Parameters<typeof madeMachine>[1] = {},
): Parameters<typeof sessionParts>[0][number] => ({
  machine,
  source: madeMachine(events, { cpus: 1, ...more }),
});

describe("the table", () => {
  test("sched_slice has slices that end at a loss, the wait before them, and the state after them", async () => {
    exportTables(folder, sessionParts([made()]));
    const rows = await all("sched_slice");
    expect(
      rows.map(({ ts, dur, tid, comm, end_state, wait, start_cut, cut }) => [
        ts,
        dur,
        tid,
        comm,
        end_state,
        wait,
        start_cut,
        cut,
      ]),
    ).toEqual([
      [500n, 0n, 7n, "c", null, null, true, true],
      [1_000n, 0n, 0n, "<idle>", "R", null, true, false],
      [1_000n, 2_000n, 5n, "a", "R+", 500n, false, false],
      [3_000n, 1_000n, 6n, "b", "S", null, false, false],
      [4_000n, 0n, 5n, "a", null, 1_000n, false, true],
      [9_000n, 0n, 5n, "a", "S", null, true, false],
      [9_000n, 500n, 7n, "c", "D", null, false, false],
      [9_500n, 0n, 0n, "<idle>", null, null, false, true],
    ]);
  });

  test("lost has when a loss began, how long it lasted, and no count where there is none", async () => {
    exportTables(folder, sessionParts([made()]));
    expect(await all("lost")).toMatchObject([{ ts: 4_000n, dur: 5_000n, cpu: 0n, count: null, damaged: false }]);
  });

  test("of an event has the task's name from the first row, though it is told later, and not what was saved of an earlier task", async () => {
    exportTables(folder, sessionParts([made("vm1", { savedCommands: "7 earlier\n9 never-seen\n" })]));
    expect(await all("sched_waking", "common_ts")).toMatchObject([
      { common_ts: 500n, common_pid: 7n, common_comm: "c" },
    ]);
  });

  test("of a session that knows when it began has the time in UTC", async () => {
    exportTables(folder, sessionParts([made("vm1", { epoch: 77n })]));
    const [row] = await all("sched_waking", "common_ts");
    expect(row?.["common_time"]).toBe(BigInt(Date.parse("2026-11-30T08:00:00Z")) * 1_000_000n);
    expect(await all("session", "session")).toMatchObject([
      { utc_from: "start", start: 577n, events: 6n, lost_uncounted: 1n },
    ]);
  });
});

test("host and guests that are on its clock have one distance to UTC in each start of a session, whoever was quiet first", async () => {
  const onHostClock = { timeShift: { hostTraceId: 0n, interpolated: false, samples: [] } };
  const second = 1_000_000_000n;
  const again = "2026-11-30T09:00:00.000Z";
  exportTables(
    folder,
    sessionParts([
      { ...made("vm1", { ...onHostClock, epoch: 107n * second }), segment: 1 },
      { ...made("vm1", { ...onHostClock, epoch: 3_703n * second }), segment: 2, started: again },
      // The host was started again, too: its clock had begun anew.
      { ...made("node", { epoch: 100n * second }), kind: "host", segment: 1 },
      { ...made("node", { epoch: 3n * second }), kind: "host", segment: 2, started: again },
      // On its own clock.
      { ...made("vm2", { epoch: 5n * second }), segment: 1 },
    ]),
  );
  const rows = await askDuckDb(
    `select guest, segment, utc_offset from read_parquet('${folder}/session/*/*/*/*.parquet', hive_types = {'guest': varchar}) order by guest, segment`,
  );
  const from = (time: string, first: bigint): bigint => BigInt(Date.parse(time)) * 1_000_000n - first * second - 500n;
  expect(rows.map((row) => [row["guest"], row["segment"], row["utc_offset"]])).toEqual([
    ["node", 1n, from(sessionStart, 100n)],
    ["node", 2n, from(again, 3n)],
    ["vm1", 1n, from(sessionStart, 100n)],
    ["vm1", 2n, from(again, 3_703n)],
    ["vm2", 1n, from(sessionStart, 5n)],
  ]);
});

describe("a second export", () => {
  test("replaces the files of its recording, also on another date, and no other's", async () => {
    const path = join(base, "lone.dat");
    writeFileSync(path, readFileSync(fixturePath("linux-6.12-syscalls")));
    const once = async (names: Parameters<typeof exportTables>[2]): Promise<string[]> => {
      const recordings = await openRecordings([path]);
      exportTables(folder, recordings.parts, names);
      recordings.close();
      return filesIn(folder);
    };
    exportTables(folder, sessionParts([made("vm9")]));
    const other = filesIn(folder);
    const first = await once({ host: "h", date: "2026-11-30" });
    expect(first.length).toBeGreaterThan(other.length + 5);
    expect(await once({ host: "h", date: "2026-11-30" })).toEqual(first);
    const moved = await once({ host: "h", date: "2026-11-29" });
    expect(moved).toEqual(expect.arrayContaining(other));
    expect(moved.filter((file) => file.includes("date=2026-11-29"))).toHaveLength(first.length - other.length);
    expect(moved).toHaveLength(first.length);
  });

  test("gives a field of another kind a column of its own, and leaves the first one as it was", async () => {
    const withField = (declaration: string, size: number): readonly EventText[] => [
      ...madeMetadata.formats.slice(0, 1),
      { system: "sched", text: waking(declaration, size) },
    ];
    const waking = (declaration: string, size: number): string =>
      (madeMetadata.formats[1] as { text: string }).text.replace(
        "\tfield:int target_cpu;\toffset:32;\tsize:4;\tsigned:1;",
        `\tfield:${declaration};\toffset:32;\tsize:${size};\tsigned:1;\n\tfield:char guest[4];\toffset:32;\tsize:4;\tsigned:0;`,
      );
    exportTables(folder, sessionParts([made("vm1", { formats: withField("int target_cpu", 4) })]));
    exportTables(folder, sessionParts([made("vm2", { formats: withField("char target_cpu[4]", 4) })]));
    exportTables(folder, sessionParts([made("vm3", { formats: withField("short target_cpu", 2) })]));
    const rows = await all("sched_waking", "guest");
    expect(rows.map((row) => [row["guest"], row["target_cpu"], row["target_cpu__text"]])).toEqual([
      ["vm1", 0n, null],
      ["vm2", null, ""],
      ["vm3", 0n, null],
    ]);
    expect(rows[0]).toHaveProperty("guest__text");
    const list = JSON.parse(readFileSync(join(folder, "_columns.json"), "utf8")) as {
      tables: [string, [string, string][]][];
    };
    expect(new Map(list.tables).get("sched_waking")).toEqual(
      expect.arrayContaining([
        ["target_cpu", "int"],
        ["target_cpu__text", "text"],
      ]),
    );
  });

  test("into a directory whose list of columns is damaged is refused, with its name", () => {
    mkdirSync(folder);
    writeFileSync(join(folder, "_columns.json"), "{}");
    expect(() => exportTables(folder, sessionParts([made()]))).toThrow(
      /cannot read ".*_columns\.json", the list of columns/,
    );
    expect(filesIn(folder)).toEqual([]);
  });
});

testUnless(
  whyNoSmallDisk(),
  "a disk that is full in the middle leaves nothing of a recording, and what was there stays",
  () =>
    withSmallDisk("96k", async (small) => {
      const lake = join(small, "lake");
      exportTables(lake, sessionParts([made()]));
      const before = filesIn(lake);
      const recordings = await openRecordings([fixturePath("linux-6.12-lost")]);
      expect(() => exportTables(lake, recordings.parts, { host: "h" })).toThrow(/cannot write .*ENOSPC/);
      recordings.close();
      const left = readdirSync(lake, { recursive: true, encoding: "utf8", withFileTypes: true });
      expect(left.filter((entry) => entry.isFile()).map(({ name }) => name)).toHaveLength(before.length + 1);
      expect(filesIn(lake)).toEqual(before);
    }),
);

describe("hostile recordings make sound files:", () => {
  test("names of machines and tasks stay names, and are what engines show", async () => {
    const name = `../é/${"x".repeat(20)}\u0001="%2e`;
    const evil: MadeSched[] = [
      { time: 1, cpu: 0, by: 1, prev: task(1, "\x1b[2J\xff"), state: 0, next: task(2, "a'b") },
    ];
    exportTables(
      folder,
      sessionParts([
        { machine: name, source: madeMachine(evil, { cpus: 1 }) },
        { machine: "y".repeat(250), source: madeMachine(evil, { cpus: 1 }) },
      ]),
      { host: ".." },
    );
    for (const file of filesIn(folder)) expect(file.split("/")).toHaveLength(5);
    const rows = await all("sched_switch", "guest");
    expect(rows[0]).toMatchObject({ guest: name, host: "..", prev_comm: "\x1b[2J\u00ff", next_comm: "a'b" });
    expect(String(rows[1]?.["guest"])).toMatch(/^y{100,159}~[0-9a-f]{8}$/);
  });

  test.each([
    "linux-6.12-lost",
    "case-old-marker",
    "case-instance-clock",
    "case-old-clock-counter",
    "case-split-instance",
    "tsc2nsec",
    "date",
  ])(
    "%s",
    async (name) => {
      const source = openTraceDat(fixturePath(name));
      exportTables(folder, sessionParts([{ machine: name, source }]));
      source.close();
      for (const file of filesIn(folder)) {
        const path = join(folder, file);
        expect(await readers.arrow(path)).toEqual(await readers.DuckDB(path));
      }
    },
    300_000,
  );

  test("events of one name in two systems, and of our tables' names, are tables of their own", async () => {
    const [first, second] = madeMetadata.formats as readonly { system: string; text: string }[];
    const formats = [
      { system: "evil", text: (first?.text ?? "").replace("name: sched_switch", "name: lost") },
      { system: "sched", text: (second?.text ?? "").replace("name: sched_waking", "name: .._a:b") },
    ];
    exportTables(folder, sessionParts([made("vm1", { formats })]));
    const tables = new Set(filesIn(folder).map((file) => file.split("/")[0]));
    const own = ["irq_slice", "lost", "sched_slice", "session", "task", "wakeup"];
    expect(tables).toEqual(new Set([...own, "evil__lost", "x___a_b"]));
  });

  test("names of tables differ in more than the case of letters, and are none that Windows keeps for devices", () => {
    const [first, second] = madeMetadata.formats as readonly { system: string; text: string }[];
    const formats = [
      { system: "evil", text: (first?.text ?? "").replace("name: sched_switch", "name: Lost") },
      { system: "sched", text: (second?.text ?? "").replace("name: sched_waking", "name: Aux") },
    ];
    exportTables(folder, sessionParts([made("vm.", { formats })]));
    const tables = new Set(filesIn(folder).map((file) => file.split("/")[0]));
    expect(tables).toContain("evil__Lost");
    expect(tables).toContain("x_Aux");
    expect(filesIn(folder)[0]).toContain("/guest=vm%2E/");
  });
});
