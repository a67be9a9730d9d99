/**
 * Perfetto's own trace_processor, as WebAssembly: loads traces and answers SQL. Run as a program of its own, since it
 * needs globals that a page has: `bun trace-processor.ts ASSETS`, with a JSON list of { trace: PATH, queries } on stdin; a JSON list
 * with the lists of rows of each on stdout.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import vm from "node:vm";
import { appendData, decodeQueryResult, finalize, query, reset, type Row, splitStream } from "./rpc.ts";

type Bridge = {
  reqBufferAddr?: number;
  messagePort?: { postMessage: (data: Uint8Array) => void };
  onMessage: (message: { data: Uint8Array }) => void;
};

const loadTimeoutMs = 240_000;
const chunkBytes = 16 * 1024 * 1024;

async function loadBridge(assets: string): Promise<Bridge> {
  const scope = globalThis as Record<string, unknown>;
  scope["self"] = globalThis;
  scope["WorkerGlobalScope"] = function WorkerGlobalScope() {};
  Object.defineProperty(globalThis, "location", { value: { href: `file://${assets}/` }, configurable: true });
  scope["wasmBytes"] = new Uint8Array(readFileSync(join(assets, "trace_processor.wasm")));
  let source = readFileSync(join(assets, "engine_bundle.node.js"), "utf8");
  const edits = [
    ["this.useMemory64 = hasMemory64Support();", "this.useMemory64 = false;"],
    ["locateFile: (s) => s,", "locateFile: (s) => s, wasmBinary: globalThis.wasmBytes,"],
    [
      "const wasmBridge = new wasm_bridge_1.WasmBridge();",
      "const wasmBridge = new wasm_bridge_1.WasmBridge(); globalThis.bridge = wasmBridge;",
    ],
  ] as const;
  for (const [from, to] of edits) {
    if (!source.includes(from)) throw new Error(`trace_processor's glue has no "${from}"`);
    source = source.replace(from, to);
  }
  vm.runInThisContext(source, { filename: "engine_bundle.js" });
  const bridge = scope["bridge"] as Bridge;
  const until = performance.now() + loadTimeoutMs;
  while (bridge.reqBufferAddr === undefined) {
    if (performance.now() > until) throw new Error("trace_processor did not start");
    await Bun.sleep(10);
  }
  return bridge;
}

async function main(assets: string): Promise<void> {
  const questions = JSON.parse(await Bun.stdin.text()) as { trace: string; queries: string[] }[];
  const bridge = await loadBridge(assets);
  let replies: Uint8Array[] = [];
  bridge.messagePort = { postMessage: (data) => void replies.push(data.slice()) };
  const call = (request: Uint8Array): Uint8Array[] => {
    replies = [];
    bridge.onMessage({ data: request });
    return splitStream(replies);
  };
  const results = questions.map(({ trace, queries }, index): Row[][] => {
    if (index > 0) call(reset());
    const bytes = readFileSync(trace);
    for (let at = 0; at < bytes.length; at += chunkBytes) call(appendData(bytes.subarray(at, at + chunkBytes)));
    call(finalize());
    return queries.map((sql) => decodeQueryResult(call(query(sql)), sql));
  });
  process.stdout.write(JSON.stringify(results));
}

const [assets = ""] = process.argv.slice(2);
// What the module logs on stdout is no answer.
console.log = (...parts: unknown[]) => console.error(...parts);
await main(assets);
process.exit(0);
