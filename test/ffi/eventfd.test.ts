/** Memory that a system call is given by address must live as long as the address is used. */
import { expect, test } from "bun:test";
import { clearEventFd, makeEventFd, signalEventFd } from "../../ffi/eventfd.ts";
import { closeFd, readInto } from "../../ffi/fd.ts";

test("signalEventFd() adds 1 and clearEventFd() takes it, however often the collector ran", () => {
  const fd = makeEventFd();
  const others: Float64Array[] = [];
  for (let round = 0; round < 20; round++) {
    Bun.gc(true);
    for (let count = 0; count < 1000; count++) others.push(new Float64Array(new ArrayBuffer(8)).fill(0.5));
  }
  const value = new BigUint64Array(new ArrayBuffer(8));
  signalEventFd(fd);
  expect(readInto(fd, new Uint8Array(value.buffer))).toBe(8);
  expect(value[0]).toBe(1n);
  signalEventFd(fd);
  clearEventFd(fd);
  expect(readInto(fd, new Uint8Array(value.buffer))).toBeLessThan(0);
  expect(others.every((other) => other[0] === 0.5)).toBe(true);
  closeFd(fd);
});
