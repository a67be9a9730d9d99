/**
 * Hands one file to ui.perfetto.dev, which runs in the user's browser and may fetch from 127.0.0.1:9001 only. Listens there
 * until the file has been fetched once, and answers nothing but that.
 */
import { statSync } from "node:fs";
import { basename } from "node:path";
import { AgentError, messageOf } from "../errors.ts";

const origin = "https://ui.perfetto.dev";
/** The port that the page's content policy allows. */
export const perfettoPort = 9001;

export type TraceServer = {
  /** The page that opens the file. */
  address: string;
  /** Resolves when the file was sent, or the server stopped. */
  done: Promise<void>;
  stop: () => void;
};

/** Throws an AgentError. */
export function serveTrace(path: string, port = perfettoPort): TraceServer {
  const name = encodeURIComponent(basename(path));
  const size = statSync(path).size;
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let server: Bun.Server<undefined>;
  try {
    server = Bun.serve({
      hostname: "127.0.0.1",
      port,
      fetch: (request) => {
        const headers = { "Access-Control-Allow-Origin": origin, "Access-Control-Allow-Private-Network": "true", "Cache-Control": "no-cache" };
        if (new URL(request.url).pathname !== `/${name}`) return new Response("", { status: 404 });
        if (request.method === "OPTIONS") return new Response(null, { status: 204, headers });
        if (request.method === "HEAD") return new Response(null, { headers: { ...headers, "Content-Length": String(size) } });
        if (request.method !== "GET") return new Response("", { status: 405 });
        return new Response(notifyingStream(path, stop), { headers: { ...headers, "Content-Type": "application/octet-stream", "Content-Length": String(size) } });
      },
    });
  } catch (cause) {
    throw new AgentError("unavailable", `cannot listen on 127.0.0.1:${port}: ${messageOf(cause)}`, {
      remedy: "another trace is being opened, or trace_processor runs; end it",
      cause,
    });
  }
  const stop = (): void => {
    // What is being sent is sent to its end.
    void server.stop(false);
    resolve();
  };
  return { address: `${origin}/#!/?url=http://127.0.0.1:${server.port}/${name}`, done, stop };
}

/** The file's bytes; `ended` is called when all of them were taken. */
function notifyingStream(path: string, ended: () => void): ReadableStream<Uint8Array> {
  const reader = Bun.file(path).stream().getReader();
  return new ReadableStream({
    pull: async (controller) => {
      const { done, value } = await reader.read();
      if (done) {
        controller.close();
        ended();
      } else controller.enqueue(value);
    },
    cancel: async () => await reader.cancel(),
  });
}
