/** Replies as a host reads them: split and joined in any way, behind what an earlier host left, and from a hostile guest. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { protocolLimits } from "../../src/protocol/limits.ts";
import { tracefsLimits } from "../../src/tracefs/limits.ts";
import { parseReply } from "../../src/protocol/replies.ts";
import { type ReadReply, ReplyReader } from "../../src/protocol/reply-reader.ts";
import type { HelloReply, Reply, StartReply } from "../../src/protocol/replies.ts";
import { inLongForm } from "../support/long.ts";
import { inQuickForm } from "../support/quick.ts";

const runs = inQuickForm(100, inLongForm(300, 1_000_000));
const hello: HelloReply = {
  reply: "hello",
  nonce: "n1",
  agent: "trace-agent",
  version: "0.1.0",
  protocol: 1,
  words: ["host", "lease"],
  hostname: "vm",
  kernel: "6.12",
  machine: "x86_64",
  bootId: "b-1",
  state: "armed",
  clock: "local",
  pageSize: 4096,
  subBufferSize: 4096,
  longSize: 8,
  found: {
    tracingOn: true,
    pids: "17",
    notracePids: "",
    filters: [{ event: "sched:sched_switch", filter: "prev_pid == 1" }],
    filtersInAll: 3,
  },
  cpus: [{ cpu: 0, port: "open", state: "armed", bytes: 12 }],
};
const line = (reply: object): string => `${JSON.stringify(reply)}\n`;
const body = Buffer.from('\x1f\x8b{"reply":"stop","state":"armed","streams":[]}\n\0\xff', "latin1");
const start: StartReply = {
  reply: "start",
  state: "running",
  streams: [{ cpu: 0, bytes: 12, time: "9007199254740993123" }],
};
const exchange = Buffer.concat([
  Buffer.from(line(hello)),
  Buffer.from(line({ reply: "metadata", bytes: body.length, encoding: "gzip" })),
  body,
  Buffer.from(`\nnot a reply\n${line(start)}`),
]);

const frame = (part: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(line({ reply: "frame", bytes: part.length })), part]);
const framedMetadata = line({ reply: "metadata", bytes: body.length, encoding: "gzip", frames: true });

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
      "x".repeat(protocolLimits.replyLineBytes * 2 + 5),
      '{"reply":"hello"{"reply":"hello"',
    ];
    for (const left of stale) {
      const reader = new ReplyReader("n1");
      const replies = readInPieces(reader, Buffer.concat([Buffer.from(left, "latin1"), exchange]), [65_536]);
      expect(replies.map(({ reply }) => reply.reply)).toEqual(["hello", "metadata", "start"]);
    }
  });

  test("tells at once what is wrong with a hello that has our nonce", () => {
    const wrong = (invalid: string): string | undefined => {
      const reader = new ReplyReader("n1");
      expect(readInPieces(reader, Buffer.from(invalid, "latin1"), [100])).toEqual([]);
      return reader.invalidHello;
    };
    expect(wrong(line({ ...hello, pageSize: 0.5 }))).toStartWith("pageSize: ");
    expect(wrong(`left{"reply":"stop"${line({ ...hello, cpus: [{ cpu: 0 }] })}`)).toStartWith("cpus.0.port: ");
    expect(wrong(line({ ...hello, longSize: "\x1b[2J\n" + "x".repeat(10_000) }))).toMatch(/^longSize: [ -~]*$/);
    expect(wrong(line({ ...hello, longSize: "x".repeat(1000) }))?.length).toBeLessThanOrEqual(
      protocolLimits.guestTextChars,
    );
    expect(wrong(line({ ...hello, found: JSON.parse("[".repeat(50) + "]".repeat(50)) }))).toContain("nested deeper");
  });

  test("waits on after a hello that is another's, or that was cut: the order is repeated", () => {
    for (const passed of [
      line({ ...hello, nonce: "another", pageSize: 0.5 }),
      `${line(hello).slice(0, -20)}\n`,
      `${line(hello).slice(0, -20)}${line(start)}`,
    ]) {
      const reader = new ReplyReader("n1");
      expect(readInPieces(reader, Buffer.from(passed, "latin1"), [100])).toEqual([]);
      expect(reader.invalidHello).toBeUndefined();
      expect(readInPieces(reader, Buffer.from(line(hello)), [100]).length).toBe(1);
    }
  });

  test("survives any bytes, in bounded memory", () => {
    const known = fc.constantFrom(
      line(hello),
      line(start),
      line({ reply: "metadata", bytes: 5, encoding: "gzip" }),
      line({ reply: "metadata", bytes: 5, encoding: "gzip", frames: true }),
      line({ reply: "frame", bytes: 2 }),
      line({ reply: "frame", bytes: protocolLimits.frameBytes }),
      "\n",
    );
    const chunk = fc.oneof(
      fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
      known.map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 30 }), (chunks) => {
        const reader = new ReplyReader("n1");
        for (const bytes of chunks)
          for (const { reply } of reader.push(bytes)) expect(parseReply(JSON.stringify(reply))).toEqual(reply);
      }),
      { numRuns: runs },
    );
  });

  test("puts a body together that comes in frames, and gives the replies between them at once", () => {
    const cuts = fc.array(fc.tuple(fc.integer({ min: 1, max: body.length }), fc.boolean()), { minLength: 1 });
    fc.assert(
      fc.property(cuts, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (frames, sizes) => {
        const sent: Uint8Array[] = [Buffer.from(line(hello) + framedMetadata)];
        const expected: Reply["reply"][] = ["hello"];
        for (let at = 0, turn = 0; at < body.length; turn++) {
          const [size, short] = frames[turn % frames.length] ?? [1, false];
          if (short) expected.push("start");
          sent.push(Buffer.from(short ? line(start) : ""), frame(body.subarray(at, at + size)));
          at += size;
        }
        expected.push("metadata", "start");
        sent.push(Buffer.from(line(start)));
        const reader = new ReplyReader("n1");
        const replies = readInPieces(reader, Buffer.concat(sent), sizes);
        expect(replies.map(({ reply }) => reply.reply)).toEqual(expected);
        expect(Buffer.from(replies.at(-2)?.body ?? []).equals(body)).toBe(true);
        expect([reader.ignored, reader.broken]).toEqual([0, undefined]);
      }),
      { numRuns: Math.min(runs, 20_000) },
    );
  });

  test("gives up a body whose rest was dropped when the next one is announced", () => {
    const reader = new ReplyReader("n1");
    const cut = Buffer.concat([
      frame(body.subarray(0, 7)),
      Buffer.from(line({ reply: "frame", bytes: 9 })),
      body.subarray(7, 10),
    ]);
    const replies = readInPieces(
      reader,
      // The rest of the frame that was cut is filled with newlines.
      Buffer.concat([
        Buffer.from(line(hello) + framedMetadata),
        cut,
        Buffer.from(`${"\n".repeat(6)}${line(start)}${framedMetadata}`),
        frame(body),
      ]),
      [5],
    );
    expect(replies.map(({ reply }) => reply.reply)).toEqual(["hello", "start", "metadata"]);
    expect(Buffer.from(replies[2]?.body ?? []).equals(body)).toBe(true);
    expect(reader.ignored).toBe(0);
  });

  test.each([
    ["belongs to no body", "", 5],
    ["is more than was announced", framedMetadata, body.length + 1],
  ])("passes over a frame that %s, and says so", (_, before, bytes) => {
    const reader = new ReplyReader("n1");
    const bad = Buffer.concat([Buffer.from(before), frame(Buffer.alloc(bytes, line(start)))]);
    const replies = readInPieces(reader, Buffer.concat([Buffer.from(line(hello)), bad, Buffer.from(line(start))]), [3]);
    expect(replies.map(({ reply }) => reply.reply)).toEqual(["hello", "start"]);
    expect([reader.ignored, reader.broken]).toEqual([1, expect.stringContaining("frame")]);
  });

  test("drops a line without an end", () => {
    const reader = new ReplyReader("n1");
    reader.push(Buffer.from(line(hello)));
    for (let sent = 0; sent < 3 * protocolLimits.replyLineBytes; sent += 65_536)
      expect(reader.push(Buffer.alloc(65_536, 0x41))).toEqual([]);
    expect(reader.push(Buffer.from(`\n${line(start)}`)).map(({ reply }) => reply.reply)).toEqual(["start"]);
    expect(reader.ignored).toBe(1);
  });
});

describe("parseReply()", () => {
  test("takes the hello and the start reply of protocol 1, which know no words, boot id, findings and times", () => {
    const { words: _, bootId: __, found: ___, ...old } = hello;
    expect(parseReply(JSON.stringify(old))).toEqual({ ...hello, words: [], bootId: "", found: undefined });
    const before = { ...start, streams: [{ cpu: 0, bytes: 12 }] };
    expect(parseReply(JSON.stringify(before))).toEqual(before);
  });

  test("takes what the agent says of its work", () => {
    expect(parseReply('{"reply":"progress","word":"metadata"}')).toEqual({ reply: "progress", word: "metadata" });
    expect(parseReply('{"reply":"host","protocol":2}')).toEqual({ reply: "host", protocol: 2 });
  });

  test.each([
    ["no JSON", "{"],
    ["no object", "[1]"],
    ["null", "null"],
    ["an unknown reply", '{"reply":"constructor"}'],
    ["another agent", JSON.stringify({ ...hello, agent: "x" })],
    ["a negative count", JSON.stringify({ ...start, streams: [{ cpu: 0, bytes: -1 }] })],
    ["a count beyond 2^53", '{"reply":"start","state":"running","streams":[{"cpu":0,"bytes":1e300}]}'],
    ["a CPU out of range", JSON.stringify({ ...start, streams: [{ cpu: tracefsLimits.cpusMax, bytes: 0 }] })],
    ["words that are none", JSON.stringify({ ...hello, words: [1] })],
    ["a trace time that is no number", JSON.stringify({ ...start, streams: [{ cpu: 0, bytes: 0, time: "1e9" }] })],
    ["a filter that is none", JSON.stringify({ ...hello, found: { ...hello.found, filters: [null] } })],
    ["half a CPU", JSON.stringify({ ...start, streams: [{ cpu: 0.5, bytes: 0 }] })],
    [
      "a CPU twice",
      JSON.stringify({
        ...start,
        streams: [
          { cpu: 1, bytes: 0 },
          { cpu: 1, bytes: 5 },
        ],
      }),
    ],
    [
      "too many CPUs",
      JSON.stringify({
        ...start,
        streams: Array.from({ length: tracefsLimits.cpusMax + 1 }, (_, cpu) => ({ cpu, bytes: 0 })),
      }),
    ],
    [
      "a body beyond the bound",
      JSON.stringify({ reply: "metadata", bytes: protocolLimits.metadataPackedBytes + 1, encoding: "gzip" }),
    ],
    ["a frame beyond the bound", JSON.stringify({ reply: "frame", bytes: protocolLimits.frameBytes + 1 })],
    ["a frame of nothing", JSON.stringify({ reply: "frame", bytes: 0 })],
    ["an odd sub-buffer size", JSON.stringify({ ...hello, subBufferSize: 0 })],
    ["a state that is no word", JSON.stringify({ ...start, state: 3 })],
  ])("refuses %s", (_, text) => {
    expect(parseReply(text)).toBeUndefined();
  });

  test("gives the state of a newer agent as other, with its word", () => {
    const cpus = hello.cpus.map((entry) => ({ ...entry, state: "resting\u001b[2J", port: "__proto__" }));
    const reply = parseReply(JSON.stringify({ ...hello, state: "waiting", cpus }));
    expect(reply).toMatchObject({
      state: "other (waiting)",
      cpus: [{ cpu: 0, state: "other (resting?[2J)", port: "other (__proto__)" }],
    });
  });

  test("lets no text of a guest steer a terminal", () => {
    const reply = parseReply(JSON.stringify({ reply: "error", order: "set", error: "\u001b]0;owned\u0007\n\u202e" }));
    expect(reply).toEqual({ reply: "error", order: "set", error: "?]0;owned???" });
  });
});
