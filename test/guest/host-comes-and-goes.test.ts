/** The host leaves and comes back, on sockets: the guest spends nothing meanwhile, and every stream begins with a whole sub-buffer. */
import { beforeAll, expect, test } from "bun:test";
import { countEvents } from "../../src/ring-buffer/event-count.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { eventually, executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import type { GuestProcess } from "../support/guest-handle.ts";
import { becomes, costOf5Seconds, fresh, restsAfterWork } from "../support/guest-measures.ts";
import { HostEnds } from "../support/host-ends.ts";
import { markerProgram } from "../support/marker-program.ts";
import { findMarkers } from "../support/markers.ts";
import { plugPort, unplugPort } from "../support/port-plug.ts";

const tracing = "/sys/kernel/tracing";
const layout = layoutOf(4096, 8);
const cpus = [0, 1];
const files = { "/bin/trace-agent": executable, "/bin/markers": markerProgram() };

await describeWithGuest(
  "a guest whose host comes and goes",
  { kernel: "6.12", cpus: 2, memoryMb: 640, files, transport: "socket" },
  (guest) => {
    let agent: GuestProcess;
    beforeAll(async () => {
      agent = await guest().spawn("exec trace-agent");
      await agent.says("armed: ");
    }, guestTestTimeoutMs);

    test(
      "spends nothing while no host is connected, armed and running",
      async () => {
        await restsAfterWork(guest(), agent.pid);
        const armed = await costOf5Seconds(guest(), agent.pid);
        const ends = new HostEnds(guest(), { cpus, paused: true });
        await ends.ask("hello x", "hello");
        await ends.ask("1", "start");
        ends.close();
        await fresh(guest());
        await guest().run(`echo 1 >${tracing}/events/sched/enable; sleep 3`);
        const running = await costOf5Seconds(guest(), agent.pid);
        console.error(`no host for 5 s: armed ${JSON.stringify(armed)}, running ${JSON.stringify(running)}`);
        // A spin takes 500 ticks. What is counted depends on what else the emulator's host does; the switches do not.
        expect(armed.ticks).toBeLessThan(50);
        expect(armed.switches).toBeLessThan(30);
        expect(running.ticks).toBeLessThan(100);
        expect(running.switches).toBeLessThan(150);
      },
      guestTestTimeoutMs,
    );

    test(
      "begins every host's stream with a whole sub-buffer, however the one before was cut",
      async () => {
        await guest().run(`: >${tracing}/set_event; echo 1 >${tracing}/events/raw_syscalls/enable`);
        await guest().run(
          "(dd if=/dev/zero of=/dev/null bs=1 count=1000000000 & dd if=/dev/zero of=/dev/null bs=1 count=1000000000 &) >/dev/null 2>&1",
        );
        for (let round = 0; round < 12; round++) {
          const ends = new HostEnds(guest(), { cpus, paused: true });
          // Cut in the middle of a sub-buffer, then the client leaves.
          const wanted = 10_000 + round * 1111;
          await eventually(
            () => {
              for (const cpu of cpus) ends.reader(cpu).poll(wanted - ends.reader(cpu).length);
              return cpus.every((cpu) => ends.reader(cpu).length === wanted);
            },
            `${wanted} bytes of each CPU`,
            () => cpus.map((cpu) => ends.reader(cpu).length).join(" "),
            300_000,
          );
          const streams = cpus.map((cpu) => ends.reader(cpu).take());
          ends.close();
          for (const stream of streams) {
            const whole = stream.subarray(0, stream.length - (stream.length % layout.sizeBytes));
            expect(countEvents(whole, layout)).toMatchObject({ damaged: 0 });
          }
        }
        const ends = new HostEnds(guest(), { cpus });
        await guest().run(`killall dd; echo 0 >${tracing}/tracing_on`);
        await ends.ask("hello again", "hello");
        await ends.ask("0", "stop");
        await ends.silence();
        for (const cpu of cpus) {
          const stream = ends.reader(cpu).take();
          expect(stream.length % layout.sizeBytes).toBe(0);
          expect(countEvents(stream, layout)).toMatchObject({ damaged: 0 });
        }
        ends.close();
        expect(await agent.isAlive()).toBe(true);
      },
      guestTestTimeoutMs,
    );

    test(
      "loses its data port and its control port to a hot-unplug and serves them again when they are back",
      async () => {
        await fresh(guest());
        await unplugPort(guest(), "trace-path-cpu1");
        const ends = new HostEnds(guest(), { cpus: [0] });
        await ends.ask("hello x", "hello");
        await ends.ask("1", "start");
        await guest().run(`markers ${tracing}/trace_marker 1 0 100`);
        await becomes(ends, 0, { port: "open" });
        await becomes(ends, 1, { port: expect.stringMatching(/absent|closed/) });
        await plugPort(guest(), "trace-path-cpu1", 3);
        await becomes(ends, 1, { port: "open" });
        ends.close();

        await unplugPort(guest(), "agent-ctl-path");
        await agent.says('control port "agent-ctl-path" is gone');
        await plugPort(guest(), "agent-ctl-path", 1);
        const again = new HostEnds(guest(), { cpus });
        expect(await again.ask("hello back", "hello")).toMatchObject({ nonce: "back", state: "running" });
        await guest().run(`markers ${tracing}/trace_marker 1 100 100`);
        await again.ask("0", "stop");
        await again.silence();
        expect(findMarkers(again.reader(1).take(), 1).slice(-100)).toEqual(
          Array.from({ length: 100 }, (_, index) => index + 100),
        );
        again.close();
        expect(await agent.isAlive()).toBe(true);
      },
      guestTestTimeoutMs,
    );
  },
);
