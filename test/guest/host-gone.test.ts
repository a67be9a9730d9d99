/** The host does not read, or the guest changes under the agent: nobody is held up, and every event is received or counted as lost. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { countEvents } from "../../src/ring-buffer/event-count.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { sequence } from "../support/agent-fixture.ts";
import { executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import type { GuestProcess } from "../support/guest-handle.ts";
import { becomes, freeKb, fresh, statistics, switches, switchesSince, uptime } from "../support/guest-measures.ts";
import { HostEnds } from "../support/host-ends.ts";
import { markerProgram } from "../support/marker-program.ts";
import { findMarkers } from "../support/markers.ts";
import { inLongForm } from "../support/long.ts";
import { allowedMs, timed } from "../support/timing.ts";

const tracing = "/sys/kernel/tracing";
const layout = layoutOf(4096, 8);
const cpus = [0, 1];
/** More than a port holds: it is filled before the start, so that the first pieces are as large as they can be. */
const bufferKb = 12 * 1024;
const subBuffers = (bufferKb * 1024) / layout.sizeBytes;
const files = { "/bin/trace-agent": executable, "/bin/markers": markerProgram() };

await describeWithGuest(
  "a guest whose host does not read",
  { kernel: "6.12", cpus: 2, memoryMb: 640, files },
  (guest) => {
    let agent: GuestProcess;
    let ends: HostEnds;
    beforeAll(async () => {
      agent = await guest().spawn("exec trace-agent");
      await agent.says("armed: ");
      ends = new HostEnds(guest(), { cpus, paused: true });
      await ends.ask("hello x", "hello");
    }, guestTestTimeoutMs);
    const readAgain = (): void => {
      for (const reader of ends.readers) reader.resume();
    };
    afterAll(() => ends?.close());
    /** A sub-buffer holds one of their events. */
    const writers = (option = ""): string =>
      [1, 2]
        .map((mask) => `taskset ${mask} dd if=/dev/zero of=${tracing}/trace_marker bs=3000 ${option} 2>/dev/null &`)
        .join(" ");
    /** Until the ports take nothing more: no byte moves while each ring buffer is overwritten. */
    const fillPorts = async (): Promise<void> => {
      const filling = await guest().spawn(`trap 'kill $(jobs -p)' EXIT; trap exit TERM; ${writers()} wait`);
      const look = async (): Promise<{ moved: number[]; overrun: number[] }> => {
        const { cpus: told } = (await ends.ask("status", "status")) as { cpus: { bytes: number; overrun: number }[] };
        return { moved: told.map(({ bytes }) => bytes), overrun: told.map(({ overrun }) => overrun) };
      };
      const overwritten = 2 * subBuffers;
      let from = await look();
      for (let now = from; now.overrun.some((count, cpu) => count < (from.overrun[cpu] ?? 0) + overwritten);) {
        now = await look();
        if (!Bun.deepEquals(now.moved, from.moved)) from = now;
      }
      await filling.kill();
      await filling.exitCode();
    };

    test(
      "goes on, holds little memory for it, spends no CPU on it; then every event was received or reported lost",
      async () => {
        const seconds = inLongForm(5, 60);
        await fresh(guest());
        await guest().run(`echo ${bufferKb} >${tracing}/buffer_size_kb; ${writers(`count=${subBuffers}`)} wait`);
        const before = { kb: await freeKb(guest()) };
        await ends.ask("1", "start");
        await fillPorts();
        await guest().run(`echo 1 >${tracing}/events/raw_syscalls/enable`);
        const work = "for n in 1 2; do dd if=/dev/zero of=/dev/null bs=1 count=100000000 & done";
        await guest().run(`(${work}) >/dev/null 2>&1`);
        const begun = await uptime(guest());
        const switchesBefore = await switches(guest(), agent.pid);
        // The guest's own clock paces this: a guest that stood still would show missing beats.
        let beats = "";
        const timing = await timed(async () => {
          beats = await guest().text(
            `for n in $(seq ${seconds * 2}); do usleep 500000; cut -d' ' -f1 /proc/uptime; done`,
            { timeoutMs: 300_000 },
          );
        });
        const switched = await switchesSince(guest(), agent.pid, switchesBefore);
        const took = (await uptime(guest())) - begun;
        const held = before.kb - (await freeKb(guest()));
        await guest().run(`killall dd; echo 0 >${tracing}/tracing_on`);
        const times = beats.split("\n").map(Number);
        const slowest = Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? time)));
        console.error(
          `silent host for ${took.toFixed(0)} s: ${held} KiB held, ${switched} context switches, slowest heartbeat ${slowest.toFixed(2)} s`,
        );
        expect(held).toBeLessThan(2 * 10 * 1024 + 8 * 1024);
        // CPU time in an emulated guest counts what its host does meanwhile. Beside two programs that never sleep, one that
        // spins is switched at every time slice, hundreds of times a second.
        expect(switched).toBeLessThan(took * 50);
        expect(slowest).toBeLessThan(allowedMs(3_000, timing) / 1000);

        readAgain();
        await ends.ask("0", "stop");
        await ends.silence();
        for (const cpu of cpus) {
          const stream = ends.reader(cpu).take();
          const counted = countEvents(stream, layout);
          const stats = await statistics(guest(), cpu);
          expect(stats.overrun).toBeGreaterThan(0);
          expect(stats.entries).toBe(0);
          expect(counted).toMatchObject({ damaged: 0, events: stats.readEvents });
          if (counted.unknownLosses === 0)
            expect(counted.lostEvents).toBe(stats.overrun + stats.commitOverrun + stats.droppedEvents);
          else
            expect(counted.lostEvents).toBeLessThanOrEqual(stats.overrun + stats.commitOverrun + stats.droppedEvents);
        }
      },
      guestTestTimeoutMs,
    );

    test(
      "is paused and resumed (QMP stop, cont) and its clock set, and nothing is lost",
      async () => {
        readAgain();
        await fresh(guest());
        await ends.ask("1", "start");
        const written = async (): Promise<number> => {
          const { entries, readEvents } = await statistics(guest(), 0);
          return entries + readEvents;
        };
        const writes = async (more: number): Promise<void> => {
          for (const from = await written(); (await written()) < from + more;);
        };
        const writer = await guest().spawn(`exec markers ${tracing}/trace_marker 0 0 1000000 1000`);
        await writes(300);
        await guest().qmp.execute("stop");
        // The pause itself.
        await Bun.sleep(2000);
        await guest().qmp.execute("cont");
        await guest().run("date -s 2030-01-01 >/dev/null");
        await writes(300);
        await writer.kill();
        await writer.exitCode();
        await ends.ask("0", "stop");
        await ends.silence();
        const all = await written();
        expect(all).toBeGreaterThanOrEqual(600);
        expect(findMarkers(ends.reader(0).take(), 0)).toEqual(sequence(0, all));
        ends.reader(1).take();
      },
      guestTestTimeoutMs,
    );

    test(
      "has its tracer changed while armed; while running the kernel refuses it, and the stream goes on",
      async () => {
        readAgain();
        await fresh(guest());
        // One function: to change each of its kernel takes an emulated guest seconds.
        await guest().run(
          `cd ${tracing}; echo vfs_read >set_ftrace_filter; echo function >current_tracer; echo nop >current_tracer`,
        );
        await ends.ask("1", "start");
        const { code, stderr } = await guest().run(`echo function >${tracing}/current_tracer`, { mayFail: true });
        await guest().run(`echo 1 >${tracing}/tracing_on; markers ${tracing}/trace_marker 0 0 100`);
        await ends.ask("0", "stop");
        await ends.silence();
        await guest().run(`echo nop >${tracing}/current_tracer; echo >${tracing}/set_ftrace_filter`);
        expect([code, stderr]).toEqual([1, expect.stringContaining("Device or resource busy")]);
        expect(findMarkers(ends.reader(0).take(), 0)).toEqual(Array.from({ length: 100 }, (_, index) => index));
        ends.reader(1).take();
      },
      guestTestTimeoutMs,
    );

    test(
      "takes a CPU offline and online again, armed and running, and the agent follows",
      async () => {
        readAgain();
        await fresh(guest());
        const offline = `echo 0 >/sys/devices/system/cpu/cpu1/online`;
        const online = `echo 1 >/sys/devices/system/cpu/cpu1/online`;
        for (const state of ["armed", "running"]) {
          if (state === "running") await ends.ask("1", "start");
          await guest().run(`markers ${tracing}/trace_marker 1 0 100; ${offline}`);
          await becomes(ends, 1, { state: "parked" });
          // A parked CPU holds up no order.
          await ends.ask("1", "start");
          if (state === "armed") await ends.ask("0", "stop");
          await guest().run(online);
          await becomes(ends, 1, { state });
          await guest().run(`markers ${tracing}/trace_marker 1 100 100`);
          if (state === "armed") await ends.ask("1", "start");
          await ends.ask("0", "stop");
          await ends.silence();
          expect(findMarkers(ends.reader(1).take(), 1)).toEqual(Array.from({ length: 200 }, (_, index) => index));
          ends.reader(0).take();
        }
      },
      guestTestTimeoutMs,
    );
  },
);
