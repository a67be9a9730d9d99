import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually, executable } from "../../support/agent-process.ts";
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { LiveProcess } from "../../support/live-process.ts";
import { traceAgentText } from "../../support/recorder-process.ts";

/** Runs of the executable take long on a loaded machine. */
setDefaultTimeout(300_000);

const reason = reasonWithoutTracefs();
if (reason !== undefined) console.error(`skipped: top of this machine: ${reason}`);

describe.skipIf(reason !== undefined)("trace-agent top --local", () => {
  test("writes a line a second where there is no terminal", async () => {
    const begin = performance.now();
    const top = new LiveProcess(["top", "--local"]);
    const linesOf = (): string[] => top.stdout.trimEnd().split("\n");
    await eventually(
      () => linesOf().length >= 3,
      "three lines",
      () => top.stdout + top.stderr,
    );
    top.process.kill("SIGINT");
    expect(await top.ended()).toBe(0);
    const lines = linesOf();
    expect(lines.length).toBeLessThanOrEqual((performance.now() - begin) / 1000 + 1);
    for (const line of lines)
      expect(line).toMatch(/^busy %( (-|\d+\.\d))+ {2}events\/s \d+ {2}lost \d+.* wake-ups\/s \d+/);
  });

  test.each(["top", "stream"])(
    "ends %s with 74 where its output takes nothing, and its guest's settings are restored",
    (command) => {
      const script = `"$1" ${command} --local -e sched_switch -d 2 >/dev/full`;
      const { exitCode, stderr } = Bun.spawnSync(["sh", "-c", script, "sh", executable]);
      expect({ exitCode, stderr: stderr.toString() }).toEqual({
        exitCode: 74,
        stderr: expect.stringContaining("error: cannot write to stdout: ENOSPC"),
      });
      expect(stderr.toString()).not.toContain("warning");
    },
  );

  test("shows a screen on a terminal, obeys its keys, and leaves the terminal as it was", async () => {
    const directory = mkdtempSync(join(tmpdir(), "trace-agent-top-"));
    try {
      const file = join(directory, "last.dat");
      const terminal = Bun.spawn(
        ["script", "-qefc", `exec ${executable} top --local -e irq -d 110 -o ${file}`, "/dev/null"],
        {
          stdin: "pipe",
          stdout: "pipe",
        },
      );
      let shown = "";
      const read = (async () => {
        for await (const chunk of terminal.stdout) shown += Buffer.from(chunk).toString("latin1");
      })();
      const press = async (key: string, expected: RegExp): Promise<void> => {
        const from = shown.length;
        await terminal.stdin.write(key);
        await terminal.stdin.flush();
        await eventually(
          () => expected.test(shown.slice(from)),
          `${key} brings ${String(expected)}`,
          () => shown.slice(-3000),
        );
      };
      await eventually(
        () => /sched:sched_switch +[1-9]/.test(shown),
        "a screen with rates",
        () => shown.slice(-3000),
      );
      expect(shown).toMatch(/ \d+\.\d s of 110 s/);
      await eventually(
        () => /longest wait .* on CPU \d+: .* ran /.test(shown),
        "the longest wait with who ran",
        () => shown.slice(-3000),
      );
      await press("s", /s sort: runs/);
      await press("r", /wrote the last \d+ events to /);
      await press("?", /leave all as it was/);
      await press("h", /EVENT +PER S/);
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
