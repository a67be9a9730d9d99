/** Bodies of sections as files and hostile guests have them. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { AgentError } from "../../../src/base/errors.ts";
import { protocolLimits } from "../../../src/protocol/limits.ts";
import { readFileSync } from "node:fs";
import { writeTraceDat } from "../../../src/trace-dat/write/write.ts";
import { readMetadata } from "../../../src/trace-dat/spool/metadata-read.ts";
import { bodyOf, sectionsBody, subBuffer, withRecording } from "../../support/sub-buffers.ts";
import { inLongForm } from "../../support/long.ts";
import { inQuickForm } from "../../support/quick.ts";

const runs = inQuickForm(100, inLongForm(500, 100_000));
const head = '{"version":2,"uname":"Linux 6.12","cpus":2,"pageSize":4096,"subBufferSize":4096}\n';
const read = (text: string): ReturnType<typeof readMetadata> => readMetadata(Buffer.from(text, "latin1"), "x");

describe("readMetadata() of sections", () => {
  test("puts the pieces of a file together, whatever bytes they hold", () => {
    const piece = '{"end":true}\n\xff\0';
    const record = `{"file":"saved_cmdlines","bytes":${`${piece.length}`.padStart(5)}}\n${piece}`;
    const metadata = read(
      `${head}${record}{"new":[1]}\n${record}{"missing":"kallsyms","reason":"no\\u001b[31m"}\n{"end":true}\n`,
    );
    expect(metadata.savedCommands).toBe(piece + piece);
    expect([metadata.uname, metadata.cpus]).toEqual(["Linux 6.12", 2]);
    expect(Object.keys(metadata.missing ?? {})).toEqual(["kallsyms"]);
    expect(metadata.missing?.["kallsyms"]).not.toInclude("\x1b");
  });

  test("finds the same in a body that it may change, whatever lies between the pieces of a file", () => {
    const piece = (file: string, text: string): string => `${JSON.stringify({ file, bytes: text.length })}\n${text}`;
    const symbols = ["ffffffff81000000 T a\n", "ffffffff8100", "", "0010 T b\n"].map((text) => piece("kallsyms", text));
    const formats = ["0x1 : ", '"x"\n'].map((text) => piece("printk_formats", text));
    for (const pieces of [[...symbols, ...formats], symbols.flatMap((one, index) => [one, formats[index] ?? ""])]) {
      const body = `${head}${pieces.join("")}{"end":true}\n`;
      const changed = readMetadata(Buffer.from(body, "latin1"), "x", "input", undefined, true);
      expect(Buffer.from(changed.kallsyms ?? []).toString()).toBe("ffffffff81000000 T a\nffffffff81000010 T b\n");
      expect(changed.printkFormats).toBe('0x1 : "x"\n');
      expect(changed).toEqual(read(body));
    }
  });

  test("takes the later of two bodies, and keeps what only the earlier has", () => {
    const first = sectionsBody({ kallsyms: "a", printk_formats: "old", trace_clock: "[mono]" });
    const second = sectionsBody({ printk_formats: "new" }, { kallsyms: "hidden", saved_tgids: "none" });
    const metadata = readMetadata(Buffer.concat([first, second]), "x");
    expect(Buffer.from(metadata.kallsyms ?? []).toString()).toBe("a");
    expect([metadata.printkFormats, metadata.traceClock]).toEqual(["new", "[mono]"]);
    expect(metadata.missing).toEqual({ saved_tgids: "none" });
  });

  test("forgets a file whose reading failed in the middle", () => {
    const metadata = read(
      `${head}{"file":"printk_formats","bytes":3}\nabc{"missing":"printk_formats","reason":"EIO"}\n{"end":true}\n`,
    );
    expect([metadata.printkFormats, metadata.missing]).toEqual([undefined, { printk_formats: "EIO" }]);
  });

  test("makes the same recording, byte for byte, as the JSON of protocol 1", () => {
    const files = {
      "events/header_page": "page",
      "events/header_event": "event",
      trace_clock: "[mono]",
      kallsyms: "ffffffff81000000 T a\xe4\n",
      printk_formats: '0x1 : "x"\n',
      saved_cmdlines: "1 init\xff\n",
      "events/sched/sched_switch/format": "name: sched_switch\nID: 1\n",
      "events/ftrace/print/format": "name: print\nID: 5\n",
      "per_cpu/cpu0/stats": "entries: 0\n",
    };
    const written = [sectionsBody(files), Buffer.from(JSON.stringify(bodyOf(files)))].map((body) =>
      withRecording(1, { 0: subBuffer(3) }, readMetadata(body, "x"), (recording, directory) => {
        writeTraceDat(`${directory}/out`, recording, "v6");
        return readFileSync(`${directory}/out`);
      }),
    );
    expect(written[0]?.length).toBeGreaterThan(4096);
    expect(written[0]?.equals(written[1] ?? Buffer.alloc(0))).toBe(true);
  });

  test.each([
    ["no end", head],
    ["a file that is cut", `${head}{"file":"kallsyms","bytes":10}\nabc`],
    ["a negative length", `${head}{"file":"kallsyms","bytes":-1}\n{"end":true}\n`],
    ["another version behind", `${head}{"end":true}\n{"version":3,"cpus":1}\n{"end":true}\n`],
    ["no CPU", `${head.replace('"cpus":2', '"cpus":0')}{"end":true}\n`],
    ["a line that is none", `${head}[]x\n`],
    ["a line without end", `${head}${"x".repeat(10_000)}\n{"end":true}\n`],
    ["depth", `${head}{"a":[[[[1]]]]}\n{"end":true}\n`],
    ["a file in a million pieces", `${head}${'{"file":"x","bytes":1}\na'.repeat(20_000)}{"end":true}\n`],
    [
      "too many files",
      `${head}${Array.from({ length: protocolLimits.metadataFiles + 1 }, (_, n) => `{"file":"f${n}","bytes":0}\n`).join("")}{"end":true}\n`,
    ],
    ["too large a file", `${head}${bytesOf("printk_formats", protocolLimits.metadataFileBytes + 1)}{"end":true}\n`],
  ])("refuses %s with an error that says so", (_, text) => {
    // Once: some take long to be read.
    let error: unknown;
    try {
      read(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(AgentError);
    expect(error).toMatchObject({ message: expect.stringMatching(/^cannot use the metadata of x: /) });
  });

  test("leaves out names that are paths", () => {
    const files = { "../../etc/passwd": "a", "/etc/passwd": "b", "events/../x/format": "c", __proto__x: "d" };
    expect(readMetadata(sectionsBody(files), "x").formats).toEqual([]);
  });

  test("reads or refuses whatever comes of a body that was changed somewhere", () => {
    const body = sectionsBody({ "events/header_page": "page", kallsyms: "0 T x\n", "events/a/b/format": "name: b" });
    let taken = 0;
    fc.assert(
      fc.property(fc.nat(body.length - 1), fc.nat(255), (at, byte) => {
        const changed = Uint8Array.from(body);
        changed[at] = byte;
        try {
          readMetadata(changed, "x");
          taken++;
        } catch (error) {
          if (!(error instanceof AgentError)) throw error;
        }
      }),
      { numRuns: runs },
    );
    expect(taken).toBeGreaterThan(runs / 20);
  });
});

function bytesOf(name: string, bytes: number): string {
  return `{"file":"${name}","bytes":${bytes}}\n${"x".repeat(bytes)}`;
}
