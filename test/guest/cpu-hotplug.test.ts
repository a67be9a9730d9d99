/** A CPU that the guest was not born with: QEMU adds it, and it gets a worker, because its port is there. */
import { expect, test } from "bun:test";
import { executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import { becomes } from "../support/guest-measures.ts";
import { HostEnds } from "../support/host-ends.ts";
import { markerProgram } from "../support/marker-program.ts";
import { findMarkers } from "../support/markers.ts";

const files = { "/bin/trace-agent": executable, "/bin/markers": markerProgram() };
const ports = ["agent-ctl-path", "trace-path-cpu0", "trace-path-cpu1", "trace-path-cpu2"];

await describeWithGuest(
  "a 6.1 guest that is given a CPU",
  { kernel: "6.1", cpus: 1, maxCpus: 2, memoryMb: 640, files, ports },
  (guest) => {
    test(
      "has it traced, with more ports than CPUs before and after",
      async () => {
        const agent = await guest().spawn("exec trace-agent");
        await agent.says("armed: CPUs 0 ");
        using ends = new HostEnds(guest(), { cpus: [0, 1, 2] });
        await ends.ask("hello x", "hello");
        const slots = (await guest().qmp.execute("query-hotpluggable-cpus")) as {
          type: string;
          props: Record<string, number>;
          "qom-path"?: string;
        }[];
        const free = slots.find((slot) => slot["qom-path"] === undefined);
        if (free === undefined) throw new Error(`QEMU has no free CPU slot: ${JSON.stringify(slots)}`);
        await guest().qmp.execute("device_add", { driver: free.type, id: "added", ...free.props });
        const online = "/sys/devices/system/cpu/cpu1/online";
        await guest().run(
          `until [ -e ${online} ]; do usleep 100000; done; [ "$(cat ${online})" = 1 ] || echo 1 >${online}`,
        );
        // A ring buffer that was never used holds a few kB only.
        await guest().run("echo 1408 >/sys/kernel/tracing/buffer_size_kb");
        await ends.ask("1", "start");
        await becomes(ends, 1, { state: "running", port: "open" });
        await guest().run("markers /sys/kernel/tracing/trace_marker 1 0 1000");
        await ends.ask("0", "stop");
        await ends.silence();
        expect(findMarkers(ends.reader(1).take(), 1)).toEqual(Array.from({ length: 1000 }, (_, index) => index));
        expect((await ends.ask("status", "status"))["cpus"]).toMatchObject([
          { cpu: 0, state: "armed" },
          { cpu: 1, state: "armed", port: "open" },
        ]);
      },
      guestTestTimeoutMs,
    );
  },
);
