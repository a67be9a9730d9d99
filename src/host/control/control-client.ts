/** Asks the recorder of a directory, over its control socket. */
import { E, SystemError } from "../../../ffi/errno.ts";
import { closeFd, readInto } from "../../../ffi/fd.ts";
import { connectIn, sendMessage } from "../../../ffi/socket.ts";
import { Directory, placeError } from "../../base/directory.ts";
import { AgentError, isDenied, messageOf } from "../../base/errors.ts";
import { foreignText } from "../../base/foreign-text.ts";
import { isSession } from "../../trace-dat/session/is-session.ts";
import { sessionControl } from "../../trace-dat/session/names.ts";
import { hostLimits } from "../limits.ts";
import { type ControlReply, type ControlRequest, parseControlReply } from "./messages.ts";

type Answer<Kind extends ControlReply["reply"]> = Extract<ControlReply, { reply: Kind }>;

/** Throws an AgentError where no recorder answers, or it refuses. `toEnd`: returns when the recorder has ended. */
export async function askRecorder<Kind extends ControlRequest["request"] & ControlReply["reply"]>(
  path: string,
  request: Extract<ControlRequest, { request: Kind }>,
  { waitMs = hostLimits.controlWaitMs, toEnd = false }: { waitMs?: number; toEnd?: boolean } = {},
): Promise<Answer<Kind>> {
  const fd = await connectTo(path, waitMs);
  try {
    // A request is smaller than what a socket holds.
    const sent = sendMessage(fd, new Uint8Array(Buffer.from(`${JSON.stringify(request)}\n`)));
    if (sent < 0) throw noAnswer(path);
    const line = await readLine(fd, path, waitMs);
    const reply = parseControlReply(line);
    if (reply === undefined) throw new AgentError("io", `the recorder of "${path}" gave no answer that is understood`);
    if (reply.reply === "error")
      throw new AgentError(
        "unavailable",
        `the recorder of "${path}" refused: ${foreignText(reply.error)}`,
        reply.remedy === undefined ? {} : { remedy: foreignText(reply.remedy) },
      );
    if (reply.reply !== request.request) throw noAnswer(path);
    if (toEnd) await untilClosed(fd);
    // It was compared with the request.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return reply as Answer<Kind>;
  } finally {
    closeFd(fd);
  }
}

/** Whether a recorder listens in the directory now. `denied`: whether one does of which this user may not ask that. */
export function isListening(path: string, denied = true): boolean {
  let directory: Directory | undefined;
  try {
    directory = Directory.openToRead(path);
    closeFd(connectIn(directory.fd, sessionControl));
    return true;
  } catch (error) {
    // One that is busy has a full queue of clients.
    if (!(error instanceof SystemError)) return false;
    return error.errno === E.EAGAIN || (denied && error.errno === E.EACCES);
  } finally {
    directory?.close();
  }
}

async function connectTo(path: string, waitMs: number): Promise<number> {
  let directory: Directory;
  try {
    directory = Directory.openToRead(path);
  } catch (cause) {
    throw placeError(path, "ask the recorder of", cause);
  }
  try {
    for (const endMs = performance.now() + waitMs; ; await Bun.sleep(hostLimits.controlRetryMs)) {
      try {
        return connectIn(directory.fd, sessionControl);
      } catch (error) {
        if (!(error instanceof SystemError) || error.errno !== E.EAGAIN || performance.now() >= endMs) throw error;
      }
    }
  } catch (cause) {
    const isGone = cause instanceof SystemError && (cause.errno === E.ENOENT || cause.errno === E.ECONNREFUSED);
    if (isGone)
      throw new AgentError("unavailable", `no recorder runs in "${path}"`, {
        remedy: isSession(path)
          ? "it has ended: trace-agent report DIR shows what it recorded, trace-agent recover DIR finishes what a killed one left"
          : "name the DIR of record -o DIR",
      });
    throw new AgentError(
      isDenied(cause) ? "permission" : "io",
      `cannot ask the recorder of "${path}": ${messageOf(cause)}`,
      {
        ...(isDenied(cause) ? { remedy: "ask as its user, or as a member of the group of record --group" } : {}),
        cause,
      },
    );
  } finally {
    directory.close();
  }
}

async function readLine(fd: number, path: string, waitMs: number): Promise<string> {
  const buffer = new Uint8Array(new ArrayBuffer(64 * 1024));
  const pieces: Buffer[] = [];
  let bytes = 0;
  for (const endMs = performance.now() + waitMs; performance.now() < endMs;) {
    const count = readInto(fd, buffer);
    if (count === -E.EAGAIN || count === -E.EINTR) {
      await Bun.sleep(hostLimits.controlRetryMs);
      continue;
    }
    if (count <= 0) throw noAnswer(path);
    const end = buffer.subarray(0, count).indexOf(0x0a);
    pieces.push(Buffer.from(buffer.subarray(0, end < 0 ? count : end)));
    bytes += count;
    if (end >= 0) return Buffer.concat(pieces).toString("utf8");
    if (bytes > hostLimits.controlReplyBytes) break;
  }
  throw noAnswer(path);
}

async function untilClosed(fd: number): Promise<void> {
  const buffer = new Uint8Array(new ArrayBuffer(1024));
  for (;;) {
    const count = readInto(fd, buffer);
    if (count !== -E.EAGAIN && count !== -E.EINTR) return;
    await Bun.sleep(hostLimits.controlRetryMs);
  }
}

function noAnswer(path: string): AgentError {
  return new AgentError("unavailable", `the recorder of "${path}" does not answer`, {
    remedy: "it may be busy with its files: try again",
  });
}
