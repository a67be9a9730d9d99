/** The arm64 executable in an arm64 guest that holds it and busybox: orders, replies, trace data, and /proc missing. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Socket } from "node:net";
import { run } from "../../ffi/static/run.ts";
import { countEvents } from "../../src/ring-buffer/event-count.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import type { HelloReply, Reply, StartReply, StopReply } from "../../src/protocol/replies.ts";
import { type ArmGuest, bootArm64, whyNoArm64 } from "../support/arm64.ts";
import { guestTestTimeoutMs } from "../support/describe-guest.ts";
import { guestHookTimeoutMs } from "../support/guest.ts";

const skipped = await whyNoArm64();
if (skipped !== undefined) console.log(`skipped: the arm64 guest: ${skipped}`);
const project = join(import.meta.dir, "../..");
const dataPorts = ["trace-path-cpu0", "trace-path-cpu1"];

const init = `#!/bin/busybox sh
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox mount -t tracefs tracefs /sys/kernel/tracing
/trace-agent --version
echo "without /proc: $?"
busybox mount -t proc proc /proc
# The ports appear one by one when QEMU has named them, a moment after the device.
for port in agent-ctl-path ${dataPorts.join(" ")}; do
  for try in $(busybox seq 100); do
    busybox grep -qsx $port /sys/class/virtio-ports/*/name && break
    busybox sleep 1
  done
done
/trace-agent
echo "agent ended: $?"
busybox poweroff -f
`;

/** All bytes that came from a port. */
function collect(socket: Socket): () => Buffer {
  const pieces: Buffer[] = [];
  socket.on("data", (piece: Buffer) => pieces.push(piece));
  return () => Buffer.concat(pieces);
}

describe.skipIf(skipped !== undefined)("in an arm64 guest", () => {
  let guest: ArmGuest;
  let control: Socket;
  let replies: () => Buffer;
  let data: (() => Buffer)[];

  beforeAll(async () => {
    run([process.execPath, "build.ts", "--all", "--quiet"], project);
    const executable = join(project, "dist/trace-agent-linux-arm64");
    guest = await bootArm64(init, { "/trace-agent": executable }, ["agent-ctl-path", ...dataPorts]);
    control = guest.port("agent-ctl-path");
    replies = collect(control);
    data = dataPorts.map((name) => collect(guest.port(name)));
  }, guestHookTimeoutMs);
  afterAll(async () => guest?.stop());

  /** The next reply of a kind after those already taken; fails with all that the guest said. */
  let taken = 0;
  async function order<T extends Reply>(text: string, kind: T["reply"]): Promise<T> {
    if (text !== "") control.write(`${text}\n`);
    for (let tries = 0; tries < 5000 && !guest.console().includes("agent ended"); tries++) {
      const lines = replies().toString("latin1").split("\n").slice(0, -1);
      const found = lines.findIndex((line, i) => i >= taken && line.includes(`"reply":"${kind}"`));
      if (found >= 0) {
        taken = found + 1;
        return JSON.parse(lines[found] ?? "") as T;
      }
      await Bun.sleep(100);
    }
    throw new Error(
      `no ${kind} reply to "${text}"; replies:\n${replies().toString("latin1")}\nconsole:\n${guest.console()}`,
    );
  }

  async function arrived(cpu: number, bytes: number): Promise<Buffer> {
    for (let tries = 0; tries < 5000 && (data[cpu]?.().length ?? 0) < bytes; tries++) await Bun.sleep(100);
    return data[cpu]?.() ?? Buffer.alloc(0);
  }

  async function record(): Promise<{ start: StartReply; stop: StopReply }> {
    const before = data.map((bytes) => bytes().length);
    const start = await order<StartReply>("1", "start");
    for (const [cpu, length] of before.entries()) await arrived(cpu, length + 1);
    return { start, stop: await order<StopReply>("0", "stop") };
  }

  test(
    "says that /proc is missing, and runs once it is there",
    async () => {
      const hello = await order<HelloReply>("hello arm64", "hello");
      expect(hello).toMatchObject({ nonce: "arm64", state: "armed", longSize: 8 });
      expect(hello.machine).toMatch(/^(aarch64|arm64)$/);
      expect(hello.cpus.map(({ cpu, port }) => ({ cpu, port }))).toEqual([
        { cpu: 0, port: "open" },
        { cpu: 1, port: "open" },
      ]);
      expect(guest.console()).toContain("trace-agent: cannot start: /proc is not mounted");
      expect(guest.console()).toContain("without /proc: 69");
    },
    guestTestTimeoutMs,
  );

  test(
    "moves whole sub-buffers between a start and a stop order, twice, and loses none in transit",
    async () => {
      const { subBufferSize } = await order<HelloReply>("hello again", "hello");
      await order<Extract<Reply, { reply: "set" }>>("set events sched:sched_switch sched:sched_waking", "set");
      const first = await record();
      const second = await record();
      for (const cpu of [0, 1]) {
        const positions = [first.start, first.stop, second.start, second.stop].map(
          ({ streams }) => streams.find((stream) => stream.cpu === cpu)?.bytes,
        );
        const [begin = -1, end = -1, beginAgain = -1, endAgain = -1] = positions;
        expect(begin).toBe(0);
        expect(end).toBeGreaterThan(0);
        expect(beginAgain).toBe(end);
        expect(endAgain).toBeGreaterThan(beginAgain);
        const bytes = await arrived(cpu, endAgain);
        expect(bytes.length).toBe(endAgain);
        expect(bytes.length % subBufferSize).toBe(0);
        const { events } = countEvents(bytes, layoutOf(subBufferSize, 8));
        expect(events).toBeGreaterThan(0);
      }
      expect(second.stop.streams.map((stream) => stream.lostBytes)).toEqual([0, 0]);
    },
    guestTestTimeoutMs,
  );
});
