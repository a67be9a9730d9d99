import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { TopView } from "../../../src/host/live/top-meter.ts";
import { lineOf, screenOf, type ScreenState, taskOrders } from "../../../src/host/live/top-screen.ts";
import { viewOf } from "../../support/made-top-view.ts";

const state: ScreenState = {
  title: "vm  Linux 6.12",
  order: "cpu",
  paused: false,
  silentMs: 0,
  message: "",
  elapsed: "",
  help: false,
};

const textOf = (view: TopView, over: Partial<ScreenState>, columns = 80, rows = 24): string =>
  screenOf(view, { ...state, ...over }, columns, rows)
    .map(({ text }) => text)
    .join("\n");

describe("the screen of top", () => {
  test("fits a terminal of any size, and holds nothing that commands it", () => {
    fc.assert(
      fc.property(
        fc.nat(600),
        fc.nat(300),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 100 }),
        (cpus, tasks, columns, rows) => {
          const lines = screenOf(viewOf(cpus, tasks), state, columns, rows);
          expect(lines.length).toBeLessThanOrEqual(rows);
          expect(lines.every(({ text }) => text.length <= columns && /^[\x20-\x7e]*$/.test(text))).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("shows each CPU with its load and task, event rates, tasks, latencies and losses at 80x24", () => {
    const text = textOf(viewOf(4, 3), {});
    expect(text).toContain("vm  Linux 6.12\n");
    expect(text).toContain("events/s 1234  lost 7+?  wake-ups/s 50 p50 ");
    expect(text).toMatch(/^ {3}0 \.{10} {5}- %/m);
    expect(text).toMatch(/ 3 #{8}\.\. {2}75\.0 % task3-103$/m);
    expect(text).toMatch(/^sched:sched_switch +1234 +2\.0 +1 +3 t\?\[2J2$/m);
    expect(text).not.toContain("irq_handler_entry");
    expect(text.split("\n").length).toBe(24);
  });

  test("shows the busiest CPUs where there are more than fit", () => {
    const text = textOf(viewOf(512, 3), {});
    expect(text).toMatch(/^and \d+ CPUs that are less busy$/m);
    expect(text).toContain(" 511 ##########");
    expect(text).not.toMatch(/^ {3}1 /m);
  });

  test("sorts the tasks as is asked for, and says so, and what it did", () => {
    const pids = taskOrders.map((order) => /^EVENT.*\n.*?(\d+) t\?/m.exec(textOf(viewOf(2, 5), { order }))?.[1]);
    expect(pids).toEqual(["5", "1", "1"]);
    expect(textOf(viewOf(2, 5), { order: "runs" })).toContain("s sort: runs");
    expect(textOf(viewOf(2, 5), { paused: true, message: "wrote 3 events" })).toMatch(/PAUSED[^]*wrote 3 events/);
  });

  test("keeps the keys on its last line, whatever it says and explains", () => {
    for (const over of [{}, { message: "wrote 3 events to x.dat" }, { help: true }, { paused: true }]) {
      const lines = textOf(viewOf(2, 3), over).split("\n");
      expect(lines.length).toBe(24);
      expect(lines.at(-1)).toMatch(/^q quit {2}p pause {2}s sort: cpu {2}r record the last seconds {2}h help *$/);
    }
    expect(textOf(viewOf(2, 3), { message: "wrote 3 events to x.dat" }).split("\n").at(-2)).toBe(
      "wrote 3 events to x.dat",
    );
    expect(textOf(viewOf(2, 3), { help: true })).toMatch(/^r +record the last seconds into a file/m);
  });

  test("names who waited longest, and who ran meanwhile, and how long it has run", () => {
    const text = textOf(viewOf(2, 3), { elapsed: "12.3 s of 110 s" });
    expect(text).toContain("\nlongest wait 12.3 ms, victim-123 on CPU 1: h?[2Jog-77 ran 12.0 ms\n");
    expect(text.split("\n")[0]).toBe("vm  Linux 6.12  12.3 s of 110 s");
  });

  test("becomes one line where there is no terminal", () => {
    expect(lineOf(viewOf(3, 3))).toMatch(
      /^busy % - 33\.3 66\.7 {2}events\/s 1234 {2}lost 7\+\? {2}wake-ups\/s 50 p50 .* max 100\.0 us {2}busiest t\?\[2J2-3 2\.0 % {2}longest wait 12\.3 ms, victim-123 on CPU 1: h\?\[2Jog-77 ran 12\.0 ms$/,
    );
  });
});
