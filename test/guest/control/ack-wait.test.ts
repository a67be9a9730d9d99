/** The control worker's wait: acknowledgements are taken in it, all else ends it. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeFd, O, writeFrom } from "../../../ffi/fd.ts";
import { makePipe, type Pipe } from "../../../ffi/pipe.ts";
import { POLL, PollSet } from "../../../ffi/poll.ts";
import { AckWait } from "../../../src/guest/control/ack-wait.ts";
import { OrderIntake } from "../../../src/guest/control/order-intake.ts";

const otherSlot = 0;
const portSlot = 1;

let port: Pipe;
let other: Pipe;
let acks: [number, number][];
let bytes: Uint8Array<ArrayBuffer>;
let intake: OrderIntake;
let waits: AckWait;

beforeEach(() => {
  port = makePipe(O.NONBLOCK);
  other = makePipe(O.NONBLOCK);
  const poll = new PollSet(2);
  poll.set(otherSlot, other.read, POLL.IN);
  poll.set(portSlot, port.read, POLL.IN);
  acks = [];
  bytes = new Uint8Array(new ArrayBuffer(4096));
  intake = new OrderIntake();
  const acknowledge = (cpu: number, position: number): void => void acks.push([cpu, position]);
  waits = new AckWait({ poll, fd: port.read, slot: portSlot, bytes, intake, acknowledge });
});

afterEach(() => {
  for (const { read, write } of [port, other]) for (const fd of [read, write]) if (fd >= 0) closeFd(fd);
});

function send(pipe: Pipe, text: string): void {
  const buffer = new Uint8Array(new ArrayBuffer(text.length));
  buffer.set(Buffer.from(text));
  writeFrom(pipe.write, buffer);
}

test("takes acknowledgements and goes on waiting until its time is over", () => {
  send(port, "ack 0 4096\nack 1 8192\n");
  expect([waits.wait(20, true), waits.hasRead, waits.tookAcks]).toEqual([0, false, true]);
  expect(acks).toEqual([
    [0, 4096],
    [1, 8192],
  ]);
  expect([waits.wait(0, true), waits.hasRead, waits.tookAcks]).toEqual([0, false, false]);
});

test.each(["1", "status\n", "ack 0 4096\nstatus\n", "ack 0 40"])(
  "is ended by %j, which the caller is given",
  (text) => {
    send(port, text);
    expect([waits.wait(-1, true), waits.hasRead]).toEqual([1, true]);
    expect(Buffer.from(bytes.subarray(waits.behindAcks, waits.count)).toString()).toBe(
      text.replace("ack 0 4096\n", ""),
    );
  },
);

test("leaves what looks like an acknowledgement behind half an order to who decodes it", () => {
  intake.take(Buffer.from("set filter sched:"));
  send(port, "ack 0 4096\n");
  expect([waits.wait(-1, true), waits.behindAcks, waits.count, acks]).toEqual([1, 0, 11, []]);
});

test("tells of the end of the port", () => {
  closeFd(port.write);
  port = { ...port, write: -1 };
  expect(waits.wait(-1, true)).toBe(1);
  // POLLHUP: the caller reads.
  expect(waits.hasRead).toBe(false);
});

test("reads nothing where something else is ready too, or the port is not to be read", () => {
  send(port, "ack 0 4096\n");
  expect([waits.wait(-1, false), waits.hasRead, acks]).toEqual([1, false, []]);
  send(other, "x");
  expect([waits.wait(-1, true), waits.hasRead, acks]).toEqual([2, false, []]);
});
