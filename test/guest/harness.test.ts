/** The harness itself, in each kernel: commands, files, background processes, ports. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { controlPortName, dataPortName } from "../../src/protocol/ports.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import { HostEnds } from "../support/host-ends.ts";
import { markerProgram } from "../support/marker-program.ts";
import type { KernelName } from "../support/kernel.ts";
import type { Transport } from "../support/qemu.ts";

const forms: [KernelName, Transport][] = [
  ["6.12", "fifo"],
  ["6.1", "socket"],
];

for (const [kernel, transport] of forms) {
  const options = { kernel, transport, cpus: 1, files: { "/bin/markers": markerProgram() } };
  await describeWithGuest(`a guest with kernel ${kernel} and ${transport} ports`, options, (guest) => {
    let ends: HostEnds;
    beforeAll(() => {
      ends = new HostEnds(guest(), { cpus: [0] });
    });
    afterAll(() => ends?.close());

    test(
      "runs commands side by side and tells their output and exit code",
      async () => {
        const [slow, quick] = await Promise.all([
          guest().run("sleep 1; echo slow; echo words >&2; exit 3", { mayFail: true }),
          guest().run("uname -r; printf '\\001\\377'"),
        ]);
        expect(slow).toMatchObject({ code: 3, stdout: "slow\n", stderr: "words\n" });
        expect(quick.stdoutBytes.toString("latin1")).toBe(`${guest().kernel.release}\n\u0001\u00ff`);
      },
      guestTestTimeoutMs,
    );

    test(
      "takes a long command whole, though others end while its line comes",
      async () => {
        const others = Array.from({ length: 10 }, (_, index) => guest().run(`usleep ${(index + 1) * 100_000}`));
        const { stdout } = await guest().run(`: ${"x".repeat(10_000)}\necho whole`);
        expect(stdout).toBe("whole\n");
        await Promise.all(others);
      },
      guestTestTimeoutMs,
    );

    test(
      "kills a command that takes too long",
      async () => {
        const { code } = await guest().run("sleep 100", { timeoutMs: 1000, mayFail: true });
        expect(code).toBe(137);
      },
      guestTestTimeoutMs,
    );

    test(
      "gives back the file that was pushed",
      async () => {
        const bytes = Buffer.from(Array.from({ length: 30_000 }, (_, index) => (index * 7) & 255));
        await guest().push(bytes, "/tmp/some folder/file", 0o640);
        expect(await guest().text("stat -c %a '/tmp/some folder/file'")).toBe("640");
        expect((await guest().pull("/tmp/some folder/file")).equals(bytes)).toBe(true);
      },
      guestTestTimeoutMs,
    );

    test(
      "runs a program in the background until it is killed",
      async () => {
        const sleeper = await guest().spawn("echo begun >&2; exec sleep 1000");
        await sleeper.says("begun");
        expect(await sleeper.isAlive()).toBe(true);
        expect(await guest().text(`cat /proc/${sleeper.pid}/comm`)).toBe("sleep");
        await sleeper.kill();
        expect(await sleeper.exitCode()).toBe(128 + 15);
      },
      guestTestTimeoutMs,
    );

    test(
      "carries bytes over its ports both ways",
      async () => {
        const port = (name: string): string =>
          `/dev/$(basename $(dirname $(grep -lx ${name} /sys/class/virtio-ports/*/name)))`;
        ends.order("hello\n");
        expect(await guest().text(`head -n 1 ${port(controlPortName)}`)).toBe("hello");
        await guest().run(`head -c 300000 /dev/zero | tr '\\0' x >${port(dataPortName(0))}`);
        await ends.silence();
        expect(ends.reader(0).take().toString()).toBe("x".repeat(300_000));
      },
      guestTestTimeoutMs,
    );

    test(
      "writes markers",
      async () => {
        await guest().run("markers /sys/kernel/tracing/trace_marker 0 5 3");
        const lines = await guest().text("grep -o 'MARK.*' /sys/kernel/tracing/trace");
        expect(lines.split("\n")).toEqual(["MARK 0 5", "MARK 0 6", "MARK 0 7"]);
      },
      guestTestTimeoutMs,
    );

    test(
      "writes markers at a rate, and goes on when the ring buffer, which was off, takes them again",
      async () => {
        await guest().run(
          `cd /sys/kernel/tracing; echo 0 >tracing_on; echo >trace
           markers trace_marker 0 8 3 1000 & usleep 100000; echo 1 >tracing_on; wait $!`,
        );
        const lines = await guest().text("grep -o 'MARK.*' /sys/kernel/tracing/trace");
        expect(lines.split("\n")).toEqual(["MARK 0 8", "MARK 0 9", "MARK 0 10"]);
      },
      guestTestTimeoutMs,
    );
  });
}
