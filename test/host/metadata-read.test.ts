/** Metadata of a hostile guest: bounded, and whatever of it is taken makes a sound file in its place and nowhere else. */
import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { AgentError } from "../../src/errors.ts";
import { mergeMetadata, readMetadata } from "../../src/host/metadata-read.ts";
import { traceDatFormats, writeTraceDat } from "../../src/host/trace-dat/write.ts";
import { limits } from "../../src/limits.ts";
import type { Metadata } from "../../src/protocol/metadata.ts";
import { metadataOf, subBuffer, withRecording } from "./support/sub-buffers.ts";

const runs = process.env["TRACE_AGENT_LONG_TESTS"] === "1" ? 100_000 : 200;
const pack = (value: unknown): Uint8Array => gzipSync(JSON.stringify(value));

describe("readMetadata()", () => {
  test("takes JSON and packed JSON", () => {
    const metadata = metadataOf({ "events/sched/sched_switch/format": "name: \xe4\n", kallsyms: "" });
    expect(readMetadata(pack(metadata), "x")).toEqual(metadata);
    expect(readMetadata(Buffer.from(JSON.stringify(metadata)), "x")).toEqual(metadata);
  });

  test.each([
    ["nothing", new Uint8Array(0)],
    ["no JSON", Buffer.from("{")],
    ["a broken gzip", pack({}).slice(0, 10)],
    ["another version", pack({ ...metadataOf(), version: 2 })],
    ["no CPU", pack({ ...metadataOf(), cpus: 0 })],
    ["a million CPUs", pack({ ...metadataOf(), cpus: 1_000_000 })],
    ["files that are a list", pack({ ...metadataOf(), files: [] })],
    ["a file that is no text", pack({ ...metadataOf(), files: { kallsyms: { length: 1e9 } } })],
    ["text beyond a byte", pack({ ...metadataOf(), files: { kallsyms: "\u2603" } })],
    ["a bomb", gzipSync(Buffer.alloc(limits.metadataBytes + 1, 0x20))],
    ["depth", gzipSync("[".repeat(5_000_000))],
    ["too many files", pack({ ...metadataOf(), files: Object.fromEntries(Array.from({ length: limits.metadataFiles + 1 }, (_, i) => [`f${i}`, ""])) })],
  ])("refuses %s with an error that says so", (_, bytes) => {
    expect(() => readMetadata(bytes, 'guest "vm"')).toThrow(AgentError);
    expect(() => readMetadata(bytes, 'guest "vm"')).toThrow(/^cannot use the metadata of guest "vm": /);
  });

  test("leaves out names that are none of the kernel's", () => {
    const files = JSON.parse('{"../../etc/passwd":"a","/abs":"b","a//b":"c","events/x\\u0000/y/format":"d","__proto__":"e","kallsyms":"f"}') as object;
    expect(Object.entries(readMetadata(pack({ ...metadataOf(), files }), "x").files)).toEqual([["__proto__", "e"], ["kallsyms", "f"]]);
  });

  test("whatever is taken makes a file of either version that holds the data, and no other file", () => {
    const name = fc.oneof(
      fc.constantFrom("events/header_page", "events/header_event", "kallsyms", "trace_clock", "saved_cmdlines", "per_cpu/cpu0/stats", "../x"),
      fc.tuple(fc.constantFrom("sched", "ftrace", "..", "a b"), fc.string({ maxLength: 9 })).map(([system, event]) => `events/${system}/${event}/format`),
      fc.string({ maxLength: 30 }),
    );
    const hostile = fc.record({
      version: fc.constantFrom(1, 1, 1, 2, "1"),
      uname: fc.oneof(fc.string(), fc.anything()),
      cpus: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(-1, 4096, 4097, "x")),
      pageSize: fc.anything(),
      subBufferSize: fc.anything(),
      files: fc.oneof({ weight: 9, arbitrary: fc.dictionary(name, fc.string()) }, { weight: 1, arbitrary: fc.anything() }),
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
    const earlier: Metadata = { ...metadataOf({ kallsyms: "k", saved_cmdlines: "old" }), missing: { printk_formats: "no" } };
    const later: Metadata = { ...metadataOf({ saved_cmdlines: "new" }), missing: { kallsyms: "hidden", x: "no" } };
    expect(mergeMetadata(earlier, later)).toMatchObject({
      files: { kallsyms: "k", saved_cmdlines: "new" },
      missing: { printk_formats: "no", x: "no" },
    });
    expect(mergeMetadata(undefined, later)).toBe(later);
    expect(mergeMetadata(earlier, undefined)).toBe(earlier);
  });
});
