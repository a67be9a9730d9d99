/** Formats that cannot be used are told, and not more often than a person reads. */
import { expect, spyOn, test } from "bun:test";
import { log } from "../../src/base/log.ts";
import { EventCatalog } from "../../src/events/event-catalog.ts";
import { EventRecord } from "../../src/events/event-record.ts";
import { eventLimits } from "../../src/events/limits.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { commonFields } from "../support/common-fields.ts";

const sound = `name: good\nID: 1\nformat:\n${commonFields}\n\nprint fmt: "x"\n`;
const refused = (id: number): string => `name: bad${id}\nID: ${id}\nformat:\n\tfield:u32 x;\n\nprint fmt: "x"\n`;

function warningsOf(texts: string[], eventIds: number[]): string[] {
  const warn = spyOn(log, "warn").mockImplementation(Object.assign(() => {}, { raw: () => {} }));
  try {
    const catalog = new EventCatalog({
      layout: layoutOf(4096, 8),
      formats: texts.map((text) => ({ system: "sys", text })),
      cpus: 1,
      uname: "",
      cpuStats: [],
    });
    const record = new EventRecord();
    record.attach(new DataView(new ArrayBuffer(16)));
    record.size = 16;
    for (const id of eventIds) {
      record.view.setUint16(0, id, true);
      catalog.kindOf(record);
    }
    return warn.mock.calls.map(([text]) => String(text));
  } finally {
    warn.mockRestore();
  }
}

test("a recording whose formats are all understood warns of none", () => {
  expect(warningsOf([sound], [1, 1, 2])).toEqual([]);
});

test("a format without a number is counted", () => {
  expect(warningsOf([sound, "name: x\n", "garbage"], [])).toEqual([
    "2 event formats have no name or number, or are too large or too many: they are not used",
  ]);
});

test("an event whose format is not understood is named once, and only if it is there", () => {
  expect(warningsOf([sound, refused(7), refused(8)], [7, 7, 1])).toEqual([
    "the format of event sys:bad7 is not understood: it stays unknown",
  ]);
});

test("of many such events a few are named", () => {
  const ids = Array.from({ length: 40 }, (_, index) => index + 10);
  const warnings = warningsOf([sound, ...ids.map(refused)], ids);
  expect(warnings).toHaveLength(eventLimits.refusedFormatsTold);
  expect(warnings.at(-1)).toEndWith("(further ones are not told)");
});
