/** `open --ui`: a stand-in for Perfetto's UI, of the shape of its release, in a browser; and what others may try meanwhile. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { serveUi, type UiServer } from "../../../src/views/perfetto-ui/serve-ui.ts";
import { openUiFiles } from "../../../src/views/perfetto-ui/ui-files.ts";
import { executable } from "../../support/agent-process.ts";
import { openTab, startBrowser, whyNoBrowser } from "../../support/browser.ts";
import { readUntil } from "../../support/read-until.ts";
import { testUnless } from "../../support/test-unless.ts";
import { zipFile } from "../../support/zip-file.ts";

/** The browser takes long to start on a loaded machine. */
setDefaultTimeout(300_000);

const directory = mkdtempSync(`${tmpdir()}/ta-ui-`);
const zip = `${directory}/perfetto-ui.zip`;
const trace = `${directory}/a trace&of%it#1.pftrace`;
/** Begins as a trace of Perfetto does. */
const content = Buffer.alloc(3 * 1024 * 1024, "\ntrace data ");
const version = "v58.0-0123abcd";
/** (module (func (export "answer") (result i32) i32.const 42)) */
const wasm = Buffer.from("0061736d010000000105016000017f03020100070a0106616e7377657200000a06010400412a0b", "hex");

const page = `<!doctype html><html><head><meta charset="utf-8"><script>
const script = document.createElement("script");
script.src = "${version}/frontend_bundle.js";
document.head.append(script);
</script></head><body><pre>loading</pre></body></html>`;
/** What the UI does at its start: styles, a font, wasm in a worker, the trace; and what must not work. */
const bundle = `
const root = document.currentScript.src.replace(/[^/]*$/, "");
const failed = (what) => what.then(() => "reached", () => "refused");
(async () => {
  const css = Object.assign(document.createElement("link"), { rel: "stylesheet", href: root + "perfetto.css" });
  document.head.append(css);
  await new Promise((resolve) => (css.onload = resolve));
  const worker = new Worker(root + "engine_bundle.js");
  const answer = await new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
  const url = new URLSearchParams(location.hash.slice("#!/?".length)).get("url");
  const got = await (await fetch(url)).arrayBuffer();
  document.title = JSON.stringify({
    colour: getComputedStyle(document.body).backgroundColor,
    answer,
    bytes: got.byteLength,
    head: new Uint8Array(got)[0],
    name: url.split("/").pop(),
    elsewhere: await failed(fetch("http://127.0.0.1:1/")),
    service: await failed(navigator.serviceWorker.register(root + "service_worker.js")),
  });
})();`;
const engine = `WebAssembly.instantiateStreaming(fetch("trace_processor.wasm")).then(
  ({ instance }) => postMessage(instance.exports.answer()), (error) => postMessage(String(error)));`;

beforeAll(() => {
  writeFileSync(trace, content);
  writeFileSync(
    zip,
    zipFile([
      { name: "index.html", content: page },
      { name: "service_worker.js", content: "" },
      { name: `${version}/`, content: "", stored: true },
      { name: `${version}/frontend_bundle.js`, content: bundle },
      { name: `${version}/frontend_bundle.js.map`, content: "{}" },
      { name: `${version}/engine_bundle.js`, content: engine },
      { name: `${version}/service_worker.js`, content: "" },
      { name: `${version}/trace_processor.wasm`, content: wasm },
      { name: `${version}/perfetto.css`, content: "body { background: rgb(1, 2, 3) }" },
      { name: `${version}/assets/Roboto.woff2`, content: "wOF2", stored: true },
      { name: `${version}/assets/logo.png`, content: "png", stored: true },
      { name: `${version}/assets/broken.svg`, content: "<svg/>", crc: 1 },
    ]),
  );
});
afterAll(() => rmSync(directory, { recursive: true }));

async function withServer(work: (server: UiServer, ui: string) => Promise<void>): Promise<void> {
  const server = serveUi(trace, openUiFiles(zip));
  try {
    await work(server, server.address.slice(0, server.address.indexOf("#")));
  } finally {
    server.stop();
    await server.done;
  }
}

/** The status of the answer to a request as given, whatever its headers are. */
async function statusOf(port: string, lines: readonly string[]): Promise<number> {
  const socket = connect(Number(port), "127.0.0.1");
  socket.write(`${lines.join("\r\n")}\r\nConnection: close\r\n\r\n`);
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.once("data", (data: Buffer) => resolve(data.toString("latin1")));
  socket.once("error", () => resolve(""));
  const answer = await promise;
  socket.destroy();
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
}

const noBrowser = await whyNoBrowser();

describe("serveUi()", () => {
  test("gives each file with its type, in parts too, and says so to HEAD", () =>
    withServer(async (server, ui) => {
      const types: [string, string][] = [
        ["", "text/html; charset=utf-8"],
        [`${version}/frontend_bundle.js`, "text/javascript; charset=utf-8"],
        [`${version}/frontend_bundle.js.map`, "application/json"],
        [`${version}/trace_processor.wasm`, "application/wasm"],
        [`${version}/perfetto.css`, "text/css; charset=utf-8"],
        [`${version}/assets/Roboto.woff2`, "font/woff2"],
        [`${version}/assets/logo.png`, "image/png"],
      ];
      for (const [name, type] of types) {
        const answer = await fetch(ui + name);
        expect([name, answer.status, answer.headers.get("content-type")]).toEqual([name, 200, type]);
        expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
        await answer.arrayBuffer();
      }
      const whole = await fetch(`${ui}${version}/trace_processor.wasm`);
      expect(Buffer.from(await whole.arrayBuffer())).toEqual(wasm);
      const place = decodeURIComponent(server.address.replace(/^.*url=/, ""));
      const head = await fetch(place, { method: "HEAD" });
      expect(head.headers.get("content-length")).toBe(`${content.length}`);
      const part = await fetch(place, { headers: { Range: "bytes=1-5" } });
      expect([part.status, await part.text()]).toEqual([206, "trace"]);
      expect(part.headers.get("content-range")).toBe(`bytes 1-5/${content.length}`);
      expect((await fetch(place, { headers: { Range: "bytes=-3" } })).headers.get("content-length")).toBe("3");
      expect((await fetch(place, { headers: { Range: `bytes=${content.length}-` } })).status).toBe(416);
      expect(Buffer.from(await (await fetch(place)).arrayBuffer()).equals(content)).toBe(true);
      for (const name of ["nothing", "..%2f..%2fetc%2fpasswd", "%ff", "a/../index.html%00"])
        expect([name, (await fetch(ui + name)).status]).toEqual([name, 404]);
      expect((await fetch(`${ui}${version}/assets/broken.svg`)).status).toBe(500);
    }));

  test("refuses other paths, names of hosts, sites and methods, and workers that would stay", () =>
    withServer(async (_, ui) => {
      const { port, pathname } = new URL(ui);
      const host = `Host: 127.0.0.1:${port}`;
      const get = (...headers: string[]): Promise<number> => statusOf(port, [`GET ${pathname} HTTP/1.1`, ...headers]);
      expect(pathname).toMatch(/^\/[0-9a-f]{32}\/ui\/$/);
      expect(await get(host)).toBe(200);
      expect(await get(host, "Sec-Fetch-Site: same-origin")).toBe(200);
      expect(await get(host, "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate")).toBe(200);
      for (const site of ["cross-site", "same-site", "none", "anything"])
        expect(await get(host, `Sec-Fetch-Site: ${site}`)).toBe(403);
      expect(await get(host, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate")).toBe(403);
      expect(await get("Host: evil.example")).toBe(421);
      expect(await get(`Host: evil.example:${port}`)).toBe(421);
      expect(await get(host, "Origin: https://ui.perfetto.dev")).toBe(403);
      expect(await get(host, "Origin: null")).toBe(403);
      expect(await get(host, "Service-Worker: script")).toBe(404);
      for (const path of ["/", "/ui/", "/index.html", `/${"0".repeat(32)}/ui/`])
        expect(await statusOf(port, [`GET ${path} HTTP/1.1`, host])).toBe(404);
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS"])
        expect(await statusOf(port, [`${method} ${pathname} HTTP/1.1`, host, "Content-Length: 0"])).toBe(405);
    }));
});

describe("trace-agent open --ui", () => {
  testUnless(noBrowser, "opens the UI and the trace in a browser, and lets the UI reach nothing else", async () => {
    const opened = Bun.spawn([executable, "open", "--ui", zip, trace], { stdout: "pipe", stderr: "pipe" });
    const browser = await startBrowser();
    try {
      const [, address = ""] = /(http:\S+)\n/.exec(await readUntil(opened.stdout, /http:\S+\n/)) ?? [];
      const tab = await openTab(browser);
      for (const visit of ["first", "again"]) {
        await tab.goto(address);
        await tab.waitForFunction("document.title !== ''");
        expect([visit, JSON.parse(await tab.title())]).toEqual([
          visit,
          {
            colour: "rgb(1, 2, 3)",
            answer: 42,
            bytes: content.length,
            head: 10,
            name: encodeURIComponent("a trace&of%it#1.pftrace"),
            elsewhere: "refused",
            service: "refused",
          },
        ]);
        await tab.goto("about:blank");
      }
      opened.kill("SIGTERM");
      expect(await opened.exited).toBe(0);
    } finally {
      await browser.close();
      opened.kill("SIGKILL");
    }
  });

  test("says what is wrong with the UI before it exports", async () => {
    writeFileSync(`${directory}/bad.zip`, "no zip");
    const opened = Bun.spawn([executable, "open", "--ui", `${directory}/bad.zip`, trace], { stderr: "pipe" });
    expect(await opened.stderr.text()).toContain(`cannot use "${directory}/bad.zip": it is no zip archive`);
    expect(await opened.exited).toBe(65);
  });
});
