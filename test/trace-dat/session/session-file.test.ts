/** session.json: what is written is read back, what is newer is passed over, what is hostile is refused. */
import { describe, expect, test } from "bun:test";
import { readSessionFile, type SessionFile, sessionText } from "../../../src/trace-dat/session/session-file.ts";

const file: SessionFile = {
  recorder: "trace-agent 0.1.0",
  started: "2026-11-30T06:00:00.000Z",
  machines: [
    {
      name: "host",
      kind: "host",
      recordings: [{ file: "host.dat", state: "whole", traceId: "77", bytes: 4096, events: 9 }],
    },
    {
      name: "vm1",
      kind: "guest",
      recordings: [{ file: "vm1/a-0001.dat", state: "incomplete", reason: "the VM has ended" }],
    },
    { name: "vm2", kind: "guest", leftOut: "process 77 uses it", recordings: [] },
  ],
  clocks: { host: "mono_raw" },
  offsets: { vm1: { ns: "-5000000123", boundNs: 6_000, method: "causality", samples: 3, events: 6212, inside: 6212 } },
  losses: { vm1: { overrun: 1, dropped: 2, transit: 3, takenByAnotherReader: 4, notServed: 5 } },
};

const read = (value: unknown): SessionFile => readSessionFile(Buffer.from(JSON.stringify(value)), "DIR/session.json");
const written = (): Record<string, unknown> => JSON.parse(sessionText(file)) as Record<string, unknown>;
const withMachine = (machine: Record<string, unknown>): unknown => ({ ...written(), machines: [machine] });

describe("session.json", () => {
  test("is read back as it was written", () => {
    expect(readSessionFile(Buffer.from(sessionText(file)), "x")).toEqual(file);
  });

  test("may hold keys that are not known yet, but no higher version", () => {
    expect(read({ ...written(), mood: "good" })).toEqual(file);
    expect(() => read({ ...written(), version: 2 })).toThrow(
      'cannot read "DIR/session.json": it has version 2, 1 is known',
    );
  });

  test.each([
    ["another kind", { ...written(), kind: "something" }],
    ["no machines", { ...written(), machines: undefined }],
    ["a name with a slash", withMachine({ name: "a/b", kind: "guest" })],
    ["a name with a newline", withMachine({ name: "a\nb", kind: "guest" })],
    [
      "a file outside the directory",
      withMachine({ name: "a", kind: "guest", recordings: [{ file: "../x", state: "whole" }] }),
    ],
    ["an absolute file", withMachine({ name: "a", kind: "guest", recordings: [{ file: "/etc/x", state: "whole" }] })],
    [
      "a file that climbs",
      withMachine({ name: "a", kind: "guest", recordings: [{ file: "a/../../x", state: "whole" }] }),
    ],
    [
      "half an event",
      withMachine({ name: "a", kind: "guest", recordings: [{ file: "a", state: "whole", events: 0.5 }] }),
    ],
    [
      "two recordings of one file",
      withMachine({
        name: "a",
        kind: "guest",
        recordings: [
          { file: "a.dat", state: "whole" },
          { file: "a.dat", state: "incomplete" },
        ],
      }),
    ],
    ["a bound of 1e308 ns", { ...written(), offsets: { vm1: { ns: "5", boundNs: 1e308, method: "causality" } } }],
    [
      "an offset beyond 64 bits",
      { ...written(), offsets: { vm1: { ns: "-9223372036854775809", method: "causality" } } },
    ],
    ["a machine whose directory is another", { ...written(), machines: [{ name: "..", kind: "guest" }] }],
    ["two machines of one name", { ...written(), machines: [file.machines[0], file.machines[0]] }],
    ["a list", []],
  ])("of %s is refused", (_, value) => {
    expect(() => read(value)).toThrow('cannot read "DIR/session.json"');
  });

  test("that is no JSON, or nested without end, is refused", () => {
    expect(() => readSessionFile(Buffer.from("{"), "x")).toThrow('cannot read "x"');
    expect(() => readSessionFile(Buffer.from("[".repeat(1_000_000)), "x")).toThrow("nested deeper");
  });
});
