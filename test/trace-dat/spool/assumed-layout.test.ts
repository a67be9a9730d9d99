import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Spool } from "../../../src/trace-dat/spool/spool.ts";
import { bodyOf } from "../../support/sub-buffers.ts";
import { executable } from "../../support/agent-process.ts";

const directory = mkdtempSync(join(tmpdir(), "trace-agent-layout-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Sub-buffers of events of 24 bytes, the last one not full, as a kernel of this layout gives them. */
function stream(count: number, sizeBytes: number, longBytes: 4 | 8, fill = 1): Buffer {
  const bytes = Buffer.alloc(count * sizeBytes);
  const header = 8 + longBytes;
  for (let index = 0; index < count; index++) {
    const start = index * sizeBytes;
    const events = Math.floor(((sizeBytes - header) * (index === count - 1 ? fill / 2 : fill)) / 28);
    bytes.writeBigUInt64LE(BigInt(5_000_000_000 + index * 1_000_000), start);
    bytes.writeUInt32LE(events * 28, start + 8);
    for (let event = 0; event < events; event++) {
      const at = start + header + event * 28;
      bytes.writeUInt32LE((6 | (90 << 5)) >>> 0, at);
      for (let word = 1; word < 7; word++)
        bytes.writeUInt32LE((Math.imul(event * 7 + word, 2_654_435_761) >>> 3) | 1, at + word * 4);
    }
  }
  return bytes;
}

function spoolOf(name: string, ...streams: Buffer[]): string {
  const spool = Spool.create(join(directory, name));
  spool.writeSession({ guest: "g", traceId: 1n });
  for (const [cpu, bytes] of streams.entries()) writeFileSync(`${spool.path}/cpu${cpu}`, bytes);
  spool.close();
  return spool.path;
}

const headerPage = (sizeBytes: number, longBytes: 4 | 8): string =>
  `\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:${longBytes};\tsigned:1;\n` +
  `\tfield: char data;\toffset:${8 + longBytes};\tsize:${sizeBytes - 8 - longBytes};\tsigned:0;\n`;

function metadataFile(name: string, sizeBytes: number, longBytes: 4 | 8): string {
  const path = join(directory, name);
  const metadata = {
    ...bodyOf({ "events/header_page": headerPage(sizeBytes, longBytes) }),
    subBufferSize: sizeBytes,
  };
  writeFileSync(path, JSON.stringify(metadata));
  return path;
}

function recover(spool: string, ...args: string[]): { status: number | null; stderr: string; written: boolean } {
  const output = `${spool}.dat`;
  const { status, stderr } = spawnSync(executable, ["recover", spool, "-o", output, ...args], {
    encoding: "utf8",
  });
  return { status, stderr, written: existsSync(output) };
}

describe("a raw recording of a guest that told nothing", () => {
  test.each([
    ["64 KiB pages", 65_536, 8],
    ["16 KiB pages", 16_384, 8],
    ["sub-buffers of 8 KiB", 8192, 8],
    ["32 bits", 4096, 4],
  ] as const)(
    "of %s is kept as a spool and told, and no file is written; with its metadata one is",
    (name, size, long) => {
      const spool = spoolOf(name.replaceAll(" ", "-"), stream(6, size, long), stream(1, size, long, 0.05));
      const files = readdirSync(spool).sort();
      const first = recover(spool);
      expect(first).toMatchObject({ status: 65, written: false });
      expect(first.stderr).toContain(
        `are not of sub-buffers of 4096 bytes of a kernel of 64 bits, as is assumed where the guest tells nothing; they look like ${size} bytes of a kernel of ${long * 8} bits`,
      );
      expect(first.stderr).toContain(`recover ${spool} --metadata FILE`);
      expect(readdirSync(spool).sort()).toEqual(files);
      const report = spawnSync(executable, ["report", spool], { encoding: "utf8" });
      expect({ status: report.status, stdout: report.stdout }).toEqual({ status: 65, stdout: "" });
      expect(recover(spool, "--metadata", metadataFile("right", size, long))).toMatchObject({
        status: 0,
        written: true,
      });
    },
  );

  test("of 4 KiB and 64 bits is written, also with damage in places", () => {
    const damaged = stream(12, 4096, 8);
    damaged.fill(0xff, 5 * 4096 + 300, 5 * 4096 + 400);
    damaged.fill(0, 9 * 4096, 9 * 4096 + 16);
    expect(recover(spoolOf("plain", damaged, Buffer.alloc(0)))).toMatchObject({ status: 0, written: true });
  });

  test("is not written with the metadata of another machine", () => {
    const spool = spoolOf("foreign", stream(6, 65_536, 8));
    const { status, stderr, written } = recover(spool, "--metadata", metadataFile("other", 4096, 4));
    expect({ status, written }).toEqual({ status: 65, written: false });
    expect(stderr).toContain(
      "of 4096 bytes of a kernel of 32 bits, as the metadata say that were given; they look like 65536 bytes",
    );
  });
});
