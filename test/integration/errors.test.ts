import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execPath } from "node:process";
import { makeFifo } from "../../ffi/pipe.ts";
import { AgentFixture } from "../support/agent-fixture.ts";
import { executable } from "../support/agent-process.ts";

const fixture = new AgentFixture("errors");

function run(command: string, ...args: string[]): { code: number | null; stderr: string; stdout: string } {
  const { status, stderr, stdout } = spawnSync(command, args, { encoding: "utf8", timeout: 280_000 });
  return { code: status, stderr, stdout };
}
const agent = (...args: string[]): ReturnType<typeof run> => run(executable, ...args);

describe("usage errors", () => {
  test.each([
    [["--stodut"], 'unknown option "--stodut"; did you mean --stdout?'],
    [["-s", "3K"], 'pipe size "3K" is out of range; give 64K to 1M'],
    [["-s", "2M"], 'pipe size "2M" is out of range; give 64K to 1M'],
    [["-s", "big"], 'cannot read pipe size "big": not a size'],
    [["--cpus", "0-"], 'cannot read CPU list "0-"'],
    [["--log-level", "loud"], 'unknown log level "loud"; use one of'],
    [["--stdout", "extra"], 'unexpected argument "extra"'],
    [["frobnicate"], 'unknown command "frobnicate"'],
  ])("%p ends with code 64 and says what was meant", (args, message) => {
    const { code, stderr, stdout } = agent(...args);
    expect(stderr).toContain(message);
    expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
  });

  test("--help and --version answer on stdout with code 0", () => {
    const help = agent("--help");
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toContain("--pipe-size");
    expect(agent("-V").stdout).toMatch(/^trace-agent \d+\.\d+\.\d+/);
  });
});

describe("tracefs errors", () => {
  test("a directory that is no tracefs is refused with code 69", () => {
    expect(agent("--tracefs", fixture.scratch, "--stdout")).toMatchObject({ code: 69 });
    expect(agent("--tracefs", fixture.scratch, "--stdout").stderr).toContain("it has no per_cpu");
    expect(agent("--tracefs", "/nonexistent", "--stdout").stderr).toContain('cannot read tracefs "/nonexistent"');
  });

  test.skipIf(fixture.skipReason !== undefined)(
    "an instance that does not exist, or is a path, is refused with what to do",
    () => {
      const missing = agent("--instance", "ta-no-such", "--stdout");
      expect(missing).toMatchObject({ code: 69 });
      expect(missing.stderr).toContain("make it with: mkdir ");
      expect(agent("--instance", "../x", "--stdout")).toMatchObject({ code: 64 });
    },
  );

  const mayUnshare = spawnSync("unshare", ["-m", "true"]).status === 0;
  if (!mayUnshare) console.error("skipped: an unmounted tracefs: this machine allows no mount namespace");
  test.skipIf(fixture.skipReason !== undefined || !mayUnshare)(
    "an unmounted tracefs is told apart, with the command that mounts it",
    () => {
      const script = `umount -l /sys/kernel/debug 2>/dev/null; umount /sys/kernel/tracing; exec ${executable} --stdout`;
      const { code, stderr } = run("unshare", "-m", "--propagation", "private", "sh", "-c", script);
      expect(stderr).toContain("cannot find tracefs: not mounted on /sys/kernel/tracing nor /sys/kernel/debug/tracing");
      expect(stderr).toContain("mount -t tracefs nodev /sys/kernel/tracing");
      expect(code).toBe(69);
    },
  );

  test.skipIf(fixture.skipReason !== undefined)("someone who is not root is told so, with code 77", () => {
    const { code, stderr } = run(
      "setpriv",
      "--reuid",
      "65534",
      "--regid",
      "65534",
      "--clear-groups",
      executable,
      "--stdout",
    );
    expect(stderr).toContain("run trace-agent as root");
    expect(code).toBe(77);
  });
});

describe.skipIf(fixture.skipReason !== undefined)("port errors", () => {
  test("no control port and no --stdout ends with code 69 and the ways out", () => {
    const { code, stderr } = agent("--instance", fixture.tracefs.name, "--ports", fixture.scratch);
    expect(stderr).toContain('cannot open control port "agent-ctl-path"');
    expect(stderr).toContain("trace-agent setup --help");
    expect(code).toBe(69);
  });

  test("a CPU that this machine does not have is a usage error that names those it has", () => {
    const { code, stderr } = agent("--instance", fixture.tracefs.name, "--stdout", "--cpus", "4000");
    expect(stderr).toContain("cannot trace CPU 4000: not in this machine; it has CPUs 0");
    expect(code).toBe(64);
  });

  test("a control port but no data port at all ends with code 69", () => {
    const directory = join(fixture.scratch, "control-only");
    mkdirSync(directory);
    makeFifo(join(directory, "agent-ctl-path"), 0o600);
    const { code, stderr } = agent("--instance", fixture.tracefs.name, "--ports", directory);
    expect(stderr).toContain("no data port could be opened");
    expect(code).toBe(69);
  });

  test("a CPU without a data port is reported, and the others run", async () => {
    const ports = fixture.makePorts({ cpus: [0] });
    const process = fixture.launch(["--ports", ports.path]);
    await process.says("armed: CPUs 0 ");
    if (fixture.cpus.length > 1)
      expect(process.log).toContain(
        'CPU 1 is not served, its events stay in its ring buffer: no data port "trace-path-cpu1"',
      );
    expect(await ports.ask("hello a", "hello", () => process.log)).toMatchObject({
      cpus: fixture.cpus.map((cpu) => ({ cpu, port: cpu === 0 ? "open" : "absent" })),
    });
  });

  test("a port that cannot be opened says so and takes nothing else down", async () => {
    const ports = fixture.makePorts({ cpus: [0] });
    // A socket file that nobody listens on.
    const socket = join(ports.path, "trace-path-cpu1.sock");
    run(
      execPath,
      "-e",
      `require("net").createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, "SIGKILL"))`,
    );
    expect(existsSync(socket)).toBe(true);
    writeFileSync(join(ports.path, "unrelated"), "");
    const process = fixture.launch(["--ports", ports.path]);
    await process.says("armed: CPUs 0 ");
    if (fixture.cpus.includes(1)) expect(process.log).toContain('cannot open port "trace-path-cpu1"');
  });
});
