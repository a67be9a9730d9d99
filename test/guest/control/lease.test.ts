import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { Lease } from "../../../src/guest/control/lease.ts";

let bytes = 0;
let ended = 0;
const second = 1000;

beforeEach(() => {
  jest.useFakeTimers();
  bytes = ended = 0;
});
afterEach(() => jest.useRealTimers());

const make = (): Lease =>
  new Lease(
    () => bytes,
    () => void ended++,
  );

describe("a lease", () => {
  test("runs out once, after its time and not before", () => {
    const lease = make();
    lease.begin();
    jest.advanceTimersByTime(59 * second);
    expect(ended).toBe(0);
    jest.advanceTimersByTime(10 * second);
    expect(ended).toBe(1);
    jest.advanceTimersByTime(600 * second);
    expect(ended).toBe(1);
  });

  test("is renewed by an order, and by every byte that a data port takes", () => {
    const lease = make();
    lease.setSeconds(10);
    lease.begin();
    for (let round = 0; round < 30; round++) {
      jest.advanceTimersByTime(9 * second);
      if (round % 2 === 0) lease.renew();
      else bytes++;
    }
    expect(ended).toBe(0);
    // It is looked at each sixth of it.
    jest.advanceTimersByTime(12 * second);
    expect(ended).toBe(1);
  });

  test("does not run while the host waits for the agent's work", async () => {
    const lease = make();
    lease.setSeconds(10);
    lease.begin();
    const work = Promise.withResolvers<string>();
    const held = lease.hold(work.promise);
    jest.advanceTimersByTime(600 * second);
    expect(ended).toBe(0);
    work.resolve("done");
    expect(await held).toBe("done");
    jest.advanceTimersByTime(9 * second);
    expect(ended).toBe(0);
    jest.advanceTimersByTime(3 * second);
    expect(ended).toBe(1);
  });

  test("is not there when nothing was set, nor after all was put back", () => {
    const lease = make();
    jest.advanceTimersByTime(600 * second);
    lease.begin();
    jest.advanceTimersByTime(50 * second);
    lease.end();
    jest.advanceTimersByTime(600 * second);
    expect(ended).toBe(0);
  });

  test("can be made longer and shorter while it runs; the next session's has the usual length", () => {
    const lease = make();
    lease.begin();
    lease.setSeconds(3600);
    jest.advanceTimersByTime(3590 * second);
    expect(ended).toBe(0);
    lease.setSeconds(10);
    jest.advanceTimersByTime(11 * second);
    expect(ended).toBe(1);
    lease.forget();
    expect(lease.seconds).toBe(60);
  });
});
