/** Recordings that are not what the guest's kernel recorded, or are not known to be: told, and in the exit code. */
import { afterAll, afterEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { eventually, executable } from "../../support/agent-process.ts";
import { expectedFills, FakeGuests, fillsIn } from "../../support/fake-guest.ts";
import { interruptWriting } from "../../support/interrupt-writing.ts";
import { makeRawSpool } from "../../support/raw-spool.ts";
import { RecorderProcess, traceAgent } from "../../support/recorder-process.ts";
import { subBuffer, subBufferBytes } from "../../support/sub-buffers.ts";

const base = mkdtempSync(`${tmpdir()}/ta-incomplete-`);
const guests = new FakeGuests(base);
afterEach(() => guests.end());
afterAll(() => rmSync(base, { recursive: true }));

test("record keeps what came beyond the total of the guest's stop reply, and says so", async () => {
  const { directory, output } = await guests.start("fifo", { subBuffers: 10, swallowed: -2, time: true });
  const { code, stderr } = await traceAgent("record", directory, "-d", "0.2", "-o", output);
  expect(stderr).toContain(
    "the recording is incomplete: CPU 0: 8192 bytes more came than the guest tells of; they are",
  );
  expect(code).toBe(74);
  expect(fillsIn(output, 2, 10)).toEqual(expectedFills(2, 10));
  expect(existsSync(`${output}.spool`)).toBe(false);
}, 300_000);

test("record leaves out what may be of an earlier session where the guest tells no time, says so, and keeps the spool", async () => {
  const { directory, output } = await guests.start("fifo", { subBuffers: 10, late: 3 });
  const { code, stderr } = await traceAgent("record", directory, "-d", "0.2", "-o", output);
  expect(stderr).toContain("CPU 0: 12288 bytes more came than the guest tells of; left out are those that came first");
  expect(stderr).toContain(`kept ${output}.spool, which holds more than the file`);
  expect(code).toBe(74);
  expect(fillsIn(output, 2, 10)).toEqual(expectedFills(2, 10));
  // As the recorder did.
  expect((await traceAgent("recover", `${output}.spool`, "-o", `${output}.again`)).code).toBe(74);
  rmSync(`${output}.spool`, { recursive: true });
}, 300_000);

test("record of sub-buffers that cannot be read ends with 74, as stream does, and recover of them with 65", async () => {
  const { directory, output } = await guests.start("fifo", { subBuffers: 10, damaged: true });
  const { code, stderr } = await traceAgent("record", directory, "-d", "0.2", "-o", output);
  expect(stderr).toContain("the recording is damaged: 2 sub-buffers cannot be read to the end");
  expect(code).toBe(74);
  const stream = await traceAgent("stream", directory, "-d", "0.2");
  expect(stream.stderr).toContain(
    "the stream is incomplete: CPU 0: 1 sub-buffer could not be read to the end; CPU 1: 1",
  );
  expect(stream.code).toBe(74);

  const spool = `${base}/damaged.spool`;
  mkdirSync(spool);
  writeFileSync(
    `${spool}/cpu0`,
    Buffer.concat([...Array.from({ length: 8 }, () => subBuffer(5)), Buffer.alloc(4096, 0xff)]),
  );
  const recovered = await traceAgent("recover", spool, "-o", output);
  expect(recovered.stderr).toContain(`"${spool}" is damaged: 1 sub-buffer cannot be read to the end`);
  expect(recovered.code).toBe(65);
}, 300_000);

test("a stream that ends within a sub-buffer is told of, and ends record, stream and top with 74", async () => {
  const { directory, output } = await guests.start("fifo", { subBuffers: 3, partBytes: 100, time: true });
  const part = (cpu: number, fate: string): string =>
    `CPU ${cpu}: the stream ends with 100 bytes of a sub-buffer, ${fate}`;
  const recorded = await traceAgent("record", directory, "-d", "0.2", "-o", output);
  expect(recorded.stderr).toContain(`damaged: ${part(0, "left out")}; ${part(1, "left out")}`);
  expect(recorded.code).toBe(74);
  for (const command of ["stream", "top"]) {
    const { code, stderr } = await traceAgent(command, directory, "-d", "0.2");
    expect(stderr).toContain(`incomplete: ${part(0, "not shown")}; ${part(1, "not shown")}`);
    expect(code).toBe(74);
  }
}, 300_000);

test("a recorder that was killed leaves a spool of which recover says that nobody knows whether it is all", async () => {
  const { directory, output } = await guests.start("fifo", { subBuffers: 10, time: true });
  const recorder = new RecorderProcess(["record", directory, "-o", output]);
  await recorder.recording(output);
  await eventually(
    () => [0, 1].every((cpu) => statSync(`${output}.spool/cpu${cpu}`).size === 10 * subBufferBytes),
    "all came",
  );
  recorder.kill("SIGKILL");
  await recorder.ended();
  const { code, stderr } = await traceAgent("recover", `${output}.spool`, "-o", output);
  expect(stderr).toContain(
    "the recording ended early: its recorder was killed, or its disk was full; whether all events up to then are",
  );
  expect(code).toBe(74);
  expect(fillsIn(output, 2, 10)).toEqual(expectedFills(2, 10));
  rmSync(`${output}.spool`, { recursive: true });
}, 300_000);

test("recover of what is damaged and ended early says both, and ends with 65", async () => {
  const { directory, output } = await guests.start("fifo", { subBuffers: 10, damaged: true, time: true });
  const recorder = new RecorderProcess(["record", directory, "-o", output]);
  await recorder.recording(output);
  await eventually(
    () => [0, 1].every((cpu) => statSync(`${output}.spool/cpu${cpu}`).size === 11 * subBufferBytes),
    "all came",
  );
  recorder.kill("SIGKILL");
  await recorder.ended();
  const { code, stderr } = await traceAgent("recover", `${output}.spool`, "-o", output);
  expect(stderr).toContain("warning: the recording ended early: its recorder was killed");
  expect(stderr).toContain("is damaged: 2 sub-buffers cannot be read to the end");
  expect(code).toBe(65);
  rmSync(`${output}.spool`, { recursive: true });
}, 300_000);

test("what came beyond -m is known, and is no loss", async () => {
  const spool = `${base}/beyond.spool`;
  const { metadata } = makeRawSpool(spool, 2, 1);
  const streams = (bytes: number): object[] => [{ cpu: 0, bytes, lostBytes: 0 }];
  const stop = { reply: "stop", state: "armed", streams: streams(3 * subBufferBytes) };
  const recover = async (end: object): Promise<{ code: number; stderr: string }> => {
    writeFileSync(`${spool}/end.json`, JSON.stringify({ reason: "", stop, ...end }));
    return await traceAgent("recover", spool, "--metadata", metadata, "-o", `${base}/beyond.dat`);
  };
  const lost = await recover({});
  expect(lost).toMatchObject({ code: 74, stderr: expect.stringContaining("CPU 0: 4096 bytes were lost on their way") });
  const { code, stderr } = await recover({ beyondSize: [{ cpu: 0, bytes: subBufferBytes }] });
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
}, 300_000);

test("recover says why a recording ended early whose file its recorder could not make", async () => {
  const spool = `${base}/early.spool`;
  const { metadata } = makeRawSpool(spool);
  writeFileSync(`${spool}/end.json`, JSON.stringify({ reason: "the VM has ended" }));
  const { code, stderr } = await traceAgent("recover", spool, "--metadata", metadata, "-o", `${base}/early.dat`);
  expect(stderr).toContain("the recording ended early: the VM has ended");
  expect(code).toBe(74);
}, 300_000);

test("a file whose writing is interrupted says what stays, and what makes the file", async () => {
  const path = `${base}/interrupted`;
  mkdirSync(path);
  makeRawSpool(`${path}/raw.spool`, 4_000);
  const names = readdirSync(path, { recursive: true });
  const recover = [
    executable,
    "recover",
    "raw.spool",
    "--metadata",
    "raw.spool.metadata",
    "--format",
    "v7",
    "-o",
    "out",
  ];
  const end = await interruptWriting(path, recover, "SIGINT", () => rmSync(`${path}/out`, { force: true }));
  expect(end).toEqual({
    code: 74,
    signal: null,
    stderr:
      'trace-agent: error: interrupted while writing "out"; what was received is kept in raw.spool; give the same command again\n',
  });
  expect(readdirSync(path, { recursive: true })).toEqual(names);
});
