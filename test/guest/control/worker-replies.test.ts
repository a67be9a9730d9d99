import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import { ClockReading, clockNames } from "../../../ffi/clocks.ts";
import { closeFd, readInto, setNonBlocking, writeFrom } from "../../../ffi/fd.ts";
import { makePipe, type Pipe, setPipeSize } from "../../../ffi/pipe.ts";
import { WorkerReplies } from "../../../src/guest/control/worker-replies.ts";
import { PortLock, PortUser } from "../../../src/guest/control/port-lock.ts";
import { RunState } from "../../../src/guest/transfer/run-state.ts";
import { guestLimits } from "../../../src/guest/limits.ts";
import type { ClockReply } from "../../../src/protocol/replies.ts";
import { parseReply } from "../../../src/protocol/replies.ts";

let pipe: Pipe;
let main: PortLock;
let answers: WorkerReplies;

beforeEach(() => {
  pipe = makePipe();
  for (const fd of [pipe.read, pipe.write]) setNonBlocking(fd, true);
  const { words } = new RunState(1);
  main = new PortLock(words, PortUser.main);
  answers = new WorkerReplies(new PortLock(words, PortUser.controlWorker), pipe.write);
});
afterEach(() => {
  closeFd(pipe.read);
  closeFd(pipe.write);
});

function received(): string {
  const bytes = new Uint8Array(new ArrayBuffer(1024 * 1024));
  const count = readInto(pipe.read, bytes);
  return count > 0 ? Buffer.from(bytes.subarray(0, count)).toString("latin1") : "";
}

function replyIn(text: string): ClockReply {
  const reply = parseReply(text.trim());
  if (reply?.reply !== "clock") throw new Error(`no clock reply: ${text}`);
  return reply;
}

function fill(): void {
  setPipeSize(pipe.write, 4096);
  const bytes = new Uint8Array(new ArrayBuffer(4096)).fill(0x20);
  while (writeFrom(pipe.write, bytes) > 0);
}

test("an answer tells each clock between the time before the order and the time after the answer", () => {
  const [before, after] = [new ClockReading(), new ClockReading()];
  before.take();
  answers.stampRead();
  answers.answer("n1");
  const { nonce, read, sent } = replyIn(received());
  after.take();
  expect(nonce).toBe("n1");
  for (const name of clockNames) {
    const times = [before.at(name), BigInt(read[name]), BigInt(sent[name]), after.at(name)];
    expect(times).toEqual(times.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
  }
  expect(read.tsc === undefined).toBe(process.arch !== "x64");
  if (read.tsc !== undefined) expect(BigInt(sent.tsc ?? 0)).toBeGreaterThan(BigInt(read.tsc));
});

test("an answer waits while main holds the port, is the next, and is stamped when it is sent", () => {
  expect(main.take()).toBe(true);
  answers.stampRead();
  answers.answer("n1");
  expect(received()).toBe("");
  expect(answers.needsRoom).toBe(false);
  expect(answers.waitMs).toBeGreaterThan(0);
  main.give();
  // Main does not overtake what waits.
  expect(main.take()).toBe(false);
  const now = new ClockReading();
  now.take();
  answers.send();
  expect(BigInt(replyIn(received()).sent.mono_raw)).toBeGreaterThanOrEqual(now.at("mono_raw"));
  expect(answers.waitMs).toBe(-1);
  expect(main.take()).toBe(true);
});

test("an answer waits for room without the lock, and one that finds none for long is dropped", () => {
  fill();
  answers.stampRead();
  answers.answer("n1");
  expect(answers.needsRoom).toBe(true);
  expect(main.take()).toBe(true);
  main.give();
  received();
  answers.send();
  expect(replyIn(received()).nonce).toBe("n1");
  fill();
  answers.answer("n2");
  const later = spyOn(performance, "now").mockReturnValue(performance.now() + guestLimits.replyGiveUpMs + 1);
  answers.send();
  later.mockRestore();
  expect(answers.waiting).toBe(false);
  expect(main.take()).toBe(true);
});

test("a flood of orders that nobody reads the answers of is bounded", () => {
  fill();
  answers.stampRead();
  for (let order = 0; order < 10_000; order++) answers.answer(`n${order}`);
  received();
  answers.send();
  const lines = received().trim().split("\n");
  expect(lines.length).toBe(guestLimits.clockAnswersWaiting);
  expect(replyIn(lines[0] ?? "").nonce).toBe("n0");
});

test("newlines that main left due come before an answer", () => {
  main.take();
  main.newlinesDue = 3;
  main.give();
  answers.stampRead();
  answers.answer("n1");
  expect(received()).toStartWith('\n\n\n{"reply":"clock"');
});

test("without a way back nothing is answered", () => {
  const { words } = new RunState(1);
  const none = new WorkerReplies(new PortLock(words, PortUser.controlWorker), -1);
  none.stampRead();
  none.answer("n1");
  expect(none.waiting).toBe(false);
});

test("progress waits for nobody: a line on its way, and a lock that main has, are signs enough", () => {
  answers.progress("set");
  expect(received()).toBe('{"reply":"progress","word":"set"}\n');
  expect(main.take()).toBe(true);
  answers.progress("set");
  main.give();
  expect(received()).toBe("");
  main.newlinesDue = 1;
  answers.progress("restore");
  expect(received()).toBe('\n{"reply":"progress","word":"restore"}\n');
  expect(main.take()).toBe(true);
});

test("progress that the port takes in part is completed, and is no answer to a clock order", () => {
  fill();
  answers.answer("n1");
  answers.progress("set");
  received();
  answers.send();
  const text = received();
  expect(text).not.toContain("progress");
  expect(replyIn(text).nonce).toBe("n1");
});
