/**
 * The spool: a directory FILE.spool beside the recording to be, in which all of it lies until it is finished.
 *
 *     session.json     what was agreed at the start: hello and start replies, when, whose
 *     metadata         the body of the metadata reply before the start (gzip of JSON); metadata-end: after the stop
 *     cpuN             the stream of CPU N as it came
 *     end.json         the stop reply, or why there is none; only written by a recorder that came to an end
 *
 * A recorder that was killed leaves it behind, and `trace-agent recover` makes the trace.dat out of it.
 */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tryLock } from "../../ffi/lock.ts";
import { AgentError, messageOf } from "../errors.ts";
import { limits } from "../limits.ts";
import type { Metadata } from "../protocol/metadata.ts";
import { parseReply } from "../protocol/reply-parser.ts";
import type { HelloReply, StartReply, StopReply } from "../protocol/replies.ts";
import { readMetadata } from "./metadata-read.ts";

export type SpoolSession = { guest: string; traceId: bigint; hello?: HelloReply | undefined; start?: StartReply | undefined };
export type SpoolEnd = { stop?: StopReply | undefined; reason: string };
export type SpooledStream = { cpu: number; path: string; bytes: number };

export class Spool {
  readonly path: string;
  readonly #lockFd: number;

  private constructor(path: string, lockFd: number) {
    this.path = path;
    this.#lockFd = lockFd;
  }

  /** Makes the spool of the recording `output`. */
  static create(output: string): Spool {
    const path = `${output}.spool`;
    try {
      if (statSync(output, { throwIfNoEntry: false })?.isDirectory() === true) throw new Error("it is a directory");
      mkdirSync(path, { mode: 0o700 });
    } catch (cause) {
      const exists = cause instanceof Error && "code" in cause && cause.code === "EEXIST";
      if (exists) {
        throw new AgentError("io", `cannot record to "${output}": ${path} is there, of a recorder that runs or was killed`, {
          remedy: `trace-agent recover ${path} -o FILE, or remove it`,
        });
      }
      throw new AgentError("io", `cannot record to "${output}": ${messageOf(cause)}`, { cause });
    }
    return new Spool(path, lock(path));
  }

  /** Opens what a killed recorder left. */
  static open(path: string): Spool {
    try {
      readdirSync(path);
    } catch (cause) {
      throw new AgentError("io", `cannot open spool "${path}": ${messageOf(cause)}`, { cause });
    }
    return new Spool(path, lock(path));
  }

  streamPath(cpu: number): string {
    return `${this.path}/cpu${cpu}`;
  }

  writeSession(session: SpoolSession): void {
    this.#write("session.json", JSON.stringify({ ...session, version: 1, traceId: `${session.traceId}` }));
  }

  writeMetadata(when: "start" | "end", body: Uint8Array): void {
    this.#write(when === "start" ? "metadata" : "metadata-end", body);
  }

  writeEnd(end: SpoolEnd): void {
    this.#write("end.json", JSON.stringify(end));
  }

  readSession(): SpoolSession {
    const fields = this.#readJson("session.json");
    const hello = parseReply(JSON.stringify(fields?.["hello"] ?? null));
    const start = parseReply(JSON.stringify(fields?.["start"] ?? null));
    const { traceId, guest } = fields ?? {};
    return {
      guest: typeof guest === "string" ? guest : "unknown",
      traceId: typeof traceId === "string" && /^\d{1,20}$/.test(traceId) ? BigInt.asUintN(64, BigInt(traceId)) : 0n,
      hello: hello?.reply === "hello" ? hello : undefined,
      start: start?.reply === "start" ? start : undefined,
    };
  }

  readEnd(): SpoolEnd | undefined {
    const fields = this.#readJson("end.json");
    if (fields === undefined) return undefined;
    const stop = parseReply(JSON.stringify(fields["stop"] ?? null));
    const reason = typeof fields["reason"] === "string" ? fields["reason"] : "";
    return { stop: stop?.reply === "stop" ? stop : undefined, reason };
  }

  readMetadata(when: "start" | "end"): Metadata | undefined {
    const path = `${this.path}/${when === "start" ? "metadata" : "metadata-end"}`;
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    return readMetadata(readFileSync(path), "the guest");
  }

  streams(): SpooledStream[] {
    const streams: SpooledStream[] = [];
    for (const name of readdirSync(this.path)) {
      const digits = /^cpu(0|[1-9]\d{0,4})$/.exec(name)?.[1];
      const status = statSync(`${this.path}/${name}`, { throwIfNoEntry: false });
      if (digits === undefined || Number(digits) >= limits.cpusMax || status?.isFile() !== true) continue;
      streams.push({ cpu: Number(digits), path: `${this.path}/${name}`, bytes: status.size });
    }
    return streams.sort((a, b) => a.cpu - b.cpu);
  }

  remove(): void {
    this.close();
    rmSync(this.path, { recursive: true, force: true });
  }

  close(): void {
    closeSync(this.#lockFd);
  }

  #write(name: string, content: string | Uint8Array): void {
    try {
      writeFileSync(`${this.path}/${name}`, content);
    } catch (cause) {
      throw new AgentError("io", `cannot write "${this.path}/${name}": ${messageOf(cause)}`, { cause });
    }
  }

  #readJson(name: string): Record<string, unknown> | undefined {
    try {
      const value: unknown = JSON.parse(readFileSync(`${this.path}/${name}`, "utf8"));
      return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : undefined;
    } catch {
      return undefined;
    }
  }
}

function lock(path: string): number {
  const fd = openSync(`${path}/lock`, "a");
  if (tryLock(fd)) return fd;
  closeSync(fd);
  throw new AgentError("unavailable", `cannot use spool "${path}": a recorder still writes it`, { remedy: "stop that recorder; it makes the file itself" });
}
