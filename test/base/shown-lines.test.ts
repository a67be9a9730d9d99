import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const base = join(import.meta.dir, "../../src/base");

/** What a program writes to a terminal. */
function onTerminal(program: string): string {
  const { stdout } = spawnSync("script", ["-qefc", `${process.execPath} -e '${program}'`, "/dev/null"], {
    encoding: "utf8",
  });
  return stdout.replaceAll("\r\n", "\n").replaceAll("\x1b", "ESC").replaceAll("\r", "CR");
}

test("a log line stands on a line of its own, and takes the shown status line away first", () => {
  const written = onTerminal(`
    const { log } = await import("${base}/log.ts");
    const { TerminalLine } = await import("${base}/terminal-line.ts");
    const line = new TerminalLine();
    line.show("1.0 s  5 MB");
    log.warn("the guest lost events");
    line.show("1.5 s  6 MB");
    line.clear();
    log.info("done");`);
  expect(written).toMatch(
    /5 MBCRESC\[Ktrace-agent: \S*warning\S*: the guest lost events\nCRESC\[K1\.5 s {2}6 MBCRESC\[Ktrace-agent: done\n$/,
  );
});

test("so do several lines of status", () => {
  const written = onTerminal(`
    const { log } = await import("${base}/log.ts");
    const { StatusLines } = await import("${base}/../host/machines/status-lines.ts");
    const lines = new StatusLines();
    // Nothing is shown in the first half second of a program.
    while (performance.now() < 600) await Bun.sleep(50);
    lines.show([{ name: "vm1", ended: true }, { name: "vm2", ended: true }]);
    log.warn("vm2 is late");`);
  expect(written).toMatch(
    /vm1: stopped\S*\nvm2: stopped\S*\n[^\n]*\nESC\[3AESC\[Jtrace-agent: \S*warning\S*: vm2 is late\n$/,
  );
});
