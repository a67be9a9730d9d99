/** `report` of a long recording, ended by a signal: it is heard, and what was made by then is written. */
import { afterAll, expect, test } from "bun:test";
import {
  closeSync,
  constants as flags,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { makeFifo } from "../../../ffi/pipe.ts";
import { executable, eventually } from "../../support/agent-process.ts";
import { eventData, packedSections, page } from "../../support/hostile-files.ts";
import { joinTraceDat } from "../../support/trace-dat-sections.ts";

const directory = mkdtempSync(join(tmpdir(), "trace-agent-signals-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** So many events that no machine shows, or even passes over, them all within the time limits below. */
const path = join(directory, "long.dat");
const events = Array.from({ length: 200 }, () => eventData(5, 1));
const chunk = Buffer.concat(
  Array.from({ length: 64 }, (_, index) => page(1_000_000_000n + BigInt(index * 300_000), events)),
);
writeFileSync(
  path,
  joinTraceDat({ sections: packedSections({}), options: [] }, [
    { cpu: 0, chunks: Array.from({ length: 10_000 }, () => chunk) },
  ]),
);

/** Whether the process has a handler for the signal (the masks of proc(5)). */
function handles(pid: number, signal: keyof typeof constants.signals): boolean {
  const [, caught = "0"] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
  return ((BigInt(`0x${caught}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
}

/** Whether a FIFO, opened for writing without waiting, takes not one byte more. */
function isFull(fd: number): boolean {
  try {
    return writeSync(fd, "x") === 0;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EAGAIN";
  }
}

const ended = "ended by SIG";

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s ends it with 0 after whole lines",
  async (signal) => {
    const output = join(directory, signal);
    const child = Bun.spawn([executable, "report", path], {
      stdin: "ignore",
      stdout: Bun.file(output),
      stderr: "pipe",
    });
    await eventually(
      () => Bun.file(output).size > 1_000_000,
      "it writes",
      () => "",
      300_000,
    );
    child.kill(signal);
    const stderr = await new Response(child.stderr).text();
    expect({ code: await child.exited, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining(`${ended}${signal.slice(3)}`),
    });
    const text = readFileSync(output, "latin1");
    expect(text.endsWith(" 0\n")).toBe(true);
  },
  300_000,
);

test("signals are handled while the reader takes nothing, and while nothing is shown", async () => {
  const fifo = join(directory, "reader");
  makeFifo(fifo, 0o600);
  const reader = openSync(fifo, flags.O_RDONLY | flags.O_NONBLOCK);
  const writer = openSync(fifo, flags.O_WRONLY);
  const full = openSync(fifo, flags.O_WRONLY | flags.O_NONBLOCK);
  try {
    for (const selection of [[], ["--pid", "77"]]) {
      const child = Bun.spawn([executable, "report", ...selection, path], {
        stdin: "ignore",
        stdout: writer,
        stderr: "pipe",
      });
      // With a selection that nothing fits, it reads; without, it has filled the FIFO and waits.
      await eventually(
        () => handles(child.pid, "SIGTERM") && (selection.length > 0 || isFull(full)),
        "it is at work",
        () => "",
        300_000,
      );
      expect(child.exitCode).toBeNull();
      child.kill("SIGTERM");
      const stderr = await new Response(child.stderr).text();
      expect({ code: await child.exited, stderr }).toEqual({ code: 0, stderr: expect.stringContaining(ended) });
    }
  } finally {
    for (const fd of [reader, writer, full]) closeSync(fd);
  }
}, 300_000);
