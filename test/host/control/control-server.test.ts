/** A recorder's control socket and who asks it, in one process. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { statSync, writeFileSync } from "node:fs";
import { E } from "../../../ffi/errno.ts";
import { closeFd, readInto } from "../../../ffi/fd.ts";
import { acceptFrom, bindIn, listenOn } from "../../../ffi/listening-socket.ts";
import { connectIn, sendMessage } from "../../../ffi/socket.ts";
import type { Directory } from "../../../src/base/directory.ts";
import { AgentError } from "../../../src/base/errors.ts";
import { ControlConnection } from "../../../src/host/control/control-connection.ts";
import { askRecorder, isListening } from "../../../src/host/control/control-client.ts";
import { ControlServer } from "../../../src/host/control/control-server.ts";
import type { ControlRequest } from "../../../src/host/control/messages.ts";
import { hostLimits } from "../../../src/host/limits.ts";
import { eventually } from "../../support/agent-process.ts";
import { controlStatus as status, controlWorld } from "../../support/control-world.ts";
import { testUnless } from "../../support/test-unless.ts";

setDefaultTimeout(300_000);
const notRoot = process.geteuid?.() === 0 ? undefined : "needs root";
const { base, newDirectory, serve, closes } = controlWorld();

/** Why it is not answered. */
async function refusal(directory: Directory, request: ControlRequest): Promise<AgentError> {
  try {
    await askRecorder(directory.path, request);
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error("it was answered");
}

/** A client that says what it likes. */
class RawClient {
  readonly #fd: number;
  #text = "";
  #isOver = false;

  constructor(directory: Directory) {
    this.#fd = connectIn(directory.fd, ".control");
    closes(this);
  }

  say(text: string): void {
    sendMessage(this.#fd, new Uint8Array(Buffer.from(text)));
  }

  /** What came until the end of the connection, or until it holds `text`. */
  async heard(text?: string): Promise<string> {
    await eventually(
      () => this.#read() || (text !== undefined && this.#text.includes(text)),
      "the connection ends",
      () => this.#text,
      300_000,
    );
    return this.#text;
  }

  #read(): boolean {
    const buffer = new Uint8Array(new ArrayBuffer(65_536));
    for (let count = 1; !this.#isOver && count > 0;) {
      count = readInto(this.#fd, buffer);
      if (count > 0) this.#text += Buffer.from(buffer.subarray(0, count)).toString();
      else this.#isOver = count !== -E.EAGAIN;
    }
    return this.#isOver;
  }

  close(): void {
    closeFd(this.#fd);
  }
}

describe("the control socket", () => {
  test("answers each request, for its owner alone, and is gone with its recorder", async () => {
    const directory = newDirectory("plain");
    const asked: ControlRequest[] = [];
    const server = serve(directory, (request) => {
      asked.push(request);
      if (request.request === "snapshot")
        return { reply: "snapshot", files: [{ machine: "vm1", file: "a", bytes: 5 }] };
      return { reply: "status", status };
    });
    expect(statSync(`${base}/plain/.control`).mode & 0o7777).toBe(0o600);
    expect((await askRecorder(directory.path, { request: "status" })).status).toEqual(status);
    const { files } = await askRecorder(directory.path, { request: "snapshot", machine: "vm1" });
    expect(files).toEqual([{ machine: "vm1", file: "a", bytes: 5 }]);
    expect(asked).toEqual([{ request: "status" }, { request: "snapshot", machine: "vm1" }]);
    server.close();
    expect(directory.statusOf(".control")).toBeUndefined();
    expect((await refusal(directory, { request: "status" })).message).toContain("no recorder runs in");
  });

  testUnless(notRoot, "belongs to the group that may read the recording", () => {
    const directory = newDirectory("group");
    serve(directory, undefined, 61_002);
    const { mode, gid } = statSync(`${base}/group/.control`);
    expect({ mode: mode & 0o7777, gid }).toEqual({ mode: 0o660, gid: 61_002 });
  });

  test("works in a directory with a path longer than a socket's address", async () => {
    const directory = newDirectory(["a", "b", "c", "d", "e"].map((letter) => letter.repeat(40)).join("/"));
    serve(directory);
    expect((await askRecorder(directory.path, { request: "status" })).status.pid).toBe(7);
  });

  test("takes the place of a dead one, and not of a file", () => {
    const directory = newDirectory("dead");
    closeFd(bindIn(directory.fd, ".control"));
    expect(isListening(directory.path)).toBeFalse();
    serve(directory);
    expect(isListening(directory.path)).toBeTrue();
    const other = newDirectory("file");
    writeFileSync(`${base}/file/.control`, "a letter");
    expect(ControlServer.open(other, undefined, () => ({ reply: "status", status }))).toBeUndefined();
    expect(statSync(`${base}/file/.control`).size).toBe(8);
  });

  test("refuses what is no request and what is too long, and ends the connection", async () => {
    const directory = newDirectory("noise");
    serve(directory);
    const noise = [
      "hello\n",
      '{"request":"kill"}\n',
      `{"request":${"[".repeat(100)}\n`,
      "x".repeat(hostLimits.controlRequestBytes),
    ];
    for (const text of noise) {
      const client = new RawClient(directory);
      client.say(text);
      expect(JSON.parse(await client.heard())).toMatchObject({ reply: "error" });
    }
    // In pieces, and two at once.
    const client = new RawClient(directory);
    client.say('{"request":');
    client.say('"status","later":1}\n{"request":"status"}\n');
    await client.heard('}\n{"reply":"status"');
  });

  test("tells why it refuses, and what failed", async () => {
    const directory = newDirectory("refusals");
    serve(directory, ({ request }) => {
      if (request === "stop") throw new Error("a bug");
      throw new AgentError("usage", "not now", { remedy: "later" });
    });
    expect(await refusal(directory, { request: "snapshot" })).toMatchObject({
      message: expect.stringContaining("refused: not now"),
      remedy: "later",
    });
    expect((await refusal(directory, { request: "stop" })).message).toContain("refused: a bug");
  });

  test("serves more clients than it holds at once, one after the other", async () => {
    const directory = newDirectory("many");
    serve(directory);
    const idle = Array.from({ length: hostLimits.controlClients }, () => new RawClient(directory));
    const asked = askRecorder(directory.path, { request: "status" });
    await Bun.sleep(5 * hostLimits.controlTurnMs);
    for (const client of idle) client.say('{"request":"status"}x\n');
    await Promise.all(idle.map((client) => client.heard()));
    expect((await asked).status.pid).toBe(7);
  });

  test("keeps who asked for the end until it comes", async () => {
    const directory = newDirectory("end");
    const server = serve(directory, () => ({ reply: "stop" }));
    let ended = false;
    const stopped = askRecorder(directory.path, { request: "stop" }, { toEnd: true }).then(() => (ended = true));
    const watching = new RawClient(directory);
    watching.say('{"request":"stop"}\n');
    await watching.heard("stop");
    expect(ended).toBeFalse();
    server.close();
    await stopped;
    expect(await watching.heard()).toBe('{"reply":"stop"}\n');
  });
});

test("who asks for the end is answered, however soon it comes", async () => {
  const directory = newDirectory("at once");
  const server = serve(directory, () => {
    setTimeout(() => server.close());
    return { reply: "stop" };
  });
  expect(await askRecorder(directory.path, { request: "stop" }, { toEnd: true })).toEqual({ reply: "stop" });
});

describe("a connection", () => {
  function connected(): { client: number; connection: ControlConnection } {
    const directory = newDirectory(`connection-${Math.random()}`);
    const listening = bindIn(directory.fd, ".control");
    listenOn(listening, 1);
    const client = connectIn(directory.fd, ".control");
    const connection = new ControlConnection(acceptFrom(listening), async () => ({
      reply: "error",
      error: "x".repeat(1024 * 1024),
    }));
    closes({ close: () => [client, listening].forEach(closeFd) });
    closes(connection);
    return { client, connection };
  }

  test("is over when nothing is asked in time", () => {
    const { connection } = connected();
    expect(connection.serve(performance.now())).toBeTrue();
    expect(connection.serve(performance.now() + hostLimits.controlRequestMs + 1)).toBeFalse();
  });

  test("is over when its answer is not taken in time", async () => {
    const { client, connection } = connected();
    sendMessage(client, new Uint8Array(Buffer.from('{"request":"status"}\n')));
    connection.serve(performance.now());
    await Bun.sleep(0);
    expect(connection.serve(performance.now())).toBeTrue();
    expect(connection.serve(performance.now() + hostLimits.controlAnswerMs - 1_000)).toBeTrue();
    expect(connection.serve(performance.now() + hostLimits.controlAnswerMs + 1_000)).toBeFalse();
  });
});
