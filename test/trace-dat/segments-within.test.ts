/** Which segments of a recording are opened for a range of times. */
import { expect, test } from "bun:test";
import { segmentsWithin, type Segment } from "../../src/trace-dat/session/segments-within.ts";

const second = 1_000_000_000n;
/** Ten segments of 10 s each, which overlap by what a sub-buffer holds of after a cut. */
const segments = (more: Partial<Segment>): Segment[] =>
  Array.from({ length: 10 }, (_, index) => ({
    file: `${index}`,
    clock: "mono_raw",
    first: `${BigInt(index * 10) * second}`,
    last: `${BigInt(index * 10 + 10) * second + 1000n}`,
    ...more,
  }));
const within = (all: Segment[], kind: "host" | "guest", from?: number, to?: number): string =>
  segmentsWithin(all, kind, {
    from: from === undefined ? undefined : BigInt(from) * second,
    to: to === undefined ? undefined : BigInt(to) * second,
  }).join("");

test("those are opened that have events of the range, one more on either side, and the last", () => {
  const host = segments({});
  expect(within(host, "host", 32, 34)).toBe("2349");
  // The last sub-buffer of the third may have events of then.
  expect(within(host, "host", 30, 34)).toBe("12349");
  expect(within(host, "host", undefined, 5)).toBe("019");
  expect(within(host, "host", 95)).toBe("89");
  // None has; the first tells when the recording begins.
  expect(within(host, "host", 2000, 2001)).toBe("019");
});

test("times of a guest are those of its host, as well as these are known", () => {
  const guest = segments({ offsetNs: `${1000n * second}`, boundNs: 20_000 });
  expect(within(guest, "guest", 1042, 1044)).toBe("3459");
  expect(within(guest, "guest", 42, 44)).toBe("019");
  expect(within(segments({ offsetNs: `${1000n * second}`, boundNs: 20e9 }), "guest", 1042, 1044)).toBe("12345679");
});

test.each([
  ["an older recorder told no times", { last: undefined }, "host"],
  ["the clock is not shown in seconds", { clock: "boot" }, "host"],
  ["somebody may have set the clock meanwhile", { clock: "tai" }, "host"],
  ["a guest has no offset", {}, "guest"],
] as const)("all are opened where %s", (_, more, kind) => {
  expect(within(segments(more), kind, 32, 34)).toBe("0123456789");
});
