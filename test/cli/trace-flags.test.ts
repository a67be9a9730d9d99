import { describe, expect, test } from "bun:test";
import { type OptionUse, unsetValues } from "../../src/cli/command.ts";
import { readWanted, traceFlags } from "../../src/cli/trace-flags.ts";
import type { TraceConfig } from "../../src/host/run/trace-config.ts";

const none = unsetValues(traceFlags);
const events = (...order: [name: string, value?: string][]): TraceConfig["events"] =>
  readWanted(
    none,
    order.map(([name, value]): OptionUse => ({ name, value })),
  ).events;

describe("-e, -v, -f and -R", () => {
  test("count in the order in which they are given", () => {
    expect(
      events(
        ["event", "sched,irq:*"],
        ["filter", "a == 1"],
        ["trigger", "stacktrace"],
        ["exclude"],
        ["event", "*stat*"],
        ["trigger", "traceoff:1  if   b == 2"],
        ["event", "timer"],
      ),
    ).toEqual([
      { word: "sched", exclude: false, filter: "a == 1", triggers: ["stacktrace"] },
      { word: "irq:*", exclude: false, filter: "a == 1", triggers: ["stacktrace"] },
      { word: "*stat*", exclude: true, triggers: ["traceoff:1 if b == 2"] },
      { word: "timer", exclude: true },
    ]);
  });

  test("two filters of an event both count", () => {
    expect(events(["event", "x"], ["filter", "a == 1 || b == 1"], ["filter", "c == 1"])).toEqual([
      { word: "x", exclude: false, filter: "(a == 1 || b == 1) && (c == 1)" },
    ]);
  });

  test.each([
    [[["filter", "a == 1"]], "has no event"],
    [[["event", "a;b"]], 'cannot use event "a;b"'],
    [[["event", "a,,b"]], 'cannot use event ""'],
    [
      [
        ["event", "a"],
        ["filter", "x == 1\ny"],
      ],
      "cannot use filter",
    ],
    [
      [
        ["event", "a"],
        ["filter", "x".repeat(1025)],
      ],
      "cannot use filter",
    ],
    [
      [
        ["event", "a"],
        ["trigger", "snapshot"],
      ],
      'cannot use trigger "snapshot"',
    ],
    [
      [
        ["event", "a"],
        ["trigger", "stacktrace:5:6"],
      ],
      "cannot use trigger",
    ],
  ] as [[string, string][], string][])("%p is refused", (order, reason) => {
    expect(() => events(...order)).toThrow(reason);
  });
});

describe("the other options", () => {
  test("are read as trace-cmd reads them", () => {
    const config = readWanted(
      {
        ...none,
        tracer: "function_graph",
        function: ["vfs_*,do_sys_open", "ext4_?ead"],
        "no-function": ["vfs_write"],
        graph: ["vfs_read"],
        "max-graph-depth": "3",
        pid: ["1,2", "2"],
        stacktrace: true,
        option: ["nooverwrite"],
        "buffer-size": "4M",
        clock: "mono",
      },
      [],
    );
    expect(config).toEqual({
      events: [],
      bufferKb: 4096,
      clock: "mono",
      tracer: "function_graph",
      functions: ["vfs_*", "do_sys_open", "ext4_?ead"],
      noFunctions: ["vfs_write"],
      graphFunctions: ["vfs_read"],
      graphDepth: 3,
      pids: [1, 2],
      options: ["nooverwrite", "stacktrace"],
    });
    for (const [text, kilobytes] of [
      ["4096", 4096],
      ["512K", 512],
      ["1G", 1_048_576],
      ["1k", 1],
    ] as const)
      expect(readWanted({ ...none, "buffer-size": text }, []).bufferKb).toBe(kilobytes);
  });

  test("-c has the kernel add what the tasks of -P start", () => {
    const family = { ...none, pid: ["1"], children: true };
    expect(readWanted(family, []).options).toEqual(["event-fork"]);
    expect(readWanted({ ...family, tracer: "function" }, []).options).toEqual(["event-fork", "function-fork"]);
    // -F -c has an instance of its own.
    expect(readWanted({ ...none, children: true }, []).options).toEqual([]);
  });

  test("a buffer size that cannot be read is told in its unit, which is not that of other sizes", () => {
    const refused = (): unknown => {
      try {
        return readWanted({ ...none, "buffer-size": "4X" }, []);
      } catch (error) {
        return error;
      }
    };
    expect(refused()).toMatchObject({ remedy: "give kilobytes per CPU, as in 4096, or as in 4M" });
  });

  test.each([
    [{ tracer: "blk" }, 'cannot use tracer "blk"'],
    [{ function: ["vfs_read:traceoff"] }, "cannot use function"],
    [{ function: ["^vfs_read$"] }, "cannot use function"],
    [{ graph: [":mod:ext4"] }, "cannot use function"],
    [{ "max-graph-depth": "-1" }, "cannot read depth"],
    [{ pid: ["x"] }, 'cannot use task "x"'],
    [{ pid: [Array.from({ length: 65 }, (_, pid) => pid + 1).join(",")] }, "cannot trace 65 tasks"],
    [{ option: ["verbose"] }, 'cannot set trace option "verbose"'],
    [{ "buffer-size": "0" }, "cannot read buffer size"],
    [{ "buffer-size": "4X" }, "cannot read buffer size"],
    [{ "buffer-size": "4294967296" }, "cannot read buffer size"],
    [{ "buffer-size": "9999999G" }, "cannot read buffer size"],
    [{ clock: "sundial" }, "unknown trace clock"],
  ])("%p is refused", (values, reason) => {
    expect(() => readWanted({ ...none, ...values }, [])).toThrow(reason);
  });
});
