import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Notifier, watchdogMs } from "../../src/base/notify.ts";
import { AgentFixture } from "../support/agent-fixture.ts";
import { eventually, executable } from "../support/agent-process.ts";
import { DatagramSocket } from "../support/datagram-socket.ts";

const fixture = new AgentFixture("notify");

describe("the watchdog's time", () => {
  test("is that of WATCHDOG_USEC, where it is meant for this process", () => {
    expect(watchdogMs({ WATCHDOG_USEC: "60000000" })).toBe(60_000);
    expect(watchdogMs({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: `${process.pid}` })).toBe(60_000);
    expect(watchdogMs({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "1" })).toBeUndefined();
    for (const text of ["", "0", "-5", "1.5", "x", undefined])
      expect(watchdogMs({ WATCHDOG_USEC: text })).toBeUndefined();
  });
});

test("a status that the manager's queue has no room for is known not to be told", () => {
  const path = join(fixture.scratch, "full");
  const manager = new DatagramSocket(path);
  const notifier = new Notifier({ NOTIFY_SOCKET: path });
  let told = 0;
  while (notifier.status(`${told}`)) told++;
  expect(manager.receive()).toHaveLength(told);
  expect(notifier.status("again")).toBeTrue();
  expect(manager.receive().at(-1)).toBe("STATUS=again");
  notifier.close();
  manager.close();
});

describe.skipIf(fixture.skipReason !== undefined)("the service manager", () => {
  test("is told when the agent is armed, that it lives, what it does, and that it ends", async () => {
    const path = join(fixture.scratch, "notify");
    const manager = new DatagramSocket(path);
    const ports = fixture.makePorts();
    const agent = fixture.launch(["--ports", ports.path], { env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: "1000000" } });
    const hears = (text: string): Promise<void> =>
      eventually(
        () => manager.receive().some((message) => message.includes(text)),
        `"${text}"`,
        () => `${manager.messages.join("\n")}\n${agent.log}`,
      );
    const lives = (): number => manager.receive().filter((message) => message === "WATCHDOG=1").length;

    await hears("READY=1\nSTATUS=armed: CPUs ");
    expect(manager.messages[0]).toStartWith("READY=1\n");
    ports.order("1\n");
    await hears("STATUS=running: CPUs ");
    ports.order("0\n");
    await hears("STATUS=armed");
    const before = lives();
    await eventually(() => lives() > before + 2, "three more signs of life");
    agent.child.kill("SIGTERM");
    expect((await agent.end()).code).toBe(0);
    expect(manager.receive()).toContain("STOPPING=1\nSTATUS=ending: SIGTERM");
    manager.close();
  });

  test("may be gone: the agent says so and works without it", async () => {
    const ports = fixture.makePorts();
    const agent = fixture.launch(["--ports", ports.path], { env: { NOTIFY_SOCKET: join(fixture.scratch, "none") } });
    await agent.says("cannot tell the service manager");
    await agent.says("armed: ");
  });

  test("gets lines with the journal's priorities where stderr is the journal, and only there", async () => {
    const ports = fixture.makePorts();
    const env = { NOTIFY_SOCKET: join(fixture.scratch, "none") };
    const likeSystemd = 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$0" "$@"';
    const agent = fixture.launch(["--ports", ports.path], { env, through: ["sh", "-c", likeSystemd, executable] });
    await agent.says(/^<6>armed: /m);
    expect(agent.log).toMatch(/^<4>warning: cannot tell the service manager/m);
    await agent.kill();
    const other = fixture.launch(["--ports", ports.path], { env: { ...env, JOURNAL_STREAM: "8:1234" } });
    await other.says(/^trace-agent: armed: /m);
  });
});
