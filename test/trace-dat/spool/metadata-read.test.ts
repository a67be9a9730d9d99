/** Metadata of a hostile guest: bounded, and whatever of it is taken makes a sound file in its place and nowhere else. */
import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { AgentError } from "../../../src/base/errors.ts";
import { mergeMetadata } from "../../../src/events/metadata-files.ts";
import { readMetadata } from "../../../src/trace-dat/spool/metadata-read.ts";
import { traceDatFormats, writeTraceDat } from "../../../src/trace-dat/write/write.ts";
import { protocolLimits } from "../../../src/protocol/limits.ts";
import type { Metadata } from "../../../src/events/trace-metadata.ts";
import { bodyOf, metadataOf, subBuffer, withRecording } from "../../support/sub-buffers.ts";
import { inLongForm } from "../../support/long.ts";
import { inQuickForm } from "../../support/quick.ts";

const runs = inQuickForm(50, inLongForm(200, 100_000));
/** Once: some take long to be read. */
function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

const pack = (value: unknown): Uint8Array => gzipSync(JSON.stringify(value));

describe("readMetadata()", () => {
  test("takes JSON and packed JSON", () => {
    const files = {
      "events/header_page": "page",
      "events/sched/sched_switch/format": "name: \xe4\n",
      "per_cpu/cpu1/stats": "entries: 1\n",
      "per_cpu/cpu0/stats": "entries: 0\n",
      kallsyms: "",
      trace_clock: "[mono]",
    };
    const metadata = {
      uname: "Linux 6.12 x86_64",
      cpus: 1,
      headerPage: "page",
      formats: [{ system: "sched", event: "sched_switch", text: "name: \xe4\n" }],
      cpuStats: [
        { cpu: 0, text: "entries: 0\n" },
        { cpu: 1, text: "entries: 1\n" },
      ],
      kallsyms: Buffer.alloc(0),
      traceClock: "[mono]",
      missing: {},
    };
    expect(readMetadata(pack(bodyOf(files)), "x")).toEqual(metadata);
    expect(readMetadata(Buffer.from(JSON.stringify(bodyOf(files))), "x")).toEqual(metadata);
  });

  test.each([
    ["nothing", new Uint8Array(0)],
    ["no JSON", Buffer.from("{")],
    ["a broken gzip", pack({}).slice(0, 10)],
    ["another version", pack({ ...bodyOf(), version: 2 })],
    ["no CPU", pack({ ...bodyOf(), cpus: 0 })],
    ["a million CPUs", pack({ ...bodyOf(), cpus: 1_000_000 })],
    ["files that are a list", pack({ ...bodyOf(), files: [] })],
    ["a file that is no text", pack({ ...bodyOf(), files: { kallsyms: { length: 1e9 } } })],
    ["text beyond a byte", pack({ ...bodyOf(), files: { kallsyms: "\u2603" } })],
    ["a bomb", gzipSync(Buffer.alloc(protocolLimits.metadataBytes + 1, 0x20))],
    ["depth", gzipSync("[".repeat(5_000_000))],
    [
      "too many files",
      pack({
        ...bodyOf(),
        files: Object.fromEntries(Array.from({ length: protocolLimits.metadataFiles + 1 }, (_, i) => [`f${i}`, ""])),
      }),
    ],
  ])("refuses %s with an error that says so", (_, bytes) => {
    const error = thrownBy(() => readMetadata(bytes, 'guest "vm"'));
    expect(error).toBeInstanceOf(AgentError);
    expect(error).toMatchObject({ message: expect.stringMatching(/^cannot use the metadata of guest "vm": /) });
  });

  test("says what is too large, packed or not, and the limit", () => {
    const large = Buffer.alloc(protocolLimits.metadataBytes + 1, 0x20);
    const limit = "larger than 40 MiB, the most that formats, symbols and names of a guest may take";
    expect(() => readMetadata(large, "x")).toThrow(`cannot use the metadata of x: it is ${limit}`);
    expect(() => readMetadata(gzipSync(large), "x")).toThrow(`cannot use the metadata of x: unpacked, it is ${limit}`);
  });

  test("leaves out names that are none of the kernel's", () => {
    const files = JSON.parse(
      '{"../../etc/passwd":"a","/abs":"b","events//b/format":"c","events/x\\u0000/y/format":"d","events/../y/format":"d","__proto__":"e","kallsyms":"f"}',
    ) as object;
    const { kallsyms, ...rest } = readMetadata(pack({ ...bodyOf(), files }), "x");
    expect(Buffer.from(kallsyms ?? "").toString()).toBe("f");
    expect(rest).toEqual({ uname: "Linux 6.12 x86_64", cpus: 1, formats: [], cpuStats: [], missing: {} });
  });

  test("whatever is taken makes a file of either version that holds the data, and no other file", () => {
    const name = fc.oneof(
      fc.constantFrom(
        "events/header_page",
        "events/header_event",
        "kallsyms",
        "trace_clock",
        "saved_cmdlines",
        "per_cpu/cpu0/stats",
        "../x",
      ),
      fc
        .tuple(fc.constantFrom("sched", "ftrace", "..", "a b"), fc.string({ maxLength: 9 }))
        .map(([system, event]) => `events/${system}/${event}/format`),
      fc.string({ maxLength: 30 }),
    );
    const hostile = fc.record({
      version: fc.constantFrom(1, 1, 1, 2, "1"),
      uname: fc.oneof(fc.string(), fc.anything()),
      cpus: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(-1, 4096, 4097, "x")),
      pageSize: fc.anything(),
      subBufferSize: fc.anything(),
      files: fc.oneof(
        { weight: 9, arbitrary: fc.dictionary(name, fc.string()) },
        { weight: 1, arbitrary: fc.anything() },
      ),
      missing: fc.oneof(fc.dictionary(fc.string(), fc.string()), fc.anything()),
    });
    let taken = 0;
    fc.assert(
      fc.property(hostile, fc.constantFrom(...traceDatFormats), (value, format) => {
        let metadata: Metadata;
        try {
          metadata = readMetadata(pack(value), "a guest");
        } catch (error) {
          expect(error).toBeInstanceOf(AgentError);
          return;
        }
        taken++;
        withRecording(metadata.cpus, { 0: subBuffer(2) }, metadata, (recording, directory) => {
          const { cpus } = writeTraceDat(`${directory}/out.dat`, recording, format);
          expect(cpus[0]?.events).toBe(2);
          expect(readdirSync(directory).sort()).toEqual(["cpu0.raw", "out.dat"]);
          if (format === "v6") expect(readFileSync(`${directory}/out.dat`).includes(subBuffer(2))).toBe(true);
        });
      }),
      { numRuns: runs },
    );
    expect(taken).toBeGreaterThan(runs / 10);
  });
});

describe("mergeMetadata()", () => {
  test("takes the later of what both have, and misses only what none has", () => {
    const format = (event: string): string => `events/sched/${event}/format`;
    const earlier: Metadata = {
      ...metadataOf({ kallsyms: "k", saved_cmdlines: "old", [format("a")]: "1", [format("b")]: "2" }),
      missing: { printk_formats: "no" },
    };
    const later: Metadata = {
      ...metadataOf({ saved_cmdlines: "", [format("c")]: "3", [format("a")]: "4", "per_cpu/cpu1/stats": "s" }),
      missing: { kallsyms: "hidden", x: "no" },
    };
    const merged = mergeMetadata(earlier, later);
    expect(Buffer.from(merged?.kallsyms ?? "").toString()).toBe("k");
    expect(merged).toMatchObject({
      savedCommands: "",
      formats: [
        { event: "a", text: "4" },
        { event: "b", text: "2" },
        { event: "c", text: "3" },
      ],
      cpuStats: [{ cpu: 1, text: "s" }],
    });
    expect(merged?.missing).toEqual({ printk_formats: "no", x: "no" });
    expect(mergeMetadata(undefined, later)).toBe(later);
    expect(mergeMetadata(earlier, undefined)).toBe(earlier);
  });
});
