/**
 * Serves Perfetto's UI and a trace from one origin on 127.0.0.1: nothing is fetched from anywhere else.
 *
 * Every program and every page on this machine can reach the port. So all paths begin with one that nobody can guess; Host must be
 * one of our names (a foreign page may have its name resolve to 127.0.0.1); where the browser says which site asks (Sec-Fetch-Site),
 * it must be this one, or a person who opened the address; and the UI itself may connect to this origin alone.
 */
import { statSync } from "node:fs";
import { basename } from "node:path";
import { AgentError, messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { contentTypeOf } from "./content-type.ts";
import type { UiFiles } from "./ui-files.ts";

/** Scripts, styles and workers as the UI makes them (it compiles wasm), and no other origin: no telemetry, no fonts of others. */
const policy =
  "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; frame-ancestors 'none'";
const fixedHeaders = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": policy,
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

export type UiServer = {
  /** The page, with the trace that it opens. */
  address: string;
  /** Resolves when it was stopped. */
  done: Promise<void>;
  stop: () => void;
};

/** `files` are closed with it. Throws an AgentError. */
export function serveUi(trace: string, files: UiFiles): UiServer {
  const secret = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex");
  const place = `/${secret}/trace/${encodeURIComponent(basename(trace))}`;
  const ui = `/${secret}/ui/`;
  const bodyOf = (path: string): { body: Body; type: string } | undefined => {
    if (path === place) return { body: traceBody(trace), type: "application/octet-stream" };
    if (!path.startsWith(ui)) return undefined;
    const name = decoded(path.slice(ui.length)) || "index.html";
    const bytes = files.read(name);
    return bytes === undefined ? undefined : { body: bytesBody(bytes), type: contentTypeOf(name) };
  };
  const answer = (request: Request, port: number): Response => {
    const status = whyNot(request, secret, port);
    if (status !== undefined) return new Response("", { status });
    try {
      const found = bodyOf(new URL(request.url).pathname);
      return found === undefined ? new Response("", { status: 404 }) : respond(request, found.body, found.type);
    } catch (error) {
      log.warn(messageOf(error));
      return new Response("", { status: 500 });
    }
  };
  let server: Bun.Server<undefined>;
  try {
    server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => answer(request, server.port ?? 0) });
  } catch (cause) {
    throw new AgentError("unavailable", `cannot listen on 127.0.0.1: ${messageOf(cause)}`, { cause });
  }
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const stop = (): void =>
    void server.stop(true).then(() => {
      files.close();
      resolve();
    });
  const origin = `http://127.0.0.1:${server.port}`;
  // The page decodes the parameter before it fetches it.
  return { address: `${origin}${ui}#!/?url=${origin}${place.replaceAll("%", "%25")}`, done, stop };
}

/** The response status for anyone but the announced page. */
function whyNot(request: Request, secret: string, port: number): number | undefined {
  const host = request.headers.get("host");
  if (host !== `127.0.0.1:${port}` && host !== `localhost:${port}`) return 421;
  const from = request.headers.get("origin");
  if (from !== null && from !== `http://${host}`) return 403;
  const site = request.headers.get("sec-fetch-site");
  const isOpenedByPerson = site === "none" && request.headers.get("sec-fetch-mode") === "navigate";
  if (site !== null && site !== "same-origin" && !isOpenedByPerson) return 403;
  // It would stay in the browser, and answer for whatever listens on this port later.
  if (request.headers.has("service-worker")) return 404;
  if (request.method !== "GET" && request.method !== "HEAD") return 405;
  return new URL(request.url).pathname.startsWith(`/${secret}/`) ? undefined : 404;
}

type Body = { bytes: number; part: (from: number, to: number) => Bun.BodyInit };

function traceBody(path: string): Body {
  return { bytes: statSync(path).size, part: (from, to) => Bun.file(path).slice(from, to) };
}

function bytesBody(bytes: Uint8Array<ArrayBuffer>): Body {
  return { bytes: bytes.length, part: (from, to) => bytes.subarray(from, to) };
}

function respond(request: Request, { bytes, part }: Body, type: string): Response {
  const headers = { ...fixedHeaders, "Accept-Ranges": "bytes", "Content-Type": type };
  const range = rangeOf(request.headers.get("range"), bytes);
  if (range === "none")
    return new Response("", { status: 416, headers: { ...headers, "Content-Range": `bytes */${bytes}` } });
  const { from, to } = range ?? { from: 0, to: bytes };
  const length = { "Content-Length": String(to - from) };
  const place = range === undefined ? undefined : { "Content-Range": `bytes ${from}-${to - 1}/${bytes}` };
  return new Response(request.method === "HEAD" ? null : part(from, to), {
    status: range === undefined ? 200 : 206,
    headers: { ...headers, ...length, ...place },
  });
}

/** One range (RFC 9110, 14.1.2); of several all is sent, as the RFC allows. */
function rangeOf(header: string | null, bytes: number): { from: number; to: number } | "none" | undefined {
  const [, first = "", last = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? [];
  if (first === "" && last === "") return undefined;
  const from = first === "" ? Math.max(0, bytes - Number(last)) : Number(first);
  const to = first === "" || last === "" ? bytes : Math.min(bytes, Number(last) + 1);
  return from < to ? { from, to } : "none";
}

/** Of what is no text a name that no file has. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return "\ufffd";
  }
}
