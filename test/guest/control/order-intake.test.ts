import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { OrderIntake } from "../../../src/guest/control/order-intake.ts";
import { guestLimits } from "../../../src/guest/limits.ts";
import type { Order } from "../../../src/protocol/orders.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const names = (orders: Order[]): string[] => orders.map(({ order }) => order);

describe("an order intake", () => {
  test("gives orders together that came in pieces of any size while main worked", () => {
    const text = "hello a\nhost 2\nset events sched\n1";
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 9 }), (sizes) => {
        const intake = new OrderIntake();
        for (let at = 0, turn = 0; at < text.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          intake.take(bytes(text.slice(at, at + size)));
          at += size;
        }
        expect(names(intake.give())).toEqual(["hello", "host", "set", "start"]);
        expect(intake.received).toBe(false);
        expect(intake.give()).toEqual([]);
      }),
    );
  });

  test("gives once what was asked again while main worked", () => {
    const intake = new OrderIntake();
    for (const order of ["status\n", "status\n", "1", "0", "1"]) intake.take(bytes(order));
    expect(names(intake.give())).toEqual(["status", "stop", "start"]);
  });

  test("tells of bytes that complete no order, and keeps them for the order's end", () => {
    const intake = new OrderIntake();
    intake.take(bytes("sta"));
    expect(intake.received).toBe(true);
    expect(intake.give()).toEqual([]);
    intake.take(bytes("tus\n"));
    expect(names(intake.give())).toEqual(["status"]);
  });

  test("forgets half an order of a host that is gone, and gives the whole ones", () => {
    const intake = new OrderIntake();
    intake.take(bytes("status\nhel"));
    intake.forgetHalf();
    intake.take(bytes("metadata\n"));
    expect(names(intake.give())).toEqual(["status", "metadata"]);
  });

  test("is full of orders that wait, and has room when they are given", () => {
    const intake = new OrderIntake();
    for (let count = 0; count < guestLimits.ordersAtOnce; count++) {
      expect(intake.full).toBe(false);
      intake.take(bytes("set clock mono\n"));
    }
    expect(intake.full).toBe(true);
    intake.give();
    expect(intake.full).toBe(false);
  });

  test("keeps no order that is answered at once", () => {
    const answered: Order[] = [];
    const intake = new OrderIntake((order) => order.order === "status" && answered.push(order) > 0);
    for (let count = 0; count < 2 * guestLimits.ordersAtOnce; count++) intake.take(bytes("status\n"));
    expect([answered.length, intake.full, intake.received]).toEqual([2 * guestLimits.ordersAtOnce, false, true]);
    intake.take(bytes("status\n1"));
    expect(names(intake.give())).toEqual(["start"]);
  });

  test("says nothing to main of acknowledgements alone", () => {
    const acks: Order[] = [];
    const intake = new OrderIntake((order) => order.order === "ack" && acks.push(order) > 0);
    intake.take(bytes("ack 0 4096\nack 1 8192\nack 0"));
    expect([acks.length, intake.received]).toEqual([2, false]);
    intake.take(bytes(" 9000\nstatus\n"));
    expect(acks).toHaveLength(3);
    expect(names(intake.give())).toEqual(["status"]);
  });

  test("takes acknowledgements in front of other bytes alone, and says nothing to main of them and half of another", () => {
    const positions: number[] = [];
    const acks: Order[] = [];
    const intake = new OrderIntake((order) => order.order === "ack" && acks.push(order) > 0);
    const read = (text: string): void => {
      const all = bytes(text);
      const end = intake.takeAcks(all, all.length, (cpu, position) => positions.push(cpu, position));
      if (end < all.length) intake.take(all.subarray(end), end > 0);
    };
    read("ack 0 4096\nack 1 8192\nack 0");
    expect([positions, intake.received]).toEqual([[0, 4096, 1, 8192], false]);
    // The rest of an order that was cut, which begins like an acknowledgement or not.
    read(" 9000\nack 1 9000\n");
    expect([acks.length, intake.received]).toEqual([2, false]);
    read("set clock ");
    read("ack 0 9999\nstatus\n");
    expect(positions).toHaveLength(4);
    expect(intake.give().map(({ order }) => order)).toEqual(["set", "status"]);
  });

  test("wakes main for no clock order", () => {
    const intake = new OrderIntake(({ order }) => order === "clock");
    intake.take(bytes("clock n1\nclock n2\n"));
    expect(intake.received).toBe(false);
    intake.take(bytes("clock n3\nsta"));
    expect(intake.received).toBe(false);
    intake.take(bytes("tus\n"));
    expect([intake.received, names(intake.give())]).toEqual([true, ["status"]]);
  });
});
