/** What a recording's machine is called, in the forms that recorders write it. */
import { expect, test } from "bun:test";
import { parseUname } from "../../../src/views/perfetto/packets.ts";

test.each([
  ["Linux node7 6.12.1-cloud #1 SMP Debian 6.12.1-1 (2026-11-12) x86_64", "node7", "6.12.1-cloud"],
  ["Linux 6.12.1 #1 SMP x86_64", "", "6.12.1"],
  ["Linux 10.0.0.5 6.12.1 #1 SMP aarch64", "10.0.0.5", "6.12.1"],
  ["Linux node7 6.12.1 x86_64", "node7", "6.12.1"],
  ["", "", ""],
])("%j names its node and kernel", (text, nodename, release) => {
  expect(parseUname(text)).toMatchObject({ nodename, release });
});
