/** Whatever a host sets, in whatever order and however hostile, is restored to the last byte. On an instance of this machine. */
import { afterAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { AgentError } from "../../src/base/errors.ts";
import { type EarlierValue, Settings } from "../../src/guest/control/settings.ts";
import { parseOrder } from "../../src/protocol/orders.ts";
import { inLongForm } from "../support/long.ts";
import { inQuickForm } from "../support/quick.ts";
import { reasonWithoutTracefs, TracefsInstance } from "../support/tracefs.ts";
import { tracingState } from "../support/tracing-state.ts";

const reason = reasonWithoutTracefs();
const instance = reason === undefined ? new TracefsInstance("settings") : undefined;
afterAll(async () => await instance?.remove());
const runs = inQuickForm(5, inLongForm(15, 500));
const systems = ["sched", "irq"];

const events = fc.constantFrom(
  "sched:sched_switch",
  "sched:sched_waking",
  "irq:*",
  "irq:irq_handler_entry,sched:*",
  "x:y",
);
const filters = fc.constantFrom(
  "common_pid > 5",
  "prev_pid == 1",
  'comm ~ "a*"',
  "irq == 3",
  "none",
  "nosuch == 1",
  "((",
);
const triggers = fc.constantFrom(
  "stacktrace",
  "traceoff:3",
  "traceon if common_pid == 1",
  "stacktrace:9",
  "snapshot",
  "hist:keys=a",
);
const value = fc.oneof(
  fc.tuple(
    fc.constant("events"),
    fc.constantFrom("sched", "irq:*", "*:*", "", "sched !sched:sched_switch", "sched_*", "nosuch"),
  ),
  fc.tuple(
    fc.constant("filter"),
    fc.tuple(events, filters).map((parts) => parts.join(" ")),
  ),
  fc.tuple(
    fc.constant("trigger"),
    fc.tuple(events, triggers).map((parts) => parts.join(" ")),
  ),
  fc.tuple(
    fc.constant("options"),
    fc.constantFrom("stacktrace", "nooverwrite noirq-info", "nostacktrace overwrite", "verbose"),
  ),
  fc.tuple(fc.constant("pids"), fc.constantFrom("1", "1 2 3", "", "0", "4194304")),
  fc.tuple(fc.constant("tracing_on"), fc.constantFrom("0", "1", "2")),
  fc.tuple(fc.constant("clock"), fc.constantFrom("mono", "global", "local", "x")),
  fc.tuple(fc.constant("tracer"), fc.constantFrom("nop", "function_graph", "blk")),
  fc.tuple(fc.constantFrom("functions", "graph_functions"), fc.constantFrom("vfs_read:traceoff", "nosuch")),
  fc.tuple(fc.constantFrom("filter", "trigger", "options", "functions", "pids"), fc.string({ maxLength: 40 })),
);
const step = fc.oneof(
  { weight: 12, arbitrary: value.map(([key, text]) => `set ${key} ${text}`) },
  { weight: 1, arbitrary: fc.constantFrom("restore", "restore events trigger", "restore filter", "successor") },
);

/** Without what triggers change by themselves meanwhile. */
const steady = (text: string): string => text.replaceAll(/(count=|tracing_on: )\d+/g, "$1N");

describe.skipIf(instance === undefined)("settings of a session", () => {
  test("are all restored, and what is refused changes nothing", () => {
    const { path } = instance!;
    const state = (): string => tracingState(path, systems);
    // What a user had set there.
    instance!.write("events/sched/sched_waking/filter", "prio < 100");
    instance!.write("events/irq/softirq_entry/trigger", "traceoff if vec == 77");
    instance!.write("set_event", "irq:irq_handler_exit");
    const before = state();
    let done = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const noted: EarlierValue[] = [];
        const notes = {
          add: (key: string, text: string) => noted.push({ key, value: text }),
          clear: () => (noted.length = 0),
        };
        let settings = new Settings(path, notes);
        for (const line of steps) {
          const order = parseOrder(line);
          if (line === "successor") {
            settings = new Settings(path, notes);
            expect(settings.adopt([...new Map(noted.map((one) => [one.key, one])).values()])).toEqual([]);
          } else if (order.order === "restore") {
            expect(settings.restore(order.keys)).toEqual([]);
          } else if (order.order === "set") {
            const then = steady(state());
            try {
              settings.set(order.key, order.value);
              done++;
            } catch (error) {
              expect(error).toBeInstanceOf(AgentError);
              expect([steps, line, steady(state())]).toEqual([steps, line, then]);
            }
          }
        }
        expect(settings.restore()).toEqual([]);
        expect([steps, state()]).toEqual([steps, before]);
        expect(noted).toEqual([]);
      }),
      { numRuns: runs },
    );
    expect(done).toBeGreaterThan(runs);
    instance!.write("events/irq/softirq_entry/trigger", "!traceoff");
  }, 300_000);
});
