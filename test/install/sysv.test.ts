/** The init script for sysvinit and BusyBox, run by this machine's shell with a program that stands for the agent. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ImageRoot } from "../../src/install/image-root.ts";
import { serviceFiles } from "../../src/install/init.ts";
import { programPath } from "../../src/install/service-files.ts";
import { eventually } from "../support/agent-process.ts";
import { signalTaken } from "../support/signals.ts";

const folder = mkdtempSync(join(tmpdir(), "trace-agent-sysv-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const path = (name: string): string => join(folder, name);
/** It ends with the folder where nothing else ends it. */
const program = `#!/bin/sh
trap 'exit 0' TERM
: >${path("started")}
while [ -e ${folder} ]; do sleep 0.1; done
`;

test("an agent that is started just when the script is told to stop ends, too", async () => {
  writeFileSync(path("program"), program, { mode: 0o755 });
  const [file] = serviceFiles("sysv", new ImageRoot(folder)).files;
  const text = String(file?.content)
    .replace(`program=${programPath}`, `program=${path("program")}`)
    .replace("pidfile=/run/trace-agent.pid", `pidfile=${path("pid")}`)
    // Between the two nobody knows the agent yet.
    .replace("agent=$!", `child=$!; until [ -e ${path("go-on")} ]; do sleep 0.1; done; agent=$child`);
  for (const name of ["program", "pid", "go-on"]) expect(text).toContain(path(name));
  writeFileSync(path("script"), text);
  const shell = Bun.spawn(["sh", path("script"), "supervise"], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
  });
  try {
    await eventually(() => existsSync(path("started")), "the program runs");
    shell.kill("SIGTERM");
    await signalTaken(shell.pid, "SIGTERM");
    writeFileSync(path("go-on"), "");
    await eventually(() => shell.exitCode !== null, "the script ends");
    expect([shell.exitCode, existsSync(path("pid"))]).toEqual([0, false]);
  } finally {
    shell.kill("SIGKILL");
  }
}, 300_000);
