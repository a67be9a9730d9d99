/** `record --local -- COMMAND`: what the command is given, whose events are recorded, and how both end. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { eventually, executable } from "../support/agent-process.ts";
import { RecorderProcess, traceAgent, traceAgentText } from "../support/recorder-process.ts";
import { signalTaken } from "../support/signals.ts";
import { reasonWithoutTracefs } from "../support/tracefs.ts";

/** Runs of the executable take long on a loaded machine. */
setDefaultTimeout(300_000);

const base = mkdtempSync(`${tmpdir()}/ta-command-`);
afterAll(() => rmSync(base, { recursive: true }));
const reason = reasonWithoutTracefs();
if (reason !== undefined) console.error(`skipped: record --local -- COMMAND: ${reason}`);
/** Of util-linux: a terminal of its own for a program. */
const scriptProgram = "/usr/bin/script";
const hasTerminal = existsSync(scriptProgram);
if (!hasTerminal) console.error(`skipped: keys of a terminal: no ${scriptProgram}`);

let count = 0;
const newOutput = (): string => `${base}/out${++count}.dat`;
const instances = (): string[] => readdirSync("/sys/kernel/tracing/instances");
const hasInstance = (pid: number): boolean => instances().includes(`trace-agent-${pid}`);

const ofCommand = (output: string, command: readonly string[], ...options: string[]): string[] => [
  "record",
  "--local",
  "-e",
  "sched:sched_process_exec",
  "-e",
  "sched:sched_process_fork",
  ...options,
  "-o",
  output,
  "--",
  ...command,
];

/** Programs that the recording saw begin. */
async function executed(output: string): Promise<string[]> {
  const lines = (await traceAgentText("report", "-e", "sched_process_exec", output)).split("\n");
  return lines.flatMap((line) => /filename=\S*\/(\S+)/.exec(line)?.[1] ?? []);
}

describe.skipIf(reason !== undefined)("record --local -- COMMAND", () => {
  test("runs it, ends with it and with its exit code; stdout is the command's", async () => {
    const output = newOutput();
    const recorder = new RecorderProcess(ofCommand(output, ["sh", "-c", 'echo "$1"; exit 7', "-d", "--said"]));
    const { code, stdout, stderr } = await recorder.ended();
    expect({ code, stdout }).toEqual({ code: 7, stdout: "--said\n" });
    expect(stderr).toContain(`${output}: `);
    expect(await executed(output)).toContain("sh");
    expect(hasInstance(recorder.pid)).toBe(false);
  });

  test.each([
    ["no-such-program", 127, "command not found"],
    [`${base}/no/such/path`, 127, "command not found"],
    ["/etc/passwd", 126, "permission denied"],
    ["/etc", 126, "it is no program"],
  ])("of %s ends with %p as a shell does, and changes nothing", async (command, code, why) => {
    const output = newOutput();
    const recorder = new RecorderProcess(ofCommand(output, [command]));
    expect(await recorder.ended()).toEqual({
      code,
      stdout: "",
      stderr: `trace-agent: error: cannot run "${command}": ${why}\n`,
    });
    expect([output, `${output}.spool`].filter((path) => existsSync(path))).toEqual([]);
  });

  /** What one command finds that tells of its name, arguments, environment, limits, signals and descriptors, and kills itself. */
  describe("of a script that tells what it is given", () => {
    const script = `${base}/script`;
    const odd = Buffer.from([0x66, 0xff, 0x80]);
    const told = new Map<string, string>();
    let code = 0;

    beforeAll(() => {
      const parts = {
        arguments: 'printf "%s %s" "$0" "$1"',
        environment: "env | grep _ODD= | sort",
        // ls has a descriptor of its own.
        limits: "ulimit -Sn; grep -E 'Sig(Ign|Blk)' /proc/self/status; ls /proc/self/fd | wc -l",
      };
      const lines = Object.entries(parts).map(([name, line]) => `printf '<%s>' ${name}; ${line}\n`);
      // Without #!.
      writeFileSync(script, [...lines, "kill -9 $$\n"].join(""), { mode: 0o755 });
      const record = `"${executable}" record --local -e sched_switch -o "${newOutput()}" -- "${script}" '`;
      const run = Buffer.concat([
        Buffer.from(`ulimit -Sn 321; trap '' HUP; BUN_ODD=1 LD_ODD=2 NODE_ODD=3 ${record}`),
        odd,
        // The shell, whose limits are the caller's, stays.
        Buffer.from("'\nexit $?\n"),
      ]);
      writeFileSync(`${base}/run-script`, run);
      const ended = Bun.spawnSync(["sh", `${base}/run-script`], { stderr: "ignore", stdin: "ignore" });
      code = ended.exitCode;
      for (const [, name = "", text = ""] of ended.stdout.toString("latin1").matchAll(/<(\w+)>([^<]*)/g))
        told.set(name, text);
    });

    test("runs it by sh, as execvp(3) does, and gives it the arguments as bytes", () => {
      expect(told.get("arguments")).toBe(`${script} ${odd.toString("latin1")}`);
    });

    test("gives it the environment, also what the executable keeps from its own runtime", () => {
      expect(told.get("environment")).toBe("BUN_ODD=1\nLD_ODD=2\nNODE_ODD=3\n");
    });

    test("leaves it limits, signals and descriptors as the caller's, nohup's SIGHUP too", () => {
      expect(told.get("limits")).toBe(`321\nSigBlk:\t${"0".repeat(16)}\nSigIgn:\t${"0".repeat(15)}1\n4\n`);
    });

    test("ends with 128 and the number of the signal that ended it", () => {
      expect(code).toBe(137);
    });
  });

  const others = "while ! test -e FLAG; do sleep 0.02; done; true | cat";
  test.each([
    { options: [], seen: ["env", "sh", "cat"], without: [] },
    { options: ["-F"], seen: ["sh"], without: ["env", "cat", "sleep"] },
    { options: ["-F", "-c"], seen: ["sh", "cat"], without: ["env"] },
  ])("with $options records the programs $seen", async ({ options, seen, without }) => {
    const output = newOutput();
    const flag = `${output}.flag`;
    const recorder = new RecorderProcess(ofCommand(output, ["sh", "-c", others.replace("FLAG", flag)], ...options));
    await recorder.recording(output);
    // Somebody else's.
    for (let index = 0; index < 5; index++) Bun.spawnSync(["/usr/bin/env", "true"]);
    writeFileSync(flag, "");
    expect((await recorder.ended()).code).toBe(0);
    const programs = await executed(output);
    expect(seen.filter((name) => !programs.includes(name))).toEqual([]);
    expect(without.filter((name) => programs.includes(name))).toEqual([]);
    // From its first instruction on.
    if (options.length > 0) expect(programs[0]).toBe("sh");
  });

  test("goes on when the recording ends at its limit, and ends with the command's code", async () => {
    const output = newOutput();
    // The file is there when the recording has ended.
    const { code } = await traceAgent(
      ...ofCommand(output, ["sh", "-c", `until test -e "${output}"; do sleep 0.02; done; exit 5`], "-d", "0.2"),
    );
    expect(code).toBe(5);
  });

  test("ends with 74 where the recording is not whole, whatever the command's code", async () => {
    // Its parent is the recorder, and the instance has the recorder's number.
    const output = newOutput();
    const reader =
      `cat /sys/kernel/tracing/instances/trace-agent-$PPID/trace_pipe > "${output}.taken" & ` +
      `until test -s "${output}.taken"; do sleep 0.02; done; kill $!; exit 3`;
    const { code, stderr } = await traceAgent(...ofCommand(output, ["sh", "-c", reader], "-e", "sched"));
    expect(stderr).toContain("the recording is incomplete");
    expect(code).toBe(74);
  });

  test.each([
    { command: ["sleep", "600"], code: 130 },
    { command: ["sh", "-c", "trap 'exit 3' INT; exec 3>READY; while :; do sleep 0.02; done"], code: 3 },
  ])("gives SIGINT to $command, and ends whole with it: $code", async ({ command, code }) => {
    const output = newOutput();
    const ready = `${output}.ready`;
    const recorder = new RecorderProcess(
      ofCommand(
        output,
        command.map((word) => word.replace("READY", ready)),
      ),
    );
    await recorder.recording(output);
    const program = command[0] ?? "";
    // A shell runs for a while before it heeds the signal.
    const runs = program === "sh" ? () => existsSync(ready) : () => childrenOf(recorder.pid).includes(program);
    await eventually(runs, `${program} runs`);
    recorder.kill("SIGINT");
    expect((await recorder.ended()).code).toBe(code);
    expect(await executed(output)).toContain(program);
    expect(hasInstance(recorder.pid)).toBe(false);
  });

  test("ends both at a second signal, where the command does not heed the first", async () => {
    const output = newOutput();
    const heedless = `trap 'touch "${output}.heard"' INT; touch "${output}.ready"; while :; do sleep 0.02; done`;
    const recorder = new RecorderProcess(ofCommand(output, ["sh", "-c", heedless]));
    await recorder.recording(output);
    await eventually(() => existsSync(`${output}.ready`), "sh has its trap");
    recorder.kill("SIGINT");
    await eventually(() => existsSync(`${output}.heard`), "the command heard the first");
    await signalTaken(recorder.pid, "SIGINT");
    recorder.kill("SIGINT");
    expect((await recorder.ended()).code).toBe(143);
  });

  test.skipIf(!hasTerminal)("a terminal's Ctrl-C reaches the command once", async () => {
    const output = newOutput();
    const heard = `${output}.heard`;
    const inside = `trap 'echo int; touch "${heard}"' INT; touch "${output}.ready"; while ! test -e "${output}.end"; do sleep 0.02; done; exit 4`;
    writeFileSync(`${base}/inside`, inside);
    // exec: of the shells that $SHELL may name, some stay between, and the key ends them.
    const line = `exec "${executable}" record --local -e sched_switch -o "${output}" -- sh "${base}/inside"`;
    const terminal = Bun.spawn([scriptProgram, "-qec", line, "/dev/null"], { stdin: "pipe", stdout: "pipe" });
    const shown = new Response(terminal.stdout).text();
    await eventually(() => existsSync(`${output}.ready`), "the command runs");
    void terminal.stdin.write("\x03");
    await terminal.stdin.flush();
    await eventually(() => existsSync(heard), "the command heard it");
    await Bun.sleep(500); // That nothing else comes: a second signal would have been sent at once.
    writeFileSync(`${output}.end`, "");
    expect(await terminal.exited).toBe(4);
    await terminal.stdin.end();
    expect((await shown).match(/int\r?\n/g)?.length).toBe(1);
  });
});

/** Names of the processes that a process has started and that live, its agent left out. */
function childrenOf(pid: number): string[] {
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "latin1");
      const name = /\((.*)\)/s.exec(stat)?.[1] ?? "";
      const [state = "", parent = ""] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return parent === `${pid}` && state !== "Z" && !name.startsWith("trace-agent") ? [name] : [];
    } catch {
      return [];
    }
  });
}

/** "name:uid:gid" of a user who is not root. */
const nobody = readFileSync("/etc/passwd", "latin1")
  .split("\n")
  .map((line) => line.split(":"))
  .find(([name]) => name === "nobody");
const [, , uid = "65534", gid = "65534", , home = ""] = nobody ?? [];

const whoAmI = [
  'echo "$(id -u) $(id -g) $(id -G)"',
  'echo "$HOME $USER"',
  "grep -E 'Uid|Gid|Cap(Inh|Prm|Eff|Amb)' /proc/self/status",
  "cat /proc/1/environ > /dev/null 2>&1 && echo reads root",
  "ls /sys/kernel/tracing/instances > /dev/null 2>&1 && echo sees tracefs",
  "true",
].join("; ");

/** As sudo would have started it. */
async function asSudo(
  environment: Record<string, string>,
  ...options: string[]
): Promise<{ code: number; stdout: string }> {
  const output = newOutput();
  const { stdout, exitCode } = Bun.spawnSync([executable, ...ofCommand(output, ["sh", "-c", whoAmI], ...options)], {
    env: { PATH: process.env["PATH"] ?? "", HOME: "/root", USER: "root", ...environment },
    stderr: "ignore",
    stdin: "ignore",
  });
  return { code: exitCode, stdout: stdout.toString() };
}

describe.skipIf(reason !== undefined || process.getuid?.() !== 0)("record --local -- COMMAND under sudo", () => {
  const none = "0".repeat(16);

  test("runs the command as the user who called sudo, with that user's groups and nothing of root's", async () => {
    const groups = Bun.spawnSync(["id", "-G", "nobody"]).stdout.toString().trim();
    const { code, stdout } = await asSudo({ SUDO_UID: uid, SUDO_GID: gid, SUDO_USER: "nobody" });
    expect(code).toBe(0);
    expect(stdout).toBe(
      [
        `${uid} ${gid} ${groups}`,
        `${home} nobody`,
        `Uid:\t${[uid, uid, uid, uid].join("\t")}`,
        `Gid:\t${[gid, gid, gid, gid].join("\t")}`,
        ...["Inh", "Prm", "Eff", "Amb"].map((set) => `Cap${set}:\t${none}`),
        "",
      ].join("\n"),
    );
  });

  test("runs it as root with --as-root, and where no user called", async () => {
    const asked = await asSudo({ SUDO_UID: uid, SUDO_GID: gid }, "--as-root");
    expect(asked.stdout).toMatch(/^0 0 /);
    expect((await asSudo({})).stdout).toMatch(/^0 0 /);
    expect((await asSudo({ SUDO_UID: "0", SUDO_GID: "0" })).stdout).toMatch(/^0 0 /);
  });

  test("refuses ids that are none", async () => {
    expect((await asSudo({ SUDO_UID: "-1", SUDO_GID: gid })).code).toBe(64);
    expect((await asSudo({ SUDO_UID: "4294967295", SUDO_GID: gid })).code).toBe(64);
    expect((await asSudo({ SUDO_UID: "54321" })).code).toBe(64);
  });
});
