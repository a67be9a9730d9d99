/** What a guest is asked for at a cut: counters and names in one turn. */
import { expect, test } from "bun:test";
import { messageOf } from "../../../src/base/errors.ts";
import type { KnownOrder } from "../../../src/protocol/orders.ts";
import type { StatusReply } from "../../../src/protocol/replies.ts";
import { GuestMetadata } from "../../../src/host/run/guest-metadata.ts";
import type { Session } from "../../../src/host/run/session.ts";

const statusOf = (repliesDropped: number): StatusReply => ({
  reply: "status",
  state: "running",
  repliesDropped,
  cpus: [],
});
const body = new Uint8Array(1);

/** An agent that answers what `answers` says, each in its turn. */
function metadataOf(
  words: readonly string[],
  answers: (order: KnownOrder, session: { lastStatus: StatusReply | undefined }) => void,
): GuestMetadata {
  const session = {
    guest: { guest: "vm1", path: "/vm1" },
    lastStatus: statusOf(1) as StatusReply | undefined,
    knows: (word: string) => words.includes(word),
    request: async (order: KnownOrder, _kind: string, _limits: unknown, { before }: { before?: KnownOrder } = {}) => {
      for (const one of before === undefined ? [order] : [before, order]) answers(one, session);
      return { reply: session.lastStatus, body };
    },
  };
  return new GuestMetadata(session as unknown as Session, undefined);
}

test("takeCounters() gives the counters that were told with the names", async () => {
  const asked: string[] = [];
  const metadata = metadataOf(["sections"], ({ order }, session) => {
    asked.push(order);
    if (order === "status") session.lastStatus = statusOf(2);
  });
  expect(await metadata.takeCounters()).toEqual({ status: statusOf(2), body });
  expect(asked).toEqual(["status", "metadata"]);
});

test("takeCounters() takes no counters of before for those of the cut", async () => {
  const metadata = metadataOf(["sections"], () => {});
  const refused = await metadata.takeCounters().then(() => "", messageOf);
  expect(refused).toContain("does not tell its counters");
});

test("takeCounters() asks an agent that knows no sections for counters alone", async () => {
  const metadata = metadataOf([], ({ order }, session) => {
    expect(order).toBe("status");
    session.lastStatus = statusOf(3);
  });
  expect(await metadata.takeCounters()).toEqual({ status: statusOf(3), body: undefined });
});
