/** An idle machine records itself with all its events: what the recorder itself causes must not be what it records. */
import { expect, test } from "bun:test";
import { executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import { inLongForm, isLong } from "../support/long.ts";

const seconds = inLongForm(3, 10);
const files = { "/bin/trace-agent": executable };

await describeWithGuest("an idle machine", { kernel: "6.12", cpus: 2, memoryMb: 1024, files }, (guest) => {
  test(
    `writes less than 1 MB a second with -e all${isLong ? ", and more with --no-filter" : ""}`,
    async () => {
      const record = async (...options: string[]): Promise<number> => {
        const command = `trace-agent record --local -e all -b 16384 -d ${seconds} ${options.join(" ")} -o /tmp/idle.dat`;
        const { stdout } = await guest().run(`${command} 2>&1; rm -f /tmp/idle.dat`);
        const bytes = Number(/^all +(\d+)/m.exec(stdout)?.[1]);
        if (!(bytes > 0)) throw new Error(`${command}: ${stdout}`);
        return bytes / seconds;
      };
      const filtered = await record();
      console.log(`idle: ${Math.round(filtered)} bytes a second`);
      expect(filtered).toBeLessThan(1_000_000);
      // Most of it is what an emulated guest needs to enable and disable 2000 events.
      if (isLong) expect(await record("--no-filter")).toBeGreaterThan(filtered);
    },
    guestTestTimeoutMs,
  );
});
