/** Replies as a host reads them: split and joined in any way, behind what an earlier host left, and from a hostile guest. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { limits } from "../../src/limits.ts";
import { parseReply } from "../../src/protocol/reply-parser.ts";
import { type ReadReply, ReplyReader } from "../../src/protocol/reply-reader.ts";
import type { HelloReply, StartReply } from "../../src/protocol/replies.ts";

const runs = process.env["TRACE_AGENT_LONG_TESTS"] === "1" ? 1_000_000 : 300;
const hello: HelloReply = {
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
const line = (reply: object): string => `${JSON.stringify(reply)}\n`;
const body = Buffer.from('\x1f\x8b{"reply":"stop","state":"armed","streams":[]}\n\0\xff', "latin1");
const start: StartReply = { reply: "start", state: "running", streams: [{ cpu: 0, bytes: 12 }] };
const exchange = Buffer.concat([
  Buffer.from(line(hello)),
  Buffer.from(line({ reply: "metadata", bytes: body.length, encoding: "gzip" })),
  body,
  Buffer.from(`\nnot a reply\n${line(start)}`),
]);

function readInPieces(reader: ReplyReader, bytes: Uint8Array, sizes: readonly number[]): ReadReply[] {
  const replies: ReadReply[] = [];
  // One buffer for all reads, as the pump has it: what the reader keeps must be its own.
  const shared = new Uint8Array(bytes.length);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const piece = bytes.subarray(at, at + Math.max(1, sizes[turn % Math.max(sizes.length, 1)] ?? bytes.length));
    shared.set(piece);
    replies.push(...reader.push(shared.subarray(0, piece.length)));
    shared.fill(0x58);
    at += piece.length;
  }
  return replies;
}

describe("ReplyReader", () => {
  test("gives the same replies however the bytes are split", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sizes) => {
        const reader = new ReplyReader("n1");
        const replies = readInPieces(reader, exchange, sizes);
        expect(replies.map(({ reply }) => reply.reply)).toEqual(["hello", "metadata", "start"]);
        expect(Buffer.from(replies[1]?.body ?? []).equals(body)).toBe(true);
        expect(replies[2]?.reply).toEqual(start);
        expect(reader.ignored).toBe(1);
      }),
      { numRuns: Math.min(runs, 20_000) },
    );
  });

  test("passes over all that an earlier host left, even where our hello begins in the middle of a line", () => {
    const stale = [
      "",
      line({ ...hello, nonce: "another" }),
      `${line(start)}{"reply":"stop","str`,
      line({ reply: "metadata", bytes: 100_000_000, encoding: "gzip" }),
      "\x1f\x8b\0\0garbage\nwithout an end",
      "x".repeat(limits.replyLineBytes * 2 + 5),
      '{"reply":"hello"{"reply":"hello"',
    ];
    for (const left of stale) {
      const reader = new ReplyReader("n1");
      const replies = readInPieces(reader, Buffer.concat([Buffer.from(left, "latin1"), exchange]), [65_536]);
      expect(replies.map(({ reply }) => reply.reply)).toEqual(["hello", "metadata", "start"]);
    }
  });

  test("survives any bytes, in bounded memory", () => {
    const known = fc.constantFrom(line(hello), line(start), line({ reply: "metadata", bytes: 5, encoding: "gzip" }), "\n");
    const chunk = fc.oneof(
      fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
      known.map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 30 }), (chunks) => {
        const reader = new ReplyReader("n1");
        for (const bytes of chunks) for (const { reply } of reader.push(bytes)) expect(parseReply(JSON.stringify(reply))).toEqual(reply);
      }),
      { numRuns: runs },
    );
  });

  test("drops a line without an end", () => {
    const reader = new ReplyReader("n1");
    reader.push(Buffer.from(line(hello)));
    for (let sent = 0; sent < 3 * limits.replyLineBytes; sent += 65_536) expect(reader.push(Buffer.alloc(65_536, 0x41))).toEqual([]);
    expect(reader.push(Buffer.from(`\n${line(start)}`)).map(({ reply }) => reply.reply)).toEqual(["start"]);
    expect(reader.ignored).toBe(1);
  });
});

describe("parseReply()", () => {
  test.each([
    ["no JSON", "{"],
    ["no object", "[1]"],
    ["null", "null"],
    ["an unknown reply", '{"reply":"constructor"}'],
    ["another agent", JSON.stringify({ ...hello, agent: "x" })],
    ["a negative count", JSON.stringify({ ...start, streams: [{ cpu: 0, bytes: -1 }] })],
    ["a count beyond 2^53", '{"reply":"start","state":"running","streams":[{"cpu":0,"bytes":1e300}]}'],
    ["a CPU out of range", JSON.stringify({ ...start, streams: [{ cpu: limits.cpusMax, bytes: 0 }] })],
    ["half a CPU", JSON.stringify({ ...start, streams: [{ cpu: 0.5, bytes: 0 }] })],
    ["a CPU twice", JSON.stringify({ ...start, streams: [{ cpu: 1, bytes: 0 }, { cpu: 1, bytes: 5 }] })],
    ["too many CPUs", JSON.stringify({ ...start, streams: Array.from({ length: limits.cpusMax + 1 }, (_, cpu) => ({ cpu, bytes: 0 })) })],
    ["a body beyond the bound", JSON.stringify({ reply: "metadata", bytes: limits.metadataPackedBytes + 1, encoding: "gzip" })],
    ["an odd sub-buffer size", JSON.stringify({ ...hello, subBufferSize: 0 })],
    ["a state that is none", JSON.stringify({ ...start, state: "__proto__" })],
  ])("refuses %s", (_, text) => {
    expect(parseReply(text)).toBeUndefined();
  });

  test("lets no text of a guest steer a terminal", () => {
    const reply = parseReply(JSON.stringify({ reply: "error", order: "set", error: "\u001b]0;owned\u0007\n\u202e" }));
    expect(reply).toEqual({ reply: "error", order: "set", error: "?]0;owned???" });
  });
});
