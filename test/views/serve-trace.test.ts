/** `open` against what other programs and pages of this machine may try while it waits for Perfetto's page. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { serveTrace, type TraceServer } from "../../src/views/serve-trace.ts";
import { executable } from "../support/agent-process.ts";
import { whyNoPerfettoPort, withPerfettoPort } from "../support/perfetto-port.ts";
import { readUntil } from "../support/read-until.ts";
import { testUnless } from "../support/test-unless.ts";

/** Runs of the executable take long on a loaded machine. */
setDefaultTimeout(300_000);

const directory = mkdtempSync(`${tmpdir()}/ta-serve-`);
afterAll(() => rmSync(directory, { recursive: true }));
const file = `${directory}/a trace&of%it.pftrace`;
/** Begins as a trace of Perfetto does. */
const content = Buffer.alloc(9 * 1024 * 1024, "\ntrace data ");
writeFileSync(file, content);
const page = "https://ui.perfetto.dev";

const placeOf = ({ address }: TraceServer): URL => new URL(address.replace(`${page}/#!/?url=`, ""));

/** The status of the answer to a request as given, whatever Host it names. */
async function statusOf(port: string, request: string): Promise<number> {
  const socket = connect(Number(port), "127.0.0.1");
  socket.write(`${request}\r\nConnection: close\r\n\r\n`);
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.once("data", (data: Buffer) => resolve(data.toString("latin1")));
  socket.once("error", () => resolve(""));
  const answer = await promise;
  socket.destroy();
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
}

describe("serveTrace()", () => {
  test("gives the file to Perfetto's page under an address that nobody can guess, and then ends", async () => {
    const [server, another] = [serveTrace(file, 0), serveTrace(file, 0)];
    const place = placeOf(server);
    expect(place.pathname).toMatch(/^\/[0-9a-f]{32}\//);
    expect(placeOf(another).pathname).not.toBe(place.pathname);
    another.stop();
    const asked = await fetch(place, { method: "OPTIONS", headers: { Origin: page } });
    expect([asked.status, asked.headers.get("access-control-allow-origin")]).toEqual([204, page]);
    const head = await fetch(place, { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe(`${content.length}`);
    const answer = await fetch(place, { headers: { Origin: page } });
    expect(answer.headers.get("access-control-allow-origin")).toBe(page);
    expect(Buffer.from(await answer.arrayBuffer()).equals(content)).toBe(true);
    await server.done;
    expect(
      await fetch(place).then(
        ({ status }) => status,
        () => "refused",
      ),
    ).toBe("refused");
  });

  test("refuses other paths, pages and names of hosts, none of which ends it", async () => {
    const server = serveTrace(file, 0);
    const { port, pathname, origin } = placeOf(server);
    const get = (path: string, ...headers: string[]): Promise<number> =>
      statusOf(port, [`GET ${path} HTTP/1.1`, ...headers].join("\r\n"));
    const host = `Host: 127.0.0.1:${port}`;
    for (const path of ["/", "/a%20trace%26of%25it.pftrace", `${pathname.slice(0, 20)}/x`, "/etc/passwd"])
      expect(await get(path, host)).toBe(404);
    expect(await get(pathname, "Host: evil.example")).toBe(421);
    expect(await get(pathname, `Host: evil.example:${port}`)).toBe(421);
    expect(await get(pathname, host, "Origin: https://evil.example")).toBe(403);
    expect(await get(pathname, host, "Origin: null")).toBe(403);
    expect(await get(pathname, host, "Origin: http://ui.perfetto.dev")).toBe(403);
    expect(await statusOf(port, `POST ${pathname} HTTP/1.1\r\n${host}\r\nContent-Length: 0`)).toBe(405);
    // One that breaks off is no end either.
    const half = await fetch(`${origin}${pathname}`);
    await half.body?.cancel();
    const whole = await fetch(`${origin}${pathname}`);
    expect(Buffer.from(await whole.arrayBuffer()).equals(content)).toBe(true);
    await server.done;
  });
});

const noPort = await whyNoPerfettoPort();

describe("trace-agent open", () => {
  const sends = async (): Promise<void> => {
    const process = Bun.spawn([executable, "open", file], { stdout: "pipe", stderr: "pipe" });
    try {
      const [, place = ""] = /url=(\S+)\n/.exec(await readUntil(process.stdout, /url=\S+\n/)) ?? [];
      const { promise, resolve } = Promise.withResolvers<number>();
      const { port, pathname, host } = new URL(place);
      const socket = connect(Number(port), "127.0.0.1");
      let bytes = 0;
      socket.on("data", (data: Buffer) => {
        bytes += data.length;
        socket.pause();
        setTimeout(() => socket.resume(), 2);
      });
      socket.on("close", () => resolve(bytes));
      socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      expect(await promise).toBeGreaterThan(content.length);
      expect(await process.exited).toBe(0);
    } finally {
      process.kill("SIGKILL");
    }
  };
  testUnless(noPort, "sends all of it to a slow reader before it ends", () => withPerfettoPort(sends));

  const handsOn = async (): Promise<void> => {
    const place = `${directory}/alone`;
    mkdirSync(place);
    writeFileSync(`${place}/x.pftrace`, "\nx");
    const process = Bun.spawn([executable, "open", `${place}/x.pftrace`], { stdout: "pipe", stderr: "pipe" });
    expect(await readUntil(process.stdout, /x\.pftrace/)).toContain("x.pftrace");
    process.kill("SIGTERM");
    expect(await process.exited).toBe(0);
    expect(existsSync(`${place}/x.pftrace.pftrace`)).toBe(false);
    expect(readFileSync(`${place}/x.pftrace`, "latin1")).toBe("\nx");
  };
  const beside = "makes nothing beside a trace that it only hands on, and ends on SIGTERM";
  testUnless(noPort, beside, () => withPerfettoPort(handsOn));
});
