import { expect, test } from "bun:test";
import { describeHolder } from "../../src/tracefs/file-holders.ts";

test("describeHolder() shows nothing that steers a terminal, however a process names itself", () => {
  const holder = { pid: 7, command: "\x1b[2Jx\ny\x9b1m", reads: true, writes: true };
  expect(describeHolder(holder)).toBe("?[2Jx?y?1m (pid 7)");
});
