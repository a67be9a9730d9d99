/**
 * The recorder's end of DIR/.control. It is served between other work, by a timer, and never waits: what a client does, or leaves
 * undone, delays nothing. Who may connect is a matter of the socket's mode: its owner, and the group that may read the recording.
 */
import { chmodSync, chownSync, fstatSync } from "node:fs";
import { openAt } from "../../../ffi/at.ts";
import { closeFd, O } from "../../../ffi/fd.ts";
import { acceptFrom, bindIn, listenOn } from "../../../ffi/listening-socket.ts";
import type { Directory } from "../../base/directory.ts";
import { AgentError, messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { ownerIn } from "../../base/owners.ts";
import { sessionControl } from "../../trace-dat/session/names.ts";
import { hostLimits } from "../limits.ts";
import { ControlConnection } from "./control-connection.ts";
import type { ControlReply, ControlRequest } from "./messages.ts";

export type ControlAnswer = (request: ControlRequest) => ControlReply | Promise<ControlReply>;

export class ControlServer {
  readonly #directory: Directory;
  readonly #fd: number;
  readonly #answer: ControlAnswer;
  readonly #timer: NodeJS.Timeout;
  readonly #connections = new Set<ControlConnection>();
  #closed = false;

  private constructor(directory: Directory, fd: number, answer: ControlAnswer) {
    this.#directory = directory;
    this.#fd = fd;
    this.#answer = answer;
    this.#timer = setInterval(() => this.#turn(), hostLimits.controlTurnMs).unref();
  }

  /**
   * Listens in the directory, which this process alone records to. Undefined, and told, where that is impossible, as on a file system without
   * sockets: a recording does not depend on it.
   */
  static open(directory: Directory, group: number | undefined, answer: ControlAnswer): ControlServer | undefined {
    let fd = -1;
    try {
      fd = bindAnew(directory);
      give(directory, group);
      listenOn(fd, hostLimits.controlClients);
      return new ControlServer(directory, fd, answer);
    } catch (error) {
      if (fd >= 0) closeFd(fd);
      log.warn(`${directory.path} cannot be asked for its status, a snapshot or a stop: ${messageOf(error)}`);
      return undefined;
    }
  }

  /** Clients that wait for the end are told by the end of their connections. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    for (const connection of this.#connections) connection.close();
    this.#connections.clear();
    closeFd(this.#fd);
    this.#directory.remove(sessionControl);
  }

  #turn(): void {
    try {
      while (this.#connections.size < hostLimits.controlClients) {
        const fd = acceptFrom(this.#fd);
        if (fd < 0) break;
        this.#connections.add(new ControlConnection(fd, (request) => this.#answerSafely(request)));
      }
      for (const connection of this.#connections)
        if (!connection.serve(performance.now())) this.#connections.delete(connection);
    } catch (error) {
      log.warn(`${this.#directory.path} cannot be asked any more: ${messageOf(error)}`);
      this.close();
    }
  }

  async #answerSafely(request: ControlRequest): Promise<ControlReply> {
    try {
      return await this.#answer(request);
    } catch (error) {
      if (!(error instanceof AgentError)) log.warn(`request "${request.request}" failed: ${messageOf(error)}`);
      const remedy = error instanceof AgentError ? error.remedy : "see its log";
      return { reply: "error", error: messageOf(error), ...(remedy === undefined ? {} : { remedy }) };
    }
  }
}

/** The socket of a recorder that was killed. Only for who has the directory locked: then nobody listens on it. */
export function removeDeadSocket(directory: Directory): void {
  if (directory.statusOf(sessionControl)?.isSocket() === true) directory.remove(sessionControl);
}

function bindAnew(directory: Directory): number {
  removeDeadSocket(directory);
  if (directory.statusOf(sessionControl) !== undefined) throw new Error(`its entry "${sessionControl}" is no socket`);
  return bindIn(directory.fd, sessionControl);
}

/** By an fd of the socket's file: whoever owns the directory could put a link in its place. */
function give(directory: Directory, group: number | undefined): void {
  const owner = ownerIn(directory.status.uid, group);
  if (owner === undefined) return;
  const fd = openAt(directory.fd, sessionControl, O.PATH | O.NOFOLLOW);
  try {
    if (!fstatSync(fd).isSocket()) throw new Error(`"${sessionControl}" is no socket any more`);
    const path = `/proc/self/fd/${fd}`;
    chownSync(path, owner.uid, owner.gid);
    chmodSync(path, group === undefined ? 0o600 : 0o660);
  } finally {
    closeFd(fd);
  }
}
