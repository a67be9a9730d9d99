/** The executable on a CPU that is too old for the Bun runtime: words instead of a crash. */
import { expect, test } from "bun:test";
import { executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";

await describeWithGuest(
  "on a CPU without SSE4.2",
  { kernel: "6.12", cpus: 1, cpuModel: "core2duo", files: { "/trace-agent": executable } },
  (guest) => {
    test(
      "trace-agent says which feature is missing and how to give it to a guest",
      async () => {
        const { code, stdout, stderr } = await guest().run("/trace-agent --version", { mayFail: true });
        expect(stderr).toBe(
          "trace-agent: cannot start: this CPU has no SSE4.2; " +
            "the Bun runtime needs it: give the guest a newer CPU (QEMU: -cpu max or -cpu host)\n",
        );
        expect(stdout).toBe("");
        expect(code).toBe(69);
      },
      guestTestTimeoutMs,
    );
  },
);
