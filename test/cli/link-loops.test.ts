/** A recording that is a loop of links: what stat(2) says of it is an error as any other. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { executable } from "../support/agent-process.ts";

const session = mkdtempSync(`${tmpdir()}/ta-loops-`);
afterAll(() => rmSync(session, { recursive: true }));
symlinkSync("loop.dat", `${session}/loop.dat`);
const machines = [{ name: "vm", kind: "guest", recordings: [{ file: "loop.dat", state: "whole" }] }];
const file = { kind: "trace-agent session", version: 1, machines };
writeFileSync(`${session}/session.json`, JSON.stringify(file, undefined, 1));

for (const [command, path] of [
  ["report", session],
  ["report", `${session}/loop.dat`],
  ["export", session],
] as const) {
  test(`a loop of links is no recording, and ${command} tells that: ${path.slice(session.length)}`, () => {
    const { exitCode, stderr } = Bun.spawnSync([executable, command, path], { cwd: session });
    expect(stderr.toString()).toMatch(/^trace-agent: error: cannot open "[^\n]+ELOOP[^\n]+\n$/);
    expect(exitCode).toBe(74);
  }, 300_000);
}
