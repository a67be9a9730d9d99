/** What is said of this machine as a guest: it is none. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { closeFd, O, openFd } from "../../../ffi/fd.ts";
import { findHostPorts, type GuestDirectory } from "../../../src/host/guest-directory.ts";
import { noAgentError } from "../../../src/host/run/no-agent.ts";
import { PortLoop } from "../../../src/host/run/port-loop.ts";
import { RecordingWatch } from "../../../src/host/run/recording-watch.ts";
import { Session } from "../../../src/host/run/session.ts";
import { statusText } from "../../../src/host/run/status-line.ts";
import type { StartReply } from "../../../src/protocol/replies.ts";
import { ControlPort } from "../../../src/transport/host-port.ts";
import { prepareGuest } from "../../support/prepared-guest.ts";

test("what is told of this machine, where its agent hangs or ends, speaks of no guest", async () => {
  const path = mkdtempSync(`${tmpdir()}/ta-said-`);
  prepareGuest(path, 1, "fifo");
  const local: GuestDirectory = { guest: "this machine", path, local: true };
  const agent = ["in", "out"].map((way) => openFd(`${path}/agent-ctl-path.${way}`, O.RDWR | O.NONBLOCK));
  const loop = new PortLoop();
  const control = new ControlPort(findHostPorts(local).control);
  const session = new Session(loop, local, control);
  const started: StartReply = { reply: "start", state: "running", streams: [] };
  const watch = new RecordingWatch(session, undefined, started, {});
  const silent = { silenceMs: 1, totalMs: 1 };
  const said = [
    noAgentError(local).message,
    await session.request({ order: "status" }, "status", silent).catch(String),
    statusText(Object.defineProperty(watch, "silentMs", { value: 60_000 }), 0, 0),
  ];
  session.ended = "nothing came of the host";
  Object.defineProperty(session.pump, "readers", { value: [{ gone: false }] });
  watch.poll();
  said.push(watch.ended?.trouble ?? "");
  for (const text of said) {
    expect(text).toContain("this machine");
    expect(text).not.toMatch(/guest|VM/);
  }
  control.close();
  loop.close();
  for (const fd of agent) closeFd(fd);
  rmSync(path, { recursive: true });
});
