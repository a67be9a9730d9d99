/** Copies of recordings with other options: all events stay, and the options are read back, by us and by trace-cmd. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OutputFile } from "../../../src/base/output-file.ts";
import type { TimeSample, TraceMetadata } from "../../../src/events/trace-metadata.ts";
import { OptionId } from "../../../src/trace-dat/format.ts";
import { openTraceFile } from "../../../src/trace-dat/read/file.ts";
import { openTraceDat, readHead } from "../../../src/trace-dat/read/reader.ts";
import type { Option } from "../../../src/trace-dat/read/tables.ts";
import type { TraceSource } from "../../../src/trace-dat/trace-source.ts";
import { copyWithOptions } from "../../../src/trace-dat/write/copy.ts";
import { guestOption, timeShiftOption } from "../../../src/trace-dat/write/time-options.ts";
import { whyNoTools } from "../../support/packages.ts";
import { runTraceCmd } from "../../support/trace-cmd.ts";
import { testUnless } from "../../support/test-unless.ts";

const fixtures = join(import.meta.dir, "../../fixtures");
const names = readdirSync(fixtures, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(fixtures, entry.name, "trace.dat")))
  .map(({ name }) => name);
const noTraceCmd = await whyNoTools("trace-cmd");
const directory = mkdtempSync(join(tmpdir(), "ta-copy-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const guest = { name: "vm1", traceId: 0xfedc_ba98_7654_3210n, tasks: [4711, -1, 4713] };
const sample = (time: bigint, offset: bigint): TimeSample => ({ time, offset, scaling: 1n, fractionBits: 0n });
const shift = {
  hostTraceId: 77n,
  interpolated: true,
  // Of as many CPUs as the largest fixture has.
  samples: Array.from({ length: 8 }, () => [
    sample(1_000_000_000n, -5_000_000_123n),
    sample(3_000_000_000n, -5_000_000_100n),
  ]),
};

function copy(name: string, replaced: (option: Option) => boolean = () => false): string {
  const path = join(directory, `${name}.dat`);
  const file = openTraceFile(join(fixtures, name, "trace.dat"));
  try {
    const head = readHead(file);
    const output = new OutputFile(path);
    const more = [guestOption(guest, head.littleEndian), timeShiftOption(shift, head.littleEndian)];
    copyWithOptions(file, head, output, more, replaced);
    output.finish();
  } finally {
    file.close();
  }
  return path;
}

function withSource<Result>(path: string, use: (source: TraceSource) => Result): Result {
  const source = openTraceDat(path);
  try {
    return use(source);
  } finally {
    source.close();
  }
}

/** Everything but the times. */
function contentOf(source: TraceSource): unknown {
  const { timeShift: _, guests, ...metadata }: TraceMetadata = source.metadata;
  const buffers = source.buffers?.map((buffer) => ({ name: buffer.name, data: dataOf(buffer.source) }));
  return { metadata, buffers, guests: guests?.length };
}

function dataOf(source: TraceSource): unknown {
  const block = new Uint8Array(source.metadata.layout.sizeBytes);
  return source.open().map((reader) => {
    const hash = new Bun.CryptoHasher("sha256");
    for (let got = reader.read(block); got > 0; got = reader.read(block)) hash.update(block.subarray(0, got));
    return { cpu: reader.cpu, sha: hash.digest("hex") };
  });
}

describe("a copy with GUEST and TIME_SHIFT", () => {
  test.each(names)("of %s has the same events, and both options", (name) => {
    const original = join(fixtures, name, "trace.dat");
    const path = copy(name, ({ id }) => id === OptionId.guest);
    const before = withSource(original, contentOf) as { guests: number };
    const after = withSource(path, contentOf);
    expect(after).toEqual({ ...before, guests: 1 });
    withSource(path, ({ metadata }) => {
      expect(metadata.guests?.at(-1)).toEqual(guest);
      expect(metadata.timeShift).toEqual(shift);
    });
  });

  test("takes the place of one that was there", () => {
    const path = copy("case-guest-time-shift", ({ id }) => id === OptionId.timeShift);
    withSource(path, ({ metadata }) => expect(metadata.timeShift).toEqual(shift));
  });

  testUnless(noTraceCmd, "is read by trace-cmd, which shifts the times as it says", () => {
    for (const name of ["linux-6.12", "linux-6.1", "v7-zstd"]) {
      const lines = (path: string): string[] => {
        const { stdout, status } = runTraceCmd(["report", "-t", "-i", path]);
        expect({ path, status }).toEqual({ path, status: 0 });
        return stdout.split("\n");
      };
      const before = lines(join(fixtures, name, "trace.dat"));
      const after = lines(copy(name));
      expect({ name, lines: after.length }).toEqual({ name, lines: before.length });
      const stampOf = (all: string[]): bigint =>
        BigInt(/ (\d+)\.(\d{9}):/.exec(all.join("\n"))?.slice(1).join("") ?? "0");
      const [first, shifted] = [stampOf(before), stampOf(after)];
      // Extrapolated with the two samples.
      const expected = first - 5_000_000_123n + ((first - 1_000_000_000n) * 23n) / 2_000_000_000n;
      expect(Number(shifted - expected)).toBeWithin(-1, 2);
    }
  });
});
