/**
 * Little memory that may be reserved: the executable starts a runtime that needs little, or says how much it needs. The end that
 * must not be is a crash of the runtime, whatever the limit.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import {
  agentVariables,
  sampleOf,
  smallVariables,
  commandVariables,
  execute,
  localAgentVariables,
  readerVariables,
  reportOf,
  type Sample,
} from "./support/sample.ts";

const path = process.env["PATH"] ?? "";
let sample: Sample;
beforeAll(async () => (sample = await sampleOf()), 300_000);

/** Runs the sample through a shell that sets a limit first. */
function limited(limit: string, ...args: string[]): ReturnType<typeof execute> {
  return execute(["sh", "-c", `${limit}; exec "$@"`, "sh", sample.static, ...args], { env: { PATH: path } });
}

/** `ulimit` counts in KiB. */
const mebibytes = (count: number): string => `${count * 1024}`;

describe("the runtime of the executable", () => {
  test("is a small one as the agent, and as large as it likes for a command of the host", () => {
    const environment = (...args: string[]): unknown => reportOf(execute([sample.static, ...args])).environment;
    expect(environment()).toEqual(agentVariables());
    expect(environment("--option")).toEqual(agentVariables());
    expect(environment("record")).toEqual(commandVariables);
  });

  test("compiles as the runtime does in a recorder that goes on for days", () => {
    const environment = (...args: string[]): unknown => reportOf(execute([sample.static, ...args])).environment;
    for (const option of ["--rotate", "--rotate=1G", "--last", "--config"])
      expect(environment("record", "vm1", option, "x")).toEqual(localAgentVariables);
    expect(environment("status", "--last")).toEqual(commandVariables);
    expect(environment("record", "--rot", "vm1--rotate")).toEqual(commandVariables);
  });

  test("compiles late in a command, later still where it reads a recording, and early as the agent of this machine", () => {
    expect(reportOf(execute([sample.static, "status"])).environment).toEqual(commandVariables);
    expect(reportOf(execute([sample.static, "local-agent"])).environment).toEqual(localAgentVariables);
    for (const command of ["report", "export", "open"]) {
      const { environment } = reportOf(execute([sample.static, command]));
      expect(environment).toEqual(readerVariables);
    }
  });

  test("is a small one for a command too, where the address space is limited", () => {
    const { environment } = reportOf(limited(`ulimit -v ${mebibytes(1024)}`, "record"));
    expect(environment).toMatchObject({ ...smallVariables(), BUN_JSC_jitMemoryReservationSize: `${32 * 2 ** 20}` });
    expect(reportOf(limited(`ulimit -v ${mebibytes(1024)}`, "report")).environment).toMatchObject(readerVariables);
  });

  test("takes less than 350 MiB of address space as the agent, and no thread has a stack of 8 MiB", () => {
    const { status, maps } = reportOf(execute([sample.static]));
    expect(Number(/VmSize:\s*(\d+)/.exec(status)?.[1]) / 1024).toBeLessThan(350);
    const sizes = maps.split("\n").flatMap((line) => {
      const [, from = "0", to = "0", rights] = /^([\da-f]+)-([\da-f]+) (\S+)/.exec(line) ?? [];
      return rights === "rw-p" ? [(Number.parseInt(to, 16) - Number.parseInt(from, 16)) / 2 ** 20] : [];
    });
    // A heap of 64 MiB of glibc's may lie beside a stack, and both are shown as one.
    expect(sizes.filter((size) => size % 64 > 4.5)).toEqual([]);
  });

  test("gives back the caller's limit of the stack", () => {
    expect(reportOf(limited("ulimit -S -s 4096")).limits).toMatch(/^Max stack size +4194304 /m);
    expect(reportOf(limited("ulimit -S -s 512")).limits).toMatch(/^Max stack size +524288 /m);
  });
});

describe("too little memory", () => {
  test("of address space is told with the limit and what is needed, for any limit; above it all works", () => {
    let worked = 0;
    for (let limit = 140; limit <= 560; limit += 20) {
      const outcome = limited(`ulimit -v ${mebibytes(limit)}`);
      if (outcome.exitCode === 0) {
        worked++;
        reportOf(outcome);
        continue;
      }
      expect(worked).toBe(0);
      expect(outcome.stderr).toMatch(
        new RegExp(
          `^trace-agent: cannot start: its address space is limited to ${limit} MiB, \\d+ MiB are needed; ` +
            "raise the limit \\(ulimit -v, LimitAS= of a service\\)\n$",
        ),
      );
      expect(outcome.exitCode).toBe(69);
    }
    expect(worked).toBeGreaterThan(0);
  });

  test("of data is told likewise", () => {
    const { stderr, exitCode } = limited(`ulimit -d ${mebibytes(100)}`);
    expect(stderr).toMatch(
      /^trace-agent: cannot start: its data are limited to 100 MiB, \d+ MiB are needed; raise the limit \(ulimit -d/,
    );
    expect(exitCode).toBe(69);
  });

  test("of the stack is told, and what is told to be enough is", () => {
    // Not less: the kernel moves the stack of a new process by up to 8 KiB, at random, and kills it where that is the limit.
    for (const kib of [32, 128, 255]) {
      const { stderr, exitCode } = limited(`ulimit -s ${kib}`);
      expect({ stderr, exitCode }).toEqual({
        stderr:
          "trace-agent: cannot start: the stack is limited to less than 256 KiB; " +
          "raise the limit (ulimit -s, LimitSTACK= of a service)\n",
        exitCode: 69,
      });
    }
    expect(limited("ulimit -s 256").exitCode).toBe(0);
  });
});

test("too few descriptors are told", () => {
  for (const [limit, call] of [
    [3, "cannot open /proc/self/exe"],
    [6, "memfd_create"],
    [9, "cannot load libraries"],
  ] as const) {
    const { stderr, exitCode } = limited(`ulimit -n ${limit}`);
    expect({ stderr, exitCode }).toEqual({
      stderr: `trace-agent: cannot start: ${call}: EMFILE(24); raise the limit on open files (ulimit -n, LimitNOFILE= of a service)\n`,
      exitCode: 69,
    });
  }
  expect(limited("ulimit -n 32").exitCode).toBe(0);
});

/** prctl(2): PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN (Linux 6.3), as MemoryDenyWriteExecute= of newer systemd has it. */
const prctl = process.arch === "arm64" ? 167 : 157;
const denying = ["perl", "-e", `syscall(${prctl}, 65, 1, 0, 0, 0) == 0 or exit 42; exec @ARGV`];
const canDeny = Bun.which("perl") !== null && Bun.spawnSync([...denying, "true"]).exitCode === 0;
if (!canDeny) console.log("skipped: memory that may not be writable and executable: needs perl and Linux 6.3");

test.skipIf(!canDeny)("a system that denies writable and executable memory is told what needs it", () => {
  const { stderr, exitCode } = execute([...denying, sample.static], { env: { PATH: path } });
  expect(stderr).toBe(
    "trace-agent: cannot start: memory that is writable and executable is not allowed: EACCES(13); " +
      "the runtime's compiler needs it (MemoryDenyWriteExecute=no in a service; SELinux: execmem)\n",
  );
  expect(exitCode).toBe(69);
});

test("the kernel's own numbers are those that the entry code reads", () => {
  expect(readFileSync("/proc/meminfo", "latin1")).toMatch(/^CommitLimit: +\d+ kB\nCommitted_AS: +\d+ kB$/m);
});
