/**
 * Serves one file to ui.perfetto.dev, which runs in the user's browser and may fetch from 127.0.0.1:9001 only.
 *
 * Every program and every page on this machine can reach that port. So the file has a path that nobody can guess,
 * known only from the page's address; Host must be one of our names (a foreign page may have its name resolve to
 * 127.0.0.1), and if the browser sends an Origin it must be Perfetto's. Other requests are refused and end nothing.
 */
import { statSync } from "node:fs";
import { basename } from "node:path";
import { AgentError, messageOf } from "../base/errors.ts";

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
  const secret = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex");
  const size = statSync(path).size;
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let server: Bun.Server<undefined>;
  try {
    server = Bun.serve({
      hostname: "127.0.0.1",
      port,
      fetch: (request) => {
        const refused = whyNot(request, secret, server.port ?? port);
        if (refused !== undefined) return new Response("", { status: refused });
        const headers = {
          "Access-Control-Allow-Origin": origin,
          "Access-Control-Allow-Private-Network": "true",
          "Cache-Control": "no-store",
          Connection: "close",
          "X-Content-Type-Options": "nosniff",
        };
        if (request.method === "OPTIONS") return new Response(null, { status: 204, headers });
        if (request.method === "HEAD")
          return new Response(null, { headers: { ...headers, "Content-Length": String(size) } });
        if (request.method !== "GET") return new Response("", { status: 405 });
        return new Response(notifyingStream(path, sent), {
          headers: { ...headers, "Content-Type": "application/octet-stream", "Content-Length": String(size) },
        });
      },
    });
  } catch (cause) {
    throw new AgentError("unavailable", `cannot listen on 127.0.0.1:${port}: ${messageOf(cause)}`, {
      remedy: "another trace is being opened, or trace_processor runs; end it",
      cause,
    });
  }
  // Data that the reader has not taken yet is still being sent when the last piece is passed on.
  const sent = (): void => void server.stop(false).then(() => resolve());
  const stop = (): void => void server.stop(true).then(() => resolve());
  const place = `http://127.0.0.1:${server.port}/${secret}/${encodeURIComponent(basename(path))}`;
  return { address: `${origin}/#!/?url=${place}`, done, stop };
}

/** The response status for anyone but the announced page; undefined for that page. */
function whyNot(request: Request, secret: string, port: number): number | undefined {
  const host = request.headers.get("host");
  if (host !== `127.0.0.1:${port}` && host !== `localhost:${port}`) return 421;
  const from = request.headers.get("origin");
  if (from !== null && from !== origin) return 403;
  return new URL(request.url).pathname.startsWith(`/${secret}/`) ? undefined : 404;
}
/** The file's bytes; `ended` is called when all were taken. */
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
