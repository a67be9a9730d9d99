/** `--local` against its environment, and what is left of it when the recorder, or it with its agent, is killed. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { eventually, executable } from "../support/agent-process.ts";
import { RecorderProcess, traceAgent } from "../support/recorder-process.ts";
import { reasonWithoutTracefs } from "../support/tracefs.ts";

/** Runs of the executable take long on a loaded machine. */
setDefaultTimeout(300_000);

const base = mkdtempSync(`${tmpdir()}/ta-local-end-`);
afterAll(() => rmSync(base, { recursive: true }));
const reason = reasonWithoutTracefs();
if (reason !== undefined) console.error(`skipped: the end of --local: ${reason}`);
let count = 0;

/** What a recorder of this process id makes beside its output. */
const traces = (pid: number): string[] => [
  `/run/trace-agent-${pid}`,
  `/sys/kernel/tracing/instances/trace-agent-${pid}`,
];
const left = (pid: number): string[] => traces(pid).filter((path) => existsSync(path));

function agentsOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .filter((entry) => {
      try {
        const words = readFileSync(`/proc/${entry}/cmdline`, "latin1").split("\0");
        return words[1] === "local-agent" && words.includes(`trace-agent-${pid}`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function recorder(): Promise<RecorderProcess> {
  const output = `${base}/out${++count}.dat`;
  const process = new RecorderProcess(["record", "--local", "-e", "sched:sched_switch", "-o", output]);
  await process.recording(output);
  expect(left(process.pid)).toEqual(traces(process.pid));
  expect(agentsOf(process.pid).length).toBe(1);
  return process;
}

describe.skipIf(reason !== undefined)("record --local", () => {
  test("leaves no FIFO, no instance and no agent when it is killed", async () => {
    const killed = await recorder();
    await killed.killHard();
    const stays = (): string => [...left(killed.pid), ...agentsOf(killed.pid)].join(" ");
    await eventually(() => stays() === "", "nothing is left", stays);
  });

  test("takes away what one left that was killed together with its agent", async () => {
    const killed = await recorder();
    for (const agent of agentsOf(killed.pid)) process.kill(agent, "SIGKILL");
    await killed.killHard();
    await eventually(() => agentsOf(killed.pid).length === 0, "the agent is gone");
    const next = ["record", "--local", "-e", "sched:sched_switch", "-d", "0.2", "-o", `${base}/next.dat`];
    expect(await traceAgent(...next)).toMatchObject({ code: 0 });
    // Any recorder of this machine that begins takes it away, one of another test, too, which may still be about it.
    await eventually(
      () => left(killed.pid).length === 0,
      "nothing is left",
      () => left(killed.pid).join(" "),
    );
  });

  test("runs no program of PATH and uses no directory of TMPDIR that others can change", async () => {
    const trap = `${base}/trap`;
    mkdirSync(trap);
    for (const name of ["setpriv", "sh", "trace-agent"]) {
      writeFileSync(`${trap}/${name}`, `#!/bin/sh\ntouch ${base}/ran-${name}\n`);
      chmodSync(`${trap}/${name}`, 0o755);
    }
    chmodSync(trap, 0o777);
    const args = ["record", "--local", "-e", "sched:sched_switch", "-d", "0.2", "-o", `${base}/trapped.dat`];
    const { exitCode } = Bun.spawnSync([executable, ...args], { env: { PATH: trap, TMPDIR: trap } });
    expect(exitCode).toBe(0);
    expect(readdirSync(trap).sort()).toEqual(["setpriv", "sh", "trace-agent"]);
    expect(readdirSync(base).filter((name) => name.startsWith("ran-"))).toEqual([]);
  });
});

describe("trace-agent local-agent", () => {
  test("is not for people: help does not list it, and it ends where its parent is another", async () => {
    expect((await traceAgent("--help")).stdout).not.toContain("local-agent");
    const { code, stderr } = await traceAgent("local-agent", base, "none", "1");
    expect({ code, stderr }).toEqual({
      code: 69,
      stderr: "trace-agent: error: the program that started this agent has ended\n",
    });
  });
});
