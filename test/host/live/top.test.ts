import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually, executable } from "../../support/agent-process.ts";
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { traceAgentText } from "../support/recorder-process.ts";

const reason = reasonWithoutTracefs();
if (reason !== undefined) console.error(`skipped: top of this machine: ${reason}`);

describe.skipIf(reason !== undefined)("trace-agent top --local", () => {
  test("writes a line a second where there is no terminal", async () => {
    const lines = (await traceAgentText("top", "--local", "-d", "4")).trimEnd().split("\n");
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(/^busy %( (-|\d+\.\d))+ {2}events\/s \d+ {2}lost \d+.* wake-ups\/s \d+/);
  });

  test("shows a screen on a terminal, obeys its keys, and leaves the terminal as it was", async () => {
    const directory = mkdtempSync(join(tmpdir(), "trace-agent-top-"));
    try {
      const file = join(directory, "last.dat");
      const terminal = Bun.spawn(["script", "-qefc", `exec ${executable} top --local -e irq -o ${file}`, "/dev/null"], { stdin: "pipe", stdout: "pipe" });
      let shown = "";
      const read = (async () => {
        for await (const chunk of terminal.stdout) shown += Buffer.from(chunk).toString("latin1");
      })();
      const press = async (key: string, expected: RegExp): Promise<void> => {
        const from = shown.length;
        await terminal.stdin.write(key);
        await terminal.stdin.flush();
        await eventually(() => expected.test(shown.slice(from)), `${key} brings ${String(expected)}`, () => shown.slice(-3000));
      };
      await eventually(() => /sched:sched_switch +[1-9]/.test(shown), "a screen with rates", () => shown.slice(-3000));
      await press("s", /s sort: runs/);
      await press("r", /wrote the last \d+ events to /);
      await press("p", /PAUSED/);
      expect(existsSync(file)).toBe(true);
      await terminal.stdin.write("q");
      await terminal.stdin.flush();
      expect(await terminal.exited).toBe(0);
      await read;
      expect(shown.indexOf("\x1b[?1049h")).toBeGreaterThanOrEqual(0);
      expect(shown.indexOf("\x1b[?1049l")).toBeGreaterThan(shown.indexOf("\x1b[?1049h"));
      expect(await traceAgentText("report", file)).toMatch(/ sched_switch: /);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
