/** A host that acknowledges what it takes, and what is left of it when it dies: how much the guest holds for it, and who comes after. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { countEvents } from "../../src/ring-buffer/event-count.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { eventually, executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import type { GuestProcess } from "../support/guest-handle.ts";
import { freeKb } from "../support/guest-measures.ts";
import { HostEnds } from "../support/host-ends.ts";
import { leftByQemu, portStates } from "../support/port-states.ts";
import { RecorderProcess } from "../support/recorder-process.ts";

const tracing = "/sys/kernel/tracing";
const layout = layoutOf(4096, 8);
const cpus = [0, 1];
const MiB = 2 ** 20;
const scratch = mkdtempSync(join(tmpdir(), "trace-agent-acks-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Of one CPU. */
function spooledBytes(output: string): number {
  return statSync(`${output}.spool/cpu0`).size;
}

type Status = { cpus: { cpu: number; bytes: number; entries: number }[] };

for (const transport of ["fifo", "socket"] as const)
  await describeWithGuest(
    `a guest whose host acknowledges what it takes, over ${transport}s`,
    { kernel: "6.12", cpus: 2, memoryMb: 640, transport, files: { "/bin/trace-agent": executable } },
    (guest) => {
      let agent: GuestProcess;
      beforeAll(async () => {
        agent = await guest().spawn("exec trace-agent");
        await agent.says("armed: ");
        // Else the kernel keeps megabytes of free pages for each CPU, which it does not count as free.
        await guest().run("echo 100000 >/proc/sys/vm/percpu_pagelist_high_fraction");
      }, guestTestTimeoutMs);

      /** Programs that write so many MiB of events on each CPU: of few system calls, since each fills a sub-buffer. */
      const writers = (mebibytes: number): string =>
        [1, 2]
          .map((mask) => {
            const count = (mebibytes * MiB) / layout.sizeBytes;
            return `taskset ${mask} dd if=/dev/zero of=${tracing}/trace_marker bs=3000 count=${count} 2>/dev/null &`;
          })
          .join(" ");
      /** So many MiB of events in each CPU's ring buffer. */
      const fill = (mebibytes: number): Promise<unknown> =>
        guest().run(
          `cd ${tracing}; echo ${(mebibytes + 2) * 1024} >buffer_size_kb; : >trace; ${writers(mebibytes)} wait`,
        );
      const positions = async (ends: HostEnds): Promise<number[]> =>
        ((await ends.ask("status", "status")) as Status).cpus.map(({ bytes }) => bytes);
      /** Waits until nothing moves any more, each stream behind a position; gives the positions of the streams. */
      const stuck = async (ends: HostEnds, behind = [0, 0]): Promise<number[]> => {
        let before = await positions(ends);
        // A worker that an emulated CPU has not come to for a while moves nothing either.
        for (let same = 0; same < 4 || before.some((bytes, cpu) => bytes <= (behind[cpu] ?? 0));) {
          await Bun.sleep(500);
          const now = await positions(ends);
          same = Bun.deepEquals(now, before) ? same + 1 : 0;
          before = now;
        }
        return before;
      };
      /** Waits until more came than the queues can have held. */
      const moves = async (ends: HostEnds): Promise<void> => {
        for (const cpu of cpus) ends.reader(cpu).resume();
        await eventually(
          () => {
            for (const cpu of cpus) ends.reader(cpu).poll();
            return cpus.every((cpu) => ends.reader(cpu).length > 30 * MiB);
          },
          "data go on",
          () => cpus.map((cpu) => ends.reader(cpu).length).join(" "),
          300_000,
        );
      };
      const silence = async (ends: HostEnds): Promise<void> => {
        await ends.silence();
        for (const cpu of cpus) ends.reader(cpu).take();
      };

      test(
        "holds less than 10 MiB per CPU for one that stops, most of it in large pieces, and passes all on to whoever reads next",
        async () => {
          await fill(24);
          const ends = new HostEnds(guest(), { cpus, paused: true });
          try {
            await ends.ask("hello window", "hello");
            await ends.ask("host 3 ack", "host");
            const from = await positions(ends);
            ends.order(cpus.map((cpu) => `ack ${cpu} ${from[cpu]}\n`).join(""));
            const free = await freeKb(guest());
            await ends.ask("1", "start");
            const least = 8 * MiB;
            const sent = (
              await stuck(
                ends,
                from.map((bytes) => bytes + least),
              )
            ).map((bytes, index) => bytes - (from[index] ?? 0));
            const held = (free - (await freeKb(guest()))) / 1024;
            console.error(
              `a host that acknowledged and stopped: ${sent.map((bytes) => (bytes / MiB).toFixed(1)).join(" and ")} MiB sent, ${held.toFixed(1)} MiB held`,
            );
            // The window, and what lies in the FIFO and in QEMU.
            for (const bytes of sent) {
              expect(bytes).toBeGreaterThan(least);
              expect(bytes).toBeLessThan(12 * MiB);
            }
            expect(held).toBeLessThan(cpus.length * 10 + 8);
            // As with cat: it reads and says nothing.
            for (const cpu of cpus) ends.reader(cpu).resume();
            await ends.ask("0", "stop");
            await ends.silence();
            for (const cpu of cpus) {
              const stream = ends.reader(cpu).take();
              expect(stream.length % layout.sizeBytes).toBe(0);
              expect(countEvents(stream, layout)).toMatchObject({ damaged: 0, lostEvents: 0, unknownLosses: 0 });
              expect(stream.length).toBeGreaterThan(20 * MiB);
            }
          } finally {
            ends.close();
          }
        },
        guestTestTimeoutMs,
      );

      test(
        "holds no more for one whose acknowledgements are beyond what was sent, come by hundreds and lag behind what it takes",
        async () => {
          await fill(24);
          const ends = new HostEnds(guest(), { cpus, paused: true });
          try {
            await ends.ask("hello storm", "hello");
            await ends.ask("host 3 ack", "host");
            const from = await positions(ends);
            const free = await freeKb(guest());
            // Of all that may ever be sent; the second is not read the quick way.
            for (const position of ["999999999999999", `${2 ** 53 - 1}`])
              ends.order(cpus.map((cpu) => `ack ${cpu} ${position}\n`).join(""));
            await ends.ask("1", "start");
            const taken = (cpu: number): number => ends.reader(cpu).length;
            for (let rounds = 0; cpus.some((cpu) => taken(cpu) < 8 * MiB); rounds++) {
              for (const cpu of cpus) if (taken(cpu) < 8 * MiB) ends.reader(cpu).poll(MiB / 4);
              const late = cpus.map((cpu) => `ack ${cpu} ${(from[cpu] ?? 0) + Math.max(0, taken(cpu) - 2 * MiB)}\n`);
              ends.order(late.join("").repeat(rounds % 8 === 0 ? 100 : 1));
              await Bun.sleep(5);
            }
            const bytes = await stuck(
              ends,
              cpus.map((cpu) => (from[cpu] ?? 0) + taken(cpu)),
            );
            const held = (free - (await freeKb(guest()))) / 1024;
            console.error(`a host that acknowledged late, and stopped: ${held.toFixed(1)} MiB held`);
            for (const cpu of cpus) expect((bytes[cpu] ?? 0) - (from[cpu] ?? 0) - taken(cpu)).toBeLessThan(12 * MiB);
            expect(held).toBeLessThan(cpus.length * 10 + 8);
            for (const cpu of cpus) ends.reader(cpu).resume();
            await ends.ask("0", "stop");
            await ends.silence();
            for (const cpu of cpus) {
              const stream = ends.reader(cpu).take();
              expect(countEvents(stream, layout)).toMatchObject({ damaged: 0, lostEvents: 0, unknownLosses: 0 });
              expect(stream.length).toBeGreaterThan(20 * MiB);
            }
          } finally {
            ends.close();
          }
        },
        guestTestTimeoutMs,
      );

      test(
        "is left by a recorder that is killed in the middle, then read by one that acknowledges nothing, then recorded again",
        async () => {
          const { directory } = guest();
          await guest().run(`cd ${tracing}; : >trace; echo 4096 >buffer_size_kb`);
          const output = join(scratch, `killed-${transport}.dat`);
          const recorder = new RecorderProcess(["record", directory, "-o", output]);
          await recorder.recording(output);
          // Not before: a guest without rest takes long to answer.
          const load = await guest().spawn(`trap 'kill $(jobs -p)' EXIT; trap exit TERM; ${writers(1_000_000)} wait`);
          await eventually(() => spooledBytes(output) > 12 * MiB, "more than a window was recorded");
          const free = await freeKb(guest());
          await recorder.killHard();
          let ends = new HostEnds(guest(), { cpus, paused: true });
          try {
            await stuck(ends);
            const held = (free - (await freeKb(guest()))) / 1024;
            console.error(`a killed recorder: ${held.toFixed(1)} MiB held`);
            expect(held).toBeLessThan(cpus.length * 10 + 8);
            try {
              await moves(ends);
            } catch (error) {
              const states = await portStates(guest());
              const text = `${JSON.stringify(states)}\n${JSON.stringify(await ends.ask("status", "status"))}`;
              // src/protocol/README.md says how QEMU comes to leave a port alone, and that another connection wakes it.
              if (!states.some(leftByQemu)) throw new Error(`data do not go on: ${text}`, { cause: error });
              console.error(`QEMU takes nothing more out of a full queue: ${text}`);
              ends.close();
              ends = new HostEnds(guest(), { cpus, paused: true });
              await moves(ends);
            }
            for (const cpu of cpus) ends.reader(cpu).take();
          } finally {
            ends.close();
          }
          await load.kill();
          await load.exitCode();
          const again = join(scratch, `again-${transport}.dat`);
          const next = new RecorderProcess(["record", directory, "-o", again]);
          await next.recording(again);
          await guest().run(`${writers(1)} wait`);
          next.kill("SIGINT");
          const { code, stdout, stderr } = await next.ended();
          expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
          const events = (2 * MiB) / layout.sizeBytes;
          expect(stdout).toMatch(new RegExp(`^all +\\d+ +${events} +0$`, "m"));
          const last = new HostEnds(guest(), { cpus });
          await silence(last);
          last.close();
        },
        guestTestTimeoutMs,
      );
    },
  );
