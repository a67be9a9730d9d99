/** One reply line into a typed value, or undefined. After this no field needs another check. */
import { limits } from "../limits.ts";
import type { CpuState, CpuStatus, HelloReply, PortState, Reply, RunState, StreamPosition } from "./replies.ts";

type Fields = Record<string, unknown>;

class Malformed extends Error {}

export function parseReply(line: string): Reply | undefined {
  try {
    return readReply(fields(JSON.parse(line)));
  } catch (error) {
    if (error instanceof Malformed || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function readReply(from: Fields): Reply {
  switch (from["reply"]) {
    case "hello":
      return readHello(from);
    case "start":
      return { reply: "start", state: runState(from["state"]), streams: list(from["streams"], position) };
    case "stop": {
      const streams = list(from["streams"], (item) => Object.assign(position(item), { lostBytes: count(item["lostBytes"] ?? 0) }));
      return { reply: "stop", state: runState(from["state"]), streams };
    }
    case "status":
      return {
        reply: "status",
        state: runState(from["state"]),
        repliesDropped: count(from["repliesDropped"] ?? 0),
        cpus: list(from["cpus"], readStatus),
      };
    case "metadata":
      if (from["encoding"] !== "gzip") throw new Malformed();
      return { reply: "metadata", bytes: count(from["bytes"], limits.metadataPackedBytes), encoding: "gzip" };
    case "set":
      return { reply: "set", key: text(from["key"]), value: longText(from["value"]), previous: longText(from["previous"]) };
    case "error":
      return { reply: "error", order: text(from["order"]), error: text(from["error"]) };
    default:
      throw new Malformed();
  }
}

function readHello(from: Fields): HelloReply {
  const longSize = count(from["longSize"], 8);
  if (from["agent"] !== "trace-agent" || (longSize !== 4 && longSize !== 8)) throw new Malformed();
  return {
    reply: "hello",
    nonce: text(from["nonce"]),
    agent: "trace-agent",
    version: text(from["version"]),
    protocol: count(from["protocol"]),
    hostname: text(from["hostname"]),
    kernel: text(from["kernel"]),
    machine: text(from["machine"]),
    state: runState(from["state"]),
    clock: text(from["clock"]),
    pageSize: count(from["pageSize"], limits.subBufferMaxBytes),
    subBufferSize: atLeast(1024, count(from["subBufferSize"], limits.subBufferMaxBytes)),
    longSize,
    cpus: list(from["cpus"], (item) => ({
      cpu: cpu(item["cpu"]),
      port: portState(item["port"]),
      state: cpuState(item["state"]),
      bytes: count(item["bytes"]),
    })),
  };
}

function readStatus(item: Fields): CpuStatus {
  return {
    cpu: cpu(item["cpu"]),
    state: cpuState(item["state"]),
    port: portState(item["port"]),
    bytes: count(item["bytes"]),
    subBuffers: Math.floor(count(item["subBuffers"])),
    entries: count(item["entries"]),
    overrun: count(item["overrun"]),
    commitOverrun: count(item["commitOverrun"]),
    droppedEvents: count(item["droppedEvents"]),
    readEvents: count(item["readEvents"]),
    lostBytes: count(item["lostBytes"]),
    backpressure: count(item["backpressure"]),
    restarts: count(item["restarts"]),
  };
}

function position(item: Fields): StreamPosition {
  return { cpu: cpu(item["cpu"]), bytes: count(item["bytes"]) };
}

function fields(value: unknown): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Malformed();
  return Object.fromEntries(Object.entries(value));
}

/** Each CPU at most once. */
function list<T extends { cpu: number }>(value: unknown, read: (item: Fields) => T): T[] {
  if (!Array.isArray(value) || value.length > limits.cpusMax) throw new Malformed();
  const items = value.map((item) => read(fields(item)));
  if (new Set(items.map((item) => item.cpu)).size !== items.length) throw new Malformed();
  return items;
}

function count(value: unknown, most = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== "number" || !(value >= 0 && value <= most)) throw new Malformed();
  return value;
}

function atLeast(least: number, value: number): number {
  if (value < least || !Number.isSafeInteger(value)) throw new Malformed();
  return value;
}

function cpu(value: unknown): number {
  const number = count(value, limits.cpusMax - 1);
  if (!Number.isSafeInteger(number)) throw new Malformed();
  return number;
}

/** A guest's text may end on a terminal: nothing of it may steer one. */
function text(value: unknown): string {
  return longText(value).slice(0, limits.guestTextChars);
}

function longText(value: unknown): string {
  if (typeof value !== "string" || value.length > limits.orderLineBytes) throw new Malformed();
  return value.replaceAll(/[^\x20-\x7e]/g, "?");
}

function oneOf<T extends string>(known: readonly T[], value: unknown): T {
  const found = known.find((word) => word === value);
  if (found === undefined) throw new Malformed();
  return found;
}

const runState = (value: unknown): RunState => oneOf(["armed", "running"], value);
const cpuState = (value: unknown): CpuState => oneOf(["armed", "running", "parked", "failed"], value);
const portState = (value: unknown): PortState => oneOf(["open", "closed", "absent"], value);
