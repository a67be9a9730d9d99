import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRecordings } from "../../../src/trace-dat/open-recording.ts";
import { traceDatLimits } from "../../../src/trace-dat/limits.ts";
import { openSpool } from "../../../src/trace-dat/spool/source.ts";
import { Spool } from "../../../src/trace-dat/spool/spool.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { setLogLevel } from "../../../src/base/log.ts";
import type { MetadataBody } from "../../../src/protocol/metadata.ts";
import { noRecordingReason, recordLocally } from "../../support/local-recording.ts";
import { makeRawSpool } from "../../support/raw-spool.ts";
import { ourReport } from "../../support/trace-cmd-report.ts";

const directory = mkdtempSync(join(tmpdir(), "trace-agent-spool-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const reason = noRecordingReason();
if (reason !== undefined) console.log(`reports of a spool: skipped: ${reason}`);

/** The metadata reply that a guest would have given for a recording. */
function metadataOf(path: string): MetadataBody {
  const source = openTraceDat(path);
  const { formats, kallsyms = "", printkFormats = "", savedCommands = "", traceClock = "", uname } = source.metadata;
  const files: Record<string, string> = {
    "events/header_page":
      "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n",
    kallsyms: Buffer.from(kallsyms).toString("latin1"),
    printk_formats: printkFormats,
    saved_cmdlines: savedCommands,
    trace_clock: `${traceClock} global\n`,
  };
  for (const { system, text } of formats) {
    const name = /^name: (.*)$/m.exec(text)?.[1] ?? "";
    files[`events/${system}/${name}/format`] = text;
  }
  source.close();
  return { version: 1, uname, cpus: source.cpus.length, pageSize: 4096, subBufferSize: 4096, files, missing: {} };
}

describe.skipIf(reason !== undefined)("the spool that a killed recorder leaves", () => {
  test("prints as the trace.dat of the same events does", () => {
    const path = join(directory, "whole.dat");
    const data = recordLocally(path, {
      events: ["sched", "kmem"],
      // The marker last: the first events may be lost on a busy machine.
      workload: "ls /usr > /dev/null; echo from a test > $I/trace_marker",
    });
    const spool = Spool.create(join(directory, "part.dat"));
    spool.writeSession({ guest: "g", traceId: 1n });
    spool.writeMetadata("start", Bun.gzipSync(Buffer.from(JSON.stringify(metadataOf(path))), { level: 1 }));
    // The recorder was killed while a sub-buffer came in.
    for (const [cpu, bytes] of data.entries())
      writeFileSync(`${spool.path}/cpu${cpu}`, Buffer.concat([bytes, Buffer.alloc(100)]));
    spool.close();
    const text = ourReport(spool.path);
    expect(text === ourReport(path)).toBe(true);
    expect(text).toContain("from a test");
  }, 300_000);

  test("says that its recorder still runs while it does", async () => {
    const spool = Spool.create(join(directory, "running.dat"));
    const opened = async (): Promise<string> => await openRecordings([spool.path]).then(() => "opened", String);
    expect(await opened()).toContain("a recorder still writes it");
    spool.close();
    expect(await opened()).not.toContain("a recorder still writes it");
  });

  test("without metadata gives events without text, and says so", () => {
    setLogLevel("silent");
    const path = join(directory, "bare.dat");
    const data = recordLocally(path, { events: ["sched"], workload: "ls /usr > /dev/null" });
    const spool = Spool.create(join(directory, "bare-part.dat"));
    spool.writeSession({ guest: "g", traceId: 1n });
    for (const [cpu, bytes] of data.entries()) writeFileSync(`${spool.path}/cpu${cpu}`, bytes);
    spool.close();
    const lines = ourReport(spool.path).trimEnd().split("\n");
    setLogLevel("info");
    expect(lines.length).toBe(ourReport(path).trimEnd().split("\n").length);
    const events = lines.slice(1).filter((line) => !/^CPU:\d+ \[.*EVENTS DROPPED\]$/.test(line));
    expect(events.length).toBeGreaterThan(0);
    expect(events.every((line) => line.includes("[UNKNOWN EVENT]"))).toBe(true);
  }, 300_000);
});

describe("a spool that somebody made", () => {
  const made = (files: Readonly<Record<string, string>>): string => {
    const path = mkdtempSync(join(directory, "made-"));
    makeRawSpool(join(path, "x.spool"));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(path, "x.spool", name), text);
    return join(path, "x.spool");
  };
  const deep = "[".repeat(1_000_000) + "]".repeat(1_000_000);
  const reply = '{"reply":"start","state":"running","streams":[{"cpu":-1,"bytes":0}]}';

  test.each([
    ["spool.json", deep, "nested deeper"],
    ["spool.json", `{"hello":${deep}}`, "nested deeper"],
    ["spool.json", `{"guest":"vm","start":${reply}}`, 'its "start" is no reply'],
    ["spool.json", '{"guest":"vm"', "JSON"],
    ["end.json", `{"stop":${deep}}`, "nested deeper"],
    ["end.json", "5", "it is no object"],
  ])("with %s that cannot be read is shown, and told to be damaged", (name, text, why) => {
    const path = made({ [name]: text });
    const spool = Spool.open(path);
    expect(spool.readDamage().join("; ")).toContain(`${name} is damaged: `);
    expect(spool.readDamage().join("; ")).toContain(why);
    spool.close();
    const source = openSpool(path);
    expect(source.isDamaged).toBe(true);
    expect(source.open().map((reader) => reader.read(new Uint8Array(1 << 20)))).toEqual([16_384, 16_384]);
    source.close();
  });

  test.each([
    [{ "spool.json": '{"pieceBytes":4096}', "cpu0.0": "x" }, "lie in pieces, as cpu0.0, and there is cpu"],
    [{ "spool.json": "{}", "cpu0.7": "x" }, "lie whole, as cpu0, and there is cpu0.7"],
  ])("with streams that would be passed over is refused: %p", (files, why) => {
    const spool = Spool.open(made(files));
    expect(() => spool.streams()).toThrow(why);
    spool.close();
  });

  test("with lines that nest in its clocks and cuts is read without them", () => {
    const spool = Spool.open(made({ clocks: `${deep}\n`, cuts: `${deep}\n{"done":1}\n` }));
    expect(spool.readBursts()).toEqual([]);
    expect(spool.readCuts()).toEqual({ written: new Map(), passed: {}, left: [] });
    spool.close();
  });

  test("with a text of a megabyte as the reason of its end has a reason that can be told", () => {
    const spool = Spool.open(made({ "end.json": JSON.stringify({ reason: "x".repeat(1_000_000) }) }));
    expect(spool.readEnd()?.reason.length).toBe(traceDatLimits.sessionTextChars);
    spool.close();
  });
});
