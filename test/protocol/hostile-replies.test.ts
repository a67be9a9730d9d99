/** Replies of a guest that means harm: counts that are none, JSON that grows, bytes one by one. */
import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { protocolLimits } from "../../src/protocol/limits.ts";
import { tracefsLimits } from "../../src/tracefs/limits.ts";
import { parseReply } from "../../src/protocol/replies.ts";
import { FramedBody } from "../../src/protocol/framed-body.ts";
import { ReplyReader } from "../../src/protocol/reply-reader.ts";
import { noCounters } from "../support/fake-replies.ts";

const cpuStatus = { cpu: 0, state: "armed", port: "open", bytes: 0, ...noCounters };
const hello = {
  reply: "hello",
  nonce: "n1",
  agent: "trace-agent",
  version: "0.1.0",
  protocol: 1,
  hostname: "vm",
  kernel: "6.12",
  machine: "x86_64",
  state: "armed",
  clock: "local",
  pageSize: 4096,
  subBufferSize: 4096,
  longSize: 8,
  cpus: [{ cpu: 0, port: "open", state: "armed", bytes: 12 }],
};
const sound: Record<string, unknown>[] = [
  hello,
  { reply: "start", state: "running", streams: [{ cpu: 0, bytes: 1 }] },
  { reply: "stop", state: "armed", streams: [{ cpu: 0, bytes: 1, lostBytes: 0 }] },
  { reply: "status", state: "armed", repliesDropped: 0, cpus: [cpuStatus] },
  { reply: "metadata", bytes: 8, encoding: "gzip" },
  { reply: "host", protocol: 2 },
];

/** All texts that `value` becomes when one of its numbers is another. */
function withOtherNumbers(value: unknown, others: readonly string[]): string[] {
  const text = JSON.stringify(value);
  return [...text.matchAll(/(?<=:)\d+(?=[,}])/g)].flatMap((found) =>
    others.map((other) => text.slice(0, found.index) + other + text.slice(found.index + found[0].length)),
  );
}

describe("parseReply()", () => {
  test("takes whole and exact counts only, wherever in a reply they stand", () => {
    for (const reply of sound) {
      expect(parseReply(JSON.stringify(reply))).toBeDefined();
      const others = withOtherNumbers(reply, ["0.5", "-1", "1e-300", "1e300", "9007199254740992", '"1"', "null", "[]"]);
      expect(others.length).toBeGreaterThanOrEqual(8);
      // lostBytes and repliesDropped may be missing, which null stands for.
      expect(others.filter((text) => !/(lostBytes|repliesDropped)":null/.test(text) && parseReply(text))).toEqual([]);
    }
  });

  test("refuses JSON that nests deeply or holds many values before anything is made of it", () => {
    const most = protocolLimits.replyLineBytes;
    const before = process.memoryUsage.rss();
    for (const text of [
      "[".repeat(most),
      '{"a":'.repeat(most / 5),
      `[${"0,".repeat(most / 2 - 2)}0]`,
      `"${"\\\\".repeat(most / 2)}`,
    ])
      expect(parseReply(text)).toBeUndefined();
    expect(process.memoryUsage.rss() - before).toBeLessThan(40 * 1024 * 1024);
  });

  test("takes a status of as many CPUs as there can be", () => {
    const cpus = Array.from({ length: tracefsLimits.cpusMax }, (_, cpu) => ({ ...cpuStatus, cpu }));
    expect(parseReply(JSON.stringify({ reply: "status", state: "armed", repliesDropped: 0, cpus }))).toBeDefined();
  });
});

/** Without what the collector has not taken yet, which is more the more this process held before. */
function heldBytes(): number {
  Bun.gc(true);
  return heapStats().heapSize;
}

test("a body that comes byte by byte takes no more memory than it has bytes", () => {
  const reader = new ReplyReader("n1");
  const bytes = 2 * 1024 * 1024;
  reader.push(Buffer.from(`${JSON.stringify(hello)}\n{"reply":"metadata","bytes":${bytes},"encoding":"gzip"}\n`));
  const piece = new Uint8Array([0x41]);
  const before = heldBytes();
  for (let sent = 1; sent < bytes; sent++) if (reader.push(piece).length > 0) throw new Error("a reply too early");
  expect(heldBytes() - before).toBeLessThan(8 * bytes);
  expect(reader.push(piece).map(({ body }) => body?.length)).toEqual([bytes]);
});

test("a body in frames of one byte takes no more memory than it has bytes", () => {
  const framed = new FramedBody();
  const bytes = 2 * 1024 * 1024;
  const piece = new Uint8Array([0x41]);
  const before = heldBytes();
  framed.begin({ reply: "metadata", bytes, encoding: "gzip", frames: true }, bytes);
  for (let sent = 0; sent < bytes; sent++) {
    if (framed.whole() !== undefined) throw new Error("a body too early");
    framed.frame({ reply: "frame", bytes: 1 });
    framed.take(piece);
  }
  expect(heldBytes() - before).toBeLessThan(8 * bytes);
  expect(framed.whole()?.body.length).toBe(bytes);
});

test("a body of sections without an end is dropped at the bound of all metadata", () => {
  const framed = new FramedBody();
  const piece = new Uint8Array(protocolLimits.frameBytes);
  framed.begin({ reply: "sections", sections: [] }, undefined);
  let taken = 0;
  while (framed.frame({ reply: "frame", bytes: piece.length })) {
    framed.take(piece);
    taken += piece.length;
    expect(framed.whole()).toBeUndefined();
    if (taken > protocolLimits.metadataBytes) throw new Error("it is taken without end");
  }
  framed.take(piece);
  // What follows belongs to nothing, and the next body is taken.
  expect(framed.frame({ reply: "frame", bytes: 1, last: true })).toBe(false);
  framed.take(piece);
  framed.begin({ reply: "sections", sections: [] }, undefined);
  expect(framed.frame({ reply: "frame", bytes: 1, last: true })).toBe(true);
  framed.take(piece);
  expect(framed.whole()?.body).toHaveLength(1);
});

test("bodies of many guests that send without end together take no more than their bound, and the small ones stay", () => {
  const piece = new Uint8Array(protocolLimits.frameBytes);
  const begun = (): FramedBody => {
    const framed = new FramedBody();
    framed.begin({ reply: "sections", sections: [] }, undefined);
    return framed;
  };
  const takes = (framed: FramedBody): boolean => {
    const taken = framed.frame({ reply: "frame", bytes: piece.length });
    framed.take(piece);
    return taken;
  };
  const small = begun();
  const large = Array.from({ length: 4 }, begun);
  expect(takes(small)).toBe(true);
  const most = protocolLimits.bodiesBytes / piece.length;
  let taken = 0;
  for (let round = 0; round < most && taken <= most; round++) taken += large.filter(takes).length;
  expect(taken).toBeLessThanOrEqual(most + 1);
  small.frame({ reply: "frame", bytes: 1, last: true });
  small.take(piece);
  expect(small.whole()?.body).toHaveLength(piece.length + 1);
  for (const framed of large) framed.drop();
});

test("a body that is announced anew begins anew where it goes", () => {
  const parts: string[] = [];
  const target = {
    restart: () => parts.push("|"),
    write: (part: Uint8Array) => parts.push(Buffer.from(part).toString()),
  };
  const reader = new ReplyReader("n1");
  reader.push(Buffer.from(`${JSON.stringify(hello)}\n`));
  reader.bodyTarget = target;
  const begin = '{"reply":"sections","sections":["kallsyms"]}\n';
  const frame = (text: string, last = ""): string => `{"reply":"frame","bytes":${text.length}${last}}\n${text}`;
  const whole = reader.push(Buffer.from(begin + frame("cut") + begin + frame("all ") + frame("of it", ',"last":true')));
  expect(whole.map(({ reply, body }) => [reply.reply, body?.length])).toEqual([["sections", 0]]);
  expect(parts.join("")).toBe("|cut|all of it");
});
