import { expect, test } from "bun:test";
import { type Child, startChild } from "./support/child.ts";
import { residentBytesOf } from "./support/process.ts";

async function complaintOf(child: Child): Promise<string> {
  await child.exited;
  return await residentBytesOf(child).then(
    () => "none",
    (error: unknown) => String(error),
  );
}

test("residentBytesOf() gives the memory of a child that runs, and tells how one has ended and what it said", async () => {
  const sleeper = startChild(["sleep", "600"]);
  expect((await residentBytesOf(sleeper)).anonymous).toBeGreaterThan(0);
  sleeper.kill("SIGKILL");
  expect(await complaintOf(sleeper)).toContain("has ended: SIGKILL");
  const failing = startChild(["sh", "-c", "echo too little memory >&2; exit 69"]);
  expect(await complaintOf(failing)).toContain("has ended: exit code 69\ntoo little memory");
});
