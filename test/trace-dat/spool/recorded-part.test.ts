/** Which bytes of a spooled stream are the recording's, and what is told of the others. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { layoutOf } from "../../../src/ring-buffer/sub-buffer.ts";
import { type Findings, recordedPart } from "../../../src/trace-dat/spool/recorded-part.ts";
import type { SpoolEnd } from "../../../src/trace-dat/spool/spool-fields.ts";
import { subBuffer, subBufferBytes } from "../../support/sub-buffers.ts";

const base = mkdtempSync(`${tmpdir()}/ta-recorded-part-`);
afterAll(() => rmSync(base, { recursive: true }));
const path = `${base}/cpu0`;
/** The stamp of `subBuffer`. */
const stamp = 1_000_000;

/** Of a stream of so many bytes, of which the guest tells `told` sub-buffers. `time`: of the start. */
function partOf(
  bytes: number,
  { told, time, ...end }: { told: number; time?: number } & Partial<SpoolEnd>,
): { skipBytes: number; bytes: number } & Findings {
  const whole = Array.from({ length: Math.ceil(bytes / subBufferBytes) }, () => subBuffer(5));
  writeFileSync(path, Buffer.concat(whole).subarray(0, bytes));
  const findings: Findings = { warnings: [], damage: [], mismatches: [], spoolHasMore: false };
  const streams = [{ cpu: 0, bytes: 4096, ...(time === undefined ? {} : { time: `${time}` }) }];
  const part = recordedPart(
    { cpu: 0, path, from: 0, bytes, open: () => openSync(path, "r") },
    { guest: "g", traceId: 1n, start: { reply: "start", state: "running", streams } },
    {
      reason: "",
      stop: {
        reply: "stop",
        state: "armed",
        streams: [{ cpu: 0, bytes: 4096 + told * subBufferBytes, lostBytes: 0 }],
        notServed: undefined,
      },
      ...end,
    },
    layoutOf(subBufferBytes, 8),
    findings,
  );
  return { ...findings, skipBytes: part.skipBytes, bytes: part.bytes };
}
const whole = { warnings: [], damage: [], mismatches: [], spoolHasMore: false };

test("recordedPart() is all of it where as much came as the guest tells of", () => {
  expect(partOf(3 * subBufferBytes, { told: 3 })).toEqual({ ...whole, skipBytes: 0, bytes: 3 * subBufferBytes });
});

test("recordedPart() leaves out what came too much and first, where that was before the start, or may have been", () => {
  const left = { skipBytes: subBufferBytes, bytes: 2 * subBufferBytes };
  const [before] = partOf(3 * subBufferBytes, { told: 2 }).mismatches;
  expect(before).toContain("4096 bytes more came than the guest tells of; left out are those that came first");
  expect(partOf(3 * subBufferBytes, { told: 2 })).toMatchObject({ ...left, spoolHasMore: true });
  expect(partOf(3 * subBufferBytes, { told: 2, time: 2 * stamp })).toEqual({ ...whole, ...left });
});

test("recordedPart() keeps what came too much and after the start, and tells of it", () => {
  const { mismatches, ...part } = partOf(3 * subBufferBytes, { told: 2, time: stamp });
  expect(part).toMatchObject({ skipBytes: 0, bytes: 3 * subBufferBytes, spoolHasMore: false });
  expect(mismatches).toEqual(["CPU 0: 4096 bytes more came than the guest tells of; they are in the file"]);
});

test("recordedPart() calls an end within a sub-buffer damage, but where the recording had its size", () => {
  const bytes = 2 * subBufferBytes + 100;
  const part = { skipBytes: 0, bytes: 2 * subBufferBytes };
  const damage = ["CPU 0: the stream ends with 100 bytes of a sub-buffer, left out"];
  expect(partOf(bytes, { told: 3 })).toEqual({ ...whole, ...part, damage });
  expect(partOf(bytes, { told: 3, beyondSize: [{ cpu: 0, bytes: 3996 }] })).toEqual({ ...whole, ...part });
});
