/** What a QEMU says of its vCPUs, whoever answers at its socket. */
import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { qmpVcpus } from "../../../src/host/machines/qmp-vcpus.ts";

const base = mkdtempSync(`${tmpdir()}/ta-qmp-`);
const servers: Server[] = [];
let count = 0;
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => rmSync(base, { recursive: true }));

/** Answers each order by the next of these. */
async function serve(greeting: string, answers: readonly string[]): Promise<{ path: string; heard: string[] }> {
  const path = `${base}/${++count}.sock`;
  const heard: string[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write(greeting);
    socket.on("data", (data) => {
      heard.push(data.toString().trim());
      socket.write(answers[heard.length - 1] ?? "");
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { path, heard };
}

function errorOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "no error",
    (error: unknown) => String(error),
  );
}

const hello = '{"QMP":{"version":{},"capabilities":["oob"]}}\r\n';

test("threads come in the order of the vCPUs, and events between the answers are passed over", async () => {
  const cpus = [3, 0, 1].map((index) => ({ "cpu-index": index, "thread-id": 4000 + index, props: {} }));
  const event = '{"event":"RTC_CHANGE","data":{"offset":0}}\r\n';
  const { path, heard } = await serve(hello, [
    `${event}{"return":{}}\r\n`,
    `${event}${JSON.stringify({ return: cpus })}\r\n`,
  ]);
  expect(await qmpVcpus(path)).toEqual([4000, 4001, -1, 4003]);
  expect(heard).toEqual(['{"execute":"qmp_capabilities"}', '{"execute":"query-cpus-fast"}']);
});

test.each([
  ["a refusal", hello, ['{"error":{"class":"CommandNotFound"}}\n'], "it refused"],
  ["lines without end", hello, ["x".repeat(8 * 2 ** 20)], "its answer is too long"],
])("%s is told as an error", async (_, greeting, answers, message) => {
  const { path } = await serve(greeting, answers);
  expect(await errorOf(qmpVcpus(path))).toContain(message);
});

test("a socket where nobody listens is told as an error", async () => {
  expect(await errorOf(qmpVcpus(`${base}/none.sock`))).toContain("cannot ask QEMU at");
});
