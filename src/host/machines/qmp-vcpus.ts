/**
 * Asks a QEMU for the threads of its vCPUs, over a QMP socket that the user names (qemu's qmp-spec; query-cpus-fast). Nothing
 * else is ordered. What comes back is bounded in time and size.
 */
import { connect } from "node:net";
import { AgentError, messageOf } from "../../base/errors.ts";
import { parseBoundedJson } from "../../base/bounded-json.ts";
import { tracefsLimits } from "../../tracefs/limits.ts";
import { hostLimits } from "../limits.ts";

const orders = ['{"execute":"qmp_capabilities"}\n', '{"execute":"query-cpus-fast"}\n'];
const bounds = { depthMax: 16, valuesMax: tracefsLimits.cpusMax * 32 };

/** By CPU; -1 for one that is not told. Throws an AgentError. */
export async function qmpVcpus(path: string): Promise<number[]> {
  const { promise, resolve, reject } = Promise.withResolvers<number[]>();
  const fail = (why: string, cause?: unknown): void =>
    reject(
      new AgentError("unavailable", `cannot ask QEMU at "${path}" for its vCPUs: ${why}`, {
        remedy: "name a socket of -qmp unix:PATH,server=on,wait=off that nobody else uses",
        cause,
      }),
    );
  const socket = connect(path);
  const timer = setTimeout(() => fail(`no answer for ${hostLimits.qmpAnswerMs / 1000} s`), hostLimits.qmpAnswerMs);
  let text = "";
  let sent = 0;
  socket.setEncoding("latin1");
  socket.on("error", (error) => fail(messageOf(error), error));
  socket.on("close", () => fail("it closed the connection"));
  socket.on("data", (part: string) => {
    text += part;
    if (text.length > hostLimits.qmpAnswerBytes) fail("its answer is too long");
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      const answer = objectIn(line);
      if ("error" in answer) fail("it refused");
      else if (sent === orders.length && Array.isArray(answer["return"])) resolve(threadsIn(answer["return"]));
      else if ("QMP" in answer || "return" in answer) socket.write(orders[sent++] ?? "");
    }
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

function threadsIn(cpus: readonly unknown[]): number[] {
  const threads = new Map<number, number>();
  for (const cpu of cpus) {
    const { "cpu-index": index, "thread-id": thread } = fieldsOf(cpu);
    if (!Number.isSafeInteger(index) || !Number.isSafeInteger(thread)) continue;
    if (Number(index) >= 0 && Number(index) < tracefsLimits.cpusMax) threads.set(Number(index), Number(thread));
  }
  return Array.from({ length: Math.max(-1, ...threads.keys()) + 1 }, (_, index) => threads.get(index) ?? -1);
}

function objectIn(line: string): Record<string, unknown> {
  try {
    return fieldsOf(parseBoundedJson(line, bounds));
  } catch {
    return {};
  }
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}
