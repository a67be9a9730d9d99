/** A report of millions of events makes no garbage: no line of any kind of event leaves an object behind. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { fixturePath, fixtures } from "../fixtures/fixtures.ts";
import { type Garbage, withoutCollector } from "../support/garbage.ts";

function garbageIn(files: readonly string[]): Garbage[] {
  const script = join(import.meta.dir, "../support/garbage.ts");
  const { stdout, stderr, exitCode } = Bun.spawnSync([process.execPath, script, ...files], {
    env: { ...process.env, ...withoutCollector },
  });
  expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: "" });
  const lines = stdout.toString().split("\n").slice(0, -1);
  // It is our own program's.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return lines.map((line) => JSON.parse(line) as Garbage);
}

test("no line of an event in the recordings of the fixtures makes garbage", () => {
  const files = fixtures.filter(({ like }) => like === undefined).map(({ name }) => fixturePath(name));
  expect(garbageIn(files)).toEqual([]);
}, 300_000);
