/** Waiting for a guest: what bounds it, what is told of it, and what it needs of this machine. */
import { afterAll, afterEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeFd, O, openFd, readInto } from "../../../ffi/fd.ts";
import { hostLimits } from "../../../src/host/limits.ts";
import { makeGuestDirectory } from "../../../src/host/setup/setup.ts";
import { planSetup } from "../../../src/host/setup/setup-plan.ts";
import { eventually, executable } from "../../support/agent-process.ts";
import type { FakeAgentScript } from "../../support/fake-agent.ts";
import { LiveProcess } from "../../support/live-process.ts";
import { traceAgent } from "../../support/recorder-process.ts";
import { ServedGuests } from "../../support/served-guest.ts";

const base = mkdtempSync(join(tmpdir(), "ta-waiting-"));
const started: ServedGuests[] = [];
let count = 0;
afterEach(async () => {
  for (const guest of started.splice(0)) await guest.end();
});
afterAll(() => rmSync(base, { recursive: true }));

async function withAgent(
  script: Partial<FakeAgentScript>,
  cpus = 1,
): Promise<{ directory: string; agent: ServedGuests }> {
  const directory = `${base}/vm${++count}`;
  makeGuestDirectory(directory, planSetup(cpus), "fifo", undefined);
  const whole: FakeAgentScript = { subBuffers: 4, ...script, transport: "fifo", cpus };
  const agent = await ServedGuests.startAgents({ [directory]: whole });
  started.push(agent);
  return { directory, agent };
}

test("--wait bounds the first hello, and what is waited for is told", async () => {
  const waitOf = async (command: string): Promise<void> => {
    const { directory } = await withAgent({ silent: true });
    const output = command === "record" ? ["-e", "sched", "-o", `${base}/wait.dat`] : [];
    const begunMs = performance.now();
    // Twice as long as until it is told: on a busy machine that comes late.
    const { code, stderr } = await traceAgent(command, directory, "--wait", "6", ...output);
    expect({ command, code }).toEqual({ command, code: 69 });
    expect(stderr).toContain("waiting for the agent ...");
    const seconds = (performance.now() - begunMs) / 1000;
    expect(seconds).toBeGreaterThan(5.9);
    // It would be this long without the option.
    expect(seconds).toBeLessThan(hostLimits.helloWaitMs / 1000);
  };
  await Promise.all(["record", "stream", "top", "status"].map(waitOf));
}, 300_000);

test("a stop of a guest whose data nobody reads tells what it waits for, and Ctrl-C ends it", async () => {
  const flushing = { running: true, answers: { "0": '{"reply":"progress","word":"flush"}\n' } };
  const guests = [await withAgent(flushing), await withAgent(flushing)];
  const [interrupted, patient] = guests.map(({ directory }) => new LiveProcess(["stop", directory]));
  await interrupted?.says("hands over what it has, and nobody reads its data ports: waiting for a reader ...");
  interrupted?.process.kill("SIGINT");
  expect(await interrupted?.ended()).toBe(130);
  // Nothing more comes of it.
  expect(await patient?.ended()).toBe(69);
  expect(patient?.stderr).toContain("its last progress: flush; read its data ports, as trace-agent record does");
}, 300_000);

test("a hello that is invalid ends the command at once, with what is wrong with it", async () => {
  const { directory } = await withAgent({ hello: { pageSize: 0.5 } });
  for (const command of ["record", "status"]) {
    const output = command === "record" ? ["-e", "sched", "-o", `${base}/invalid.dat`] : [];
    // It would be waited for until the test's time is over.
    const { code, stderr } = await traceAgent(command, directory, "--wait", "600", ...output);
    expect({ command, code }).toEqual({ command, code: 69 });
    expect(stderr).toMatch(/answered order "hello" with an invalid reply: pageSize: .*0\.5/);
    expect(stderr).toContain("the same version of trace-agent");
  }
}, 300_000);

test("a port that nobody reads gets one hello, however long it is waited for", async () => {
  const directory = `${base}/vm${++count}`;
  makeGuestDirectory(directory, planSetup(1), "fifo", undefined);
  const held = openFd(`${directory}/agent-ctl-path.in`, O.RDWR | O.NONBLOCK);
  try {
    const { code } = await traceAgent("status", directory, "--wait", "4");
    expect(code).toBe(69);
    const bytes = new Uint8Array(new ArrayBuffer(4096));
    const orders = Buffer.from(bytes.subarray(0, readInto(held, bytes))).toString("latin1");
    expect(orders).toMatch(/^hello [-0-9a-f]+\n$/);
  } finally {
    closeFd(held);
  }
}, 300_000);

test("a guest that hangs is told of, and goes on when it answers again", async () => {
  const { directory, agent } = await withAgent({});
  const output = `${base}/hung.dat`;
  const recorder = new LiveProcess(["record", directory, "-o", output]);
  const session = `${output}.spool/spool.json`;
  await eventually(
    () => existsSync(session) && readFileSync(session, "utf8").includes('"reply":"start"'),
    "it records",
    () => recorder.stderr,
  );
  agent.hang();
  await recorder.says("the guest has not answered for");
  agent.goOn();
  await recorder.says("the guest answers again");
  recorder.process.kill("SIGINT");
  expect(await recorder.ended()).toBe(0);
}, 300_000);

test("too few descriptors are told before anything is asked of the guest", async () => {
  const { directory } = await withAgent({}, 40);
  for (const command of ["record", "stream"]) {
    const output = command === "record" ? `-o ${base}/few.dat` : "";
    const { exitCode, stderr } = Bun.spawnSync(
      ["sh", "-c", `ulimit -Hn 64; ulimit -n 64; exec ${executable} ${command} ${directory} ${output}`],
      { stderr: "pipe" },
    );
    expect({ command, exitCode }).toEqual({ command, exitCode: 69 });
    expect(stderr.toString()).toMatch(
      /with 64 file descriptors: 40 data ports need \d+; raise the limit \(ulimit -n \d+\)/,
    );
  }
}, 300_000);
