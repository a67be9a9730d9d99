import { expect, test } from "bun:test";
import fc from "fast-check";
import { ByteWriter } from "../../src/base/byte-writer.ts";
import { EventCatalog } from "../../src/events/event-catalog.ts";
import { EventRecord } from "../../src/events/event-record.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { EventJson } from "../../src/views/event-json.ts";
import { EventText } from "../../src/views/event-text.ts";
import { shownTime } from "../../src/views/shown-time.ts";

const catalog = new EventCatalog({
  layout: layoutOf(4096, 8),
  formats: [],
  cpus: 1,
  uname: "",
  cpuStats: [],
});

function lineOf(epoch: bigint, timestamp: number): { text: string; json: string } {
  const record = new EventRecord();
  record.timestamp = timestamp;
  let [text, json] = ["", ""];
  const textOut = new ByteWriter((bytes) => (text += Buffer.from(bytes).toString()));
  new EventText(catalog, textOut, epoch).line(record, undefined);
  textOut.flush();
  const jsonOut = new ByteWriter((bytes) => (json += Buffer.from(bytes).toString()));
  new EventJson(catalog, jsonOut, epoch).line(record, undefined);
  jsonOut.flush();
  return { text: /\[000\] *(\S+):/.exec(text)?.[1] ?? text, json: /"time":(-?\d+),/.exec(json)?.[1] ?? json };
}

test("times are seconds with six decimals, rounded, also below 1 s and below 0", () => {
  const cases: [bigint, string][] = [
    [0n, "0.000000"],
    [200_499n, "0.000200"],
    [200_500n, "0.000201"],
    [999_999_500n, "1.000000"],
    [1_795_977_440_272_221_555n, "1795977440.272222"],
    [-1_500_000n, "-0.001500"],
    [-2_000_000_000n, "-2.000000"],
  ];
  for (const [time, shown] of cases) {
    expect(shownTime(time, true)).toBe(shown);
    expect(lineOf(time, 0)).toEqual({ text: shown, json: String(time) });
  }
  expect(shownTime(730_857_860_581_632n, false)).toBe("730857860581632");
});

test("an event's line has the same time, whatever it counts from", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(1n << 61n), max: 1n << 62n }),
      fc.integer({ min: -(2 ** 51), max: 2 ** 51 }),
      (epoch, stamp) => {
        const time = epoch + BigInt(stamp);
        expect(lineOf(epoch, stamp)).toEqual({ text: shownTime(time, true), json: String(time) });
      },
    ),
    { numRuns: 100 },
  );
});
