/** What a guest sends without an order for it. */
import { expect, spyOn, test } from "bun:test";
import { ReplyReader } from "../../src/protocol/reply-reader.ts";
import { fakeHello } from "../support/fake-replies.ts";

const line = (reply: object): Buffer => Buffer.from(`${JSON.stringify(reply)}\n`);
const hello = line({ ...fakeHello, nonce: "n1", words: [], bootId: "b", state: "armed", cpus: [] });
const start = line({ reply: "start", state: "running", streams: [] });
const body = Buffer.from('{"reply":"stop"}\n\0\xff', "latin1");
const frame = Buffer.concat([line({ reply: "frame", bytes: body.length }), body]);
const framed = Buffer.concat([line({ reply: "metadata", bytes: body.length, encoding: "gzip", frames: true }), frame]);

/** Kinds of the replies, and the last body. */
function read(reader: ReplyReader, bytes: Buffer, size: number): { kinds: string[]; body: string } {
  const replies = [];
  for (let at = 0; at < bytes.length; at += size) replies.push(...reader.push(bytes.subarray(at, at + size)));
  const last = Buffer.from(replies.at(-1)?.body ?? []).toString("latin1");
  return { kinds: replies.map(({ reply }) => reply.reply), body: last };
}

test.each([1, 7, 65_536])("bodies are not kept, and what comes behind them is read, in pieces of %d bytes", (size) => {
  const inOnePiece = Buffer.concat([line({ reply: "metadata", bytes: body.length, encoding: "gzip" }), body]);
  const sections = Buffer.concat([line({ reply: "sections", sections: ["kallsyms"] }), frame, frame]);
  const reader = new ReplyReader("n1");
  reader.skipsBodies = true;
  expect(read(reader, Buffer.concat([hello, inOnePiece, framed, sections, start]), size)).toEqual({
    kinds: ["hello", "start"],
    body: "",
  });
  expect(reader.broken).toBeUndefined();
  reader.skipsBodies = false;
  expect(read(reader, framed, size)).toEqual({ kinds: ["metadata"], body: body.toString("latin1") });
});

test("of lines that can be no reply nothing is made: a guest may send millions of them", () => {
  const reader = new ReplyReader("n1");
  reader.push(hello);
  const noise = Buffer.alloc(65_536, "y\n");
  const made = spyOn(Buffer, "from");
  const replies = reader.push(noise);
  const texts = made.mock.calls.length;
  made.mockRestore();
  expect([replies, reader.ignored, reader.broken]).toEqual([[], 32_768, "y"]);
  expect(texts).toBeLessThan(2);
});
