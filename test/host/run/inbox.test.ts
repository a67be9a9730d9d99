/** Which reply an order gets. */
import { expect, test } from "bun:test";
import { Inbox } from "../../../src/host/run/inbox.ts";
import type { StatusReply } from "../../../src/protocol/replies.ts";

const status = (repliesDropped: number): { reply: StatusReply } => ({
  reply: { reply: "status", state: "running", repliesDropped, cpus: [] },
});

test("what came before an order was sent is no answer to it, and what comes behind its answer is none to the next", () => {
  const inbox = new Inbox();
  inbox.push(status(1));
  inbox.expect("status", "status");
  expect(inbox.found).toBeUndefined();
  inbox.push(status(2));
  inbox.push(status(3));
  expect(inbox.found).toEqual(status(2));
  inbox.close();
  inbox.push(status(4));
  inbox.expect("status", "status");
  expect(inbox.found).toBeUndefined();
});

test("an error answers the order that it names, by its word or by its first characters", () => {
  const inbox = new Inbox();
  for (const [order, answers] of [
    ["start", true],
    ["1", true],
    ["1 x", true],
    ["status", false],
  ] as const) {
    inbox.expect("start", "1");
    inbox.push({ reply: { reply: "error", order, error: "no" } });
    expect({ order, answers: inbox.found !== undefined }).toEqual({ order, answers });
  }
});
