/** Replies into a real pipe, read as a host reads them. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeFd, O, readInto, writeFrom } from "../../../ffi/fd.ts";
import { makePipe } from "../../../ffi/pipe.ts";
import { bodyOfBytes } from "../../../src/guest/control/frames.ts";
import { PortLock, PortUser } from "../../../src/guest/control/port-lock.ts";
import { ReplyWriter } from "../../../src/guest/control/reply-writer.ts";
import { guestLimits } from "../../../src/guest/limits.ts";
import { RunState } from "../../../src/guest/transfer/run-state.ts";
import { ReplyReader } from "../../../src/protocol/reply-reader.ts";
import type { MetadataReply, Reply } from "../../../src/protocol/replies.ts";
import { eventually } from "../../support/agent-process.ts";

const hello =
  '{"reply":"hello","nonce":"n","agent":"trace-agent","version":"1","protocol":1,"hostname":"h","kernel":"k","machine":"m",' +
  '"state":"armed","clock":"local","pageSize":4096,"subBufferSize":4096,"longSize":8,"cpus":[]}\n';
const short: Reply = { reply: "progress", word: "short" };
const body = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 31) % 251);
const metadata: MetadataReply = { reply: "metadata", bytes: body.length, encoding: "gzip" };
const framed: MetadataReply = { ...metadata, frames: true };

let pipe: ReturnType<typeof makePipe>;
let run: RunState;
let writer: ReplyWriter;
let other: PortLock;
let reader: ReplyReader;
let heard: string[];
let bodies: Uint8Array[];

beforeEach(() => {
  pipe = makePipe(O.NONBLOCK);
  run = new RunState(1);
  writer = new ReplyWriter(new PortLock(run.words, PortUser.main));
  other = new PortLock(run.words, PortUser.controlWorker);
  writer.attach(pipe.write);
  reader = new ReplyReader("n");
  reader.push(Buffer.from(hello));
  heard = [];
  bodies = [];
});
afterEach(() => {
  writer.attach(-1);
  closeFd(pipe.read);
  closeFd(pipe.write);
});

/** Takes what lies in the pipe; gives how many bytes. */
function read(): number {
  const bytes = new Uint8Array(new ArrayBuffer(16_384));
  const count = readInto(pipe.read, bytes);
  for (const { reply, body: came } of reader.push(bytes.subarray(0, Math.max(0, count)))) {
    heard.push(reply.reply === "progress" ? reply.word : reply.reply);
    if (came !== undefined) bodies.push(came);
  }
  return count;
}

const untilHeard = (word: string): Promise<void> =>
  eventually(
    () => (read(), heard.includes(word)),
    `${word} is heard`,
    () => `${heard.join(" ")}; ${reader.ignored} ignored`,
  );

describe("a reply writer", () => {
  test("lets short replies overtake a body in frames", async () => {
    let settled = false;
    writer.sendFramed(framed, bodyOfBytes(body), () => (settled = true));
    expect(settled).toBe(false);
    writer.send(short);
    await untilHeard("metadata");
    expect(heard).toEqual(["short", "metadata"]);
    expect(bodies.length).toBe(1);
    expect(Buffer.from(bodies[0] ?? []).equals(body)).toBe(true);
    expect([writer.idle, settled, reader.ignored]).toEqual([true, true, 0]);
  });

  test("sends a body in one piece to a host that does not know frames", async () => {
    writer.send(metadata, body);
    writer.send(short);
    await eventually(() => (read(), heard.length === 2), "both");
    expect(Buffer.from(bodies[0] ?? []).equals(body)).toBe(true);
    expect([heard, reader.ignored, writer.idle]).toEqual([["metadata", "short"], 0, true]);
  });

  test("ends the frame that it is at when a body is dropped, and sends no more of it", async () => {
    let settled = false;
    writer.sendFramed(framed, bodyOfBytes(body), () => (settled = true));
    writer.sendFramed(framed, bodyOfBytes(body), () => {});
    writer.dropBodies();
    writer.send({ reply: "progress", word: "next" });
    expect(settled).toBe(true);
    await untilHeard("next");
    expect([heard.length, bodies.length, reader.ignored, writer.idle]).toEqual([1, 0, 0, true]);
    writer.sendFramed(framed, bodyOfBytes(body), () => {});
    await untilHeard("metadata");
    expect(Buffer.from(bodies[0] ?? []).equals(body)).toBe(true);
  });

  test("gives the lock to the other who writes into the port between two frames, and nothing gets into one", async () => {
    writer.sendFramed(framed, bodyOfBytes(body), () => {});
    const word = new Uint8Array(Buffer.from('{"reply":"progress","word":"other"}\n'));
    let written = 0;
    await eventually(() => {
      read();
      if (!writer.idle && other.take()) {
        if (other.newlinesDue !== 0) throw new Error("nothing was dropped");
        if (writeFrom(pipe.write, word) === word.length) written++;
        other.give();
      }
      return bodies.length === 1 && writer.idle;
    }, "the body is there");
    expect(written).toBeGreaterThanOrEqual(3);
    await eventually(() => read() <= 0, "nothing is left");
    expect(heard.filter((reply) => reply === "other").length).toBe(written);
    expect(Buffer.from(bodies[0] ?? []).equals(body)).toBe(true);
    expect(reader.ignored).toBe(0);
  });

  test("drops what waits while the port takes nothing, and what follows is understood", async () => {
    writer.sendFramed(framed, bodyOfBytes(body), () => {});
    await eventually(() => writer.idle, "given up", undefined, guestLimits.replyGiveUpMs * 3);
    expect(writer.dropped).toBe(1);
    expect(other.take()).toBe(true);
    other.give();
    await eventually(() => read() <= 0, "the pipe is empty");
    writer.send({ reply: "progress", word: "after" });
    await untilHeard("after");
    expect([heard, bodies.length, reader.ignored]).toEqual([["after"], 0, 0]);
  }, 300_000);
});

describe("the lock of the port", () => {
  test("is one side's at a time, and goes to the one who waits", () => {
    const main = new PortLock(run.words, PortUser.main);
    expect([main.take(), main.take(), other.take()]).toEqual([true, true, false]);
    main.give();
    expect(main.take()).toBe(false);
    expect([other.take(), main.take()]).toEqual([true, false]);
    other.give();
    // Main asked meanwhile: it is its turn.
    expect(other.take()).toBe(false);
    expect(main.take()).toBe(true);
    main.give();
    main.reset();
    expect(other.take()).toBe(true);
  });
});
