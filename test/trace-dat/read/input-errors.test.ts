import { afterAll, describe, expect, test } from "bun:test";
import { makeFifo } from "../../../ffi/pipe.ts";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeRawSpool } from "../../support/raw-spool.ts";
import { joinTraceDat, splitTraceDat } from "../../support/trace-dat-sections.ts";
import { fixturePath } from "../../fixtures/fixtures.ts";
import { SectionId } from "../../../src/trace-dat/format.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { executable } from "../../support/agent-process.ts";

const directory = mkdtempSync(join(tmpdir(), "trace-agent-input-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const file = (name: string, content: string): string => {
  const path = join(directory, name);
  writeFileSync(path, content, "latin1");
  return path;
};
const spool = join(directory, "a.spool");
mkdirSync(spool);
writeFileSync(join(spool, "session.json"), "{}");
const foreign = join(directory, "foreign");
mkdirSync(foreign);
const text = file("text", "hello, this is text and no recording");
const head = file("head", "\x17\x08\x44tracing6\0\0\x08\0\x10\0\0head");
const unknownVersion = file("version", "\x17\x08\x44tracing9\0\0\x08\0\x10\0\0");
const packed = file("packed", "\x17\x08\x44tracing7\0\0\x08\0\x10\0\0best\x001.0\0");
const output = join(directory, "out");
const fifo = join(directory, "fifo");
makeFifo(fifo, 0o600);

test("an input file that is not there is named once, with what the system says", () => {
  const path = join(directory, "nowhere.dat");
  expect(() => openTraceDat(path)).toThrow(
    expect.objectContaining({ message: `cannot open "${path}": ENOENT: no such file or directory` }),
  );
});

describe("an input file that is damaged or of another kind", () => {
  const commands: string[][] = [
    ["report", text],
    ["report", file("empty", "")],
    ["report", head],
    ["report", unknownVersion],
    ["report", packed],
    ["report", foreign],
    ["report", fifo],
    ["report", "/dev/null"],
    ["report", "--json", head],
    ["report", "--stat", text],
    ["export", text, "-o", output],
    ["export", foreign, "-o", output],
    ["open", head],
    ["open", text],
    ["open", file("empty", "")],
    ["open", fifo],
    ["recover", spool, "-o", output],
    ["recover", spool, "-o", output, "--metadata", text],
    ["recover", spool, "-o", output, "--metadata", file("version-2", '{"version":2}')],
    ["record", "nowhere", "--metadata", text],
  ];
  test.each(commands.map((args) => [args.join(" ").replaceAll(directory, ""), args] as const))(
    "ends %s with code 65",
    (_, args) => {
      const { status, stdout, stderr } = spawnSync(executable, args, { encoding: "utf8" });
      expect({ status, stdout }).toEqual({ status: 65, stdout: "" });
      expect(stderr).toMatch(/^trace-agent: error: cannot (?:read|use|recover|open) [^\n]+\n$/);
      expect(readdirSync(foreign)).toEqual([]);
    },
  );

  test("in places is shown but for these, which are told, and ends with code 65 too", () => {
    const whole = readFileSync(fixturePath("linux-6.12"));
    const data = Number(whole.readBigUInt64LE(whole.indexOf("flyrecord\0") + 10));
    const broken = Buffer.from(whole);
    // The length of the first event of CPU 0 reaches beyond its sub-buffer.
    broken.writeUInt32LE(28 | (1 << 5), data + 16);
    broken.fill(0x1c, data + 20, data + 4096);
    const path = file("broken.dat", broken.toString("latin1"));
    const run = (...args: string[]): ReturnType<typeof spawnSync> => spawnSync(executable, args, { encoding: "utf8" });
    const report = run("report", path);
    expect(report.status).toBe(65);
    expect(String(report.stdout).split("\n").length).toBeGreaterThan(20);
    expect(report.stderr).toContain("CPU 0: 1 sub-buffer could not be read to the end");
    expect(run("report", "--stat", path).status).toBe(65);
    const exported = run("export", path, "-o", output);
    expect({ status: exported.status, stdout: exported.stdout }).toEqual({
      status: 65,
      stdout: expect.stringContaining(" events, "),
    });
    // The bytes of the last CPU are no whole sub-buffers.
    const cut = Buffer.from(whole);
    const sizeAt = whole.indexOf("flyrecord\0") + 10 + 16 + 8;
    cut.writeBigUInt64LE(cut.readBigUInt64LE(sizeAt) - 100n, sizeAt);
    const short = run("report", file("short.dat", cut.toString("latin1")));
    expect(short.status).toBe(65);
    expect(short.stderr).toContain("CPU 1: 1 sub-buffer could not be read to the end: it is cut short");
  });

  test("of which a part unpacks to more than the file says is damaged, and the error says by what", () => {
    const bytes = readFileSync(fixturePath("buffers-v7-zstd"));
    const zstdMagic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
    bytes.writeUInt32LE(10, bytes.indexOf(zstdMagic) - 4);
    const path = join(directory, "larger.dat");
    writeFileSync(path, bytes);
    expect(() => openTraceDat(path)).toThrow(
      /is damaged: a part of it unpacks to more than the 10 bytes that the file says$/,
    );
  });

  test("whose list of task names is shorter than it says, as trace-cmd writes it on a busy machine, is shown with a warning", () => {
    const { sections, options } = splitTraceDat(readFileSync(fixturePath("v7-zstd")));
    const names = "11 first\n12 second\n";
    const write = (name: string, told: number): string => {
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(told));
      const list = { id: SectionId.commandLines, body: Buffer.concat([length, Buffer.from(names)]) };
      const others = sections.filter(({ id }) => id !== list.id);
      const path = join(directory, name);
      writeFileSync(path, joinTraceDat({ sections: [...others, list], options }, [{ cpu: 0, chunks: [] }]));
      return path;
    };
    const short = openTraceDat(write("names.dat", names.length + 8));
    expect(short.metadata.savedCommands).toBe(names);
    expect(short.warnings).toEqual([expect.stringContaining("its list of task names has 19 bytes, not 27")]);
    short.close();
    expect(() => openTraceDat(write("long.dat", 2 ** 30))).toThrow("is damaged: a text of 1073741824 bytes");
  });

  test("that is a spool whose metadata cannot be used is shown without them, and ends with code 65 too", () => {
    const path = join(directory, "b.spool");
    makeRawSpool(path);
    writeFileSync(join(path, "metadata"), "\x1f\x8b\0\0", "latin1");
    for (const args of [
      ["report", path],
      ["recover", path, "-o", output],
    ]) {
      const { status, stdout, stderr } = spawnSync(executable, args, { encoding: "utf8" });
      expect({ args, status }).toEqual({ args, status: 65 });
      expect(stdout).not.toBe("");
      expect(stderr).toContain("cannot use the metadata of the guest");
    }
  });

  test("one that is not there or not to be opened is no such file", () => {
    const run = (...args: string[]): number | null => spawnSync(executable, args, { encoding: "utf8" }).status;
    expect(run("report", join(directory, "none"))).toBe(74);
    expect(run("recover", join(directory, "none"), "-o", output)).toBe(74);
    expect(run("recover", spool, "-o", output, "--metadata", join(directory, "none"))).toBe(74);
  });
});
