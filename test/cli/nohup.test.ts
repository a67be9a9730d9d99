/** SIGHUP that was ignored at the start stays ignored, in every command that listens for the signals that end it. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { eventually, executable } from "../support/agent-process.ts";
import { AgentFixture } from "../support/agent-fixture.ts";
import { whyNoPerfettoPort, withPerfettoPort } from "../support/perfetto-port.ts";
import { testUnless } from "../support/test-unless.ts";

/** Runs of the executable take long on a loaded machine. */
setDefaultTimeout(300_000);

const fixture = new AgentFixture("nohup");
const base = mkdtempSync(`${tmpdir()}/ta-nohup-`);
afterAll(() => rmSync(base, { recursive: true }));
writeFileSync(`${base}/x.pftrace`, "\n");

/** Bits of the masks in /proc/PID/status: signal N is bit N - 1. */
const bits = { SIGHUP: 1n, SIGTERM: 1n << 14n } as const;

function mask(pid: number, name: "SigIgn" | "SigCgt"): bigint {
  const digits = new RegExp(`^${name}:\\s*([0-9a-f]+)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return BigInt(`0x${digits ?? "0"}`);
}

const commands: Record<string, string[]> = {
  "the agent": [],
  record: ["record", "--local", "-e", "sched_switch", "-o", `${base}/out.dat`],
  stream: ["stream", "--local", "-e", "sched_switch"],
  top: ["top", "--local"],
  open: ["open", `${base}/x.pftrace`],
};

const noPort = await whyNoPerfettoPort();
const ways: [string, string, boolean][] = [
  ["under nohup", "trap '' HUP; ", true],
  ["without it", "", false],
];

describe.skipIf(fixture.skipReason !== undefined).each(Object.keys(commands))("%s", (name) => {
  for (const [way, prefix, ignored] of ways) {
    const ends = async (): Promise<void> => {
      const args =
        name === "the agent"
          ? ["--ports", fixture.makePorts().path, "--instance", fixture.tracefs.name]
          : commands[name];
      const child = Bun.spawn(["sh", "-c", `${prefix}exec "$@"`, "sh", executable, ...(args ?? [])], {
        stdin: "ignore",
        stdout: "ignore",
        stderr: Bun.file(`${base}/words`),
      });
      try {
        // One handler comes after the other.
        const heard = ignored ? bits.SIGTERM : bits.SIGTERM | bits.SIGHUP;
        const listens = (): boolean => child.exitCode !== null || (mask(child.pid, "SigCgt") & heard) === heard;
        await eventually(listens, `${name} listens for its signals`, () => readFileSync(`${base}/words`, "utf8"));
        expect(child.exitCode).toBeNull();
        expect((mask(child.pid, "SigIgn") & bits.SIGHUP) !== 0n).toBe(ignored);
        child.kill("SIGHUP");
        if (ignored) child.kill("SIGTERM");
        await child.exited;
        expect(child.signalCode).toBeNull();
      } finally {
        child.kill("SIGKILL");
        await child.exited;
      }
    };
    if (name === "open") testUnless(noPort, way, () => withPerfettoPort(ends));
    else test(way, ends);
  }
});
