/** `trace-agent status|stop DIR`: the recorder of a directory, where guests' agents are asked otherwise. */
import { existsSync } from "node:fs";
import { AgentError, messageOf } from "../base/errors.ts";
import { log } from "../base/log.ts";
import { print } from "../base/standard-output.ts";
import { askRecorder } from "../host/control/control-client.ts";
import type { ControlStatus } from "../host/control/messages.ts";
import { listRecorders } from "../host/control/registry.ts";
import { recorderText } from "../host/control/status-text.ts";
import { guestsDirectory } from "../host/guest-directory.ts";
import { hostLimits } from "../host/limits.ts";
import { isSession } from "../trace-dat/session/is-session.ts";
import { sessionControl } from "../trace-dat/session/names.ts";

/** `uid`: of another user's recorder. */
type ListedStatus = ControlStatus & { uid?: number };

/** Whether a name is the directory of a recorder's session. A guest's name counts more than a directory here that has it. */
function isRecorder(name: string): boolean {
  const isPath = name.includes("/") || name === "." || name === "..";
  if (!isPath && existsSync(`${guestsDirectory}/${name}`)) return false;
  return isSession(name) || existsSync(`${name}/${sessionControl}`);
}

/** Throws a usage error for recorders among guests. */
export function areRecorders(names: readonly string[]): boolean {
  const recorders = names.filter(isRecorder);
  if (recorders.length === 0 || recorders.length === names.length) return recorders.length > 0;
  throw new AgentError("usage", `"${recorders[0]}" is the directory of a recorder, and others are guests`, {
    remedy: "ask recorders and guests one after the other",
  });
}

export async function showRecorders(directories: readonly string[], json: boolean): Promise<void> {
  const asked = directories.map(async (path) => (await askRecorder(path, { request: "status" })).status);
  const ends = await Promise.allSettled(asked);
  const statuses = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
  const failures = ends.flatMap((end): unknown[] => (end.status === "rejected" ? [end.reason] : []));
  print(json ? jsonOf(statuses, directories.length > 1) : statuses.map(recorderText).join("\n"));
  const [first, ...others] = failures;
  for (const other of others) log.warn(messageOf(other));
  if (first !== undefined) throw first;
}

/** Those that are listed; one that ends meanwhile is no error. What one of another user's tells is shown under the path that was asked. */
export async function showAllRecorders(json: boolean): Promise<void> {
  const listed = listRecorders();
  const ends = await Promise.allSettled(
    listed.map(async ({ path, uid }): Promise<ListedStatus> => {
      const waitMs = uid === undefined ? hostLimits.controlWaitMs : hostLimits.controlForeignWaitMs;
      const { status } = await askRecorder(path, { request: "status" }, { waitMs });
      return uid === undefined ? status : Object.assign(status, { directory: path, uid });
    }),
  );
  const statuses = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
  for (const end of ends) {
    if (end.status === "fulfilled") continue;
    if (!(end.reason instanceof AgentError)) throw end.reason;
    log.warn(end.reason.message);
  }
  const text = (status: ListedStatus): string =>
    `${status.uid === undefined ? "" : `of user ${status.uid}: `}${recorderText(status)}`;
  print(json ? jsonOf(statuses, true) : statuses.map(text).join("\n"));
}

/** Returns when their files are made. */
export async function stopRecorders(directories: readonly string[], json: boolean): Promise<void> {
  for (const path of directories) {
    await askRecorder(path, { request: "stop" }, { toEnd: true });
    print(json ? `${JSON.stringify({ directory: path, state: "ended" })}\n` : `${path}: its recorder has ended\n`);
  }
}

function jsonOf(statuses: readonly ControlStatus[], several: boolean): string {
  const lines = statuses.map((status) => JSON.stringify(status));
  return several ? `[${lines.join(",\n")}]\n` : lines.map((line) => `${line}\n`).join("");
}
