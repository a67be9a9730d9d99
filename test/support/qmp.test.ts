/** The connection to QEMU's monitor, whose other end is a server of the test. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Qmp } from "./qmp.ts";

test("when QEMU has ended, what is asked of it fails at once, and so does a wait for its events", async () => {
  const folder = mkdtempSync(join(tmpdir(), "trace-agent-qmp-"));
  const path = join(folder, "qmp.sock");
  const server = createServer((socket) => {
    socket.setEncoding("utf8");
    socket.on("data", (line: string) => {
      const { execute, id } = JSON.parse(line) as { execute: string; id: number };
      if (execute === "quit") socket.destroy();
      else socket.write(`${JSON.stringify({ return: {}, id })}\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    const qmp = await Qmp.connect(path, new AbortController().signal);
    expect(await qmp.execute("query-status")).toEqual({});
    const ends = async (calls: Promise<unknown>[]): Promise<string[]> =>
      (await Promise.allSettled(calls)).map((call) => (call.status === "rejected" ? String(call.reason) : "an answer"));
    const ended = expect.stringContaining("QEMU closed the connection");
    const wait = (): Promise<unknown> => qmp.event("SHUTDOWN", 200_000);
    expect(await ends([qmp.execute("quit"), wait()])).toEqual([ended, ended]);
    expect(await ends([qmp.execute("query-status"), wait()])).toEqual([ended, ended]);
  } finally {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
