/**
 * Tells the service manager how the agent is (sd_notify(3)): armed, what it does, that it lives, that it ends.
 *
 * Without NOTIFY_SOCKET in the environment nothing happens. What cannot be told is passed over: tracing matters more.
 */
import { closeFd } from "../../ffi/fd.ts";
import { connectDatagram, sendMessage } from "../../ffi/socket.ts";
import { messageOf } from "../errors.ts";
import { log } from "../log.ts";

export type NotifyEnvironment = Record<string, string | undefined>;

export class Notifier {
  readonly #fd: number | undefined;
  readonly #watchdogMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(environment: NotifyEnvironment = process.env) {
    this.#fd = connect(environment["NOTIFY_SOCKET"]);
    this.#watchdogMs = watchdogMs(environment);
  }

  /** The agent can take orders. From now on the watchdog hears of us, for as long as main's event loop turns. */
  ready(status: string): void {
    this.#send(`READY=1\nSTATUS=${status}`);
    if (this.#fd === undefined || this.#watchdogMs === undefined) return;
    this.#send("WATCHDOG=1");
    this.#timer ??= setInterval(() => this.#send("WATCHDOG=1"), this.#watchdogMs / 2);
  }

  status(text: string): void {
    this.#send(`STATUS=${text}`);
  }

  stopping(reason: string): void {
    this.#send(`STOPPING=1\nSTATUS=ending: ${reason}`);
  }

  close(): void {
    clearInterval(this.#timer);
    if (this.#fd !== undefined) closeFd(this.#fd);
  }

  #send(text: string): void {
    if (this.#fd === undefined) return;
    const encoded = new TextEncoder().encode(text);
    const bytes = new Uint8Array(new ArrayBuffer(encoded.length));
    bytes.set(encoded);
    sendMessage(this.#fd, bytes);
  }
}

function connect(path: string | undefined): number | undefined {
  if (path === undefined || path === "") return undefined;
  try {
    return connectDatagram(path);
  } catch (error) {
    log.warn(`cannot tell the service manager: ${messageOf(error)}`);
    return undefined;
  }
}

/** The time within which the service manager wants to hear of us (sd_watchdog_enabled(3)); undefined when it does not. */
export function watchdogMs(environment: NotifyEnvironment): number | undefined {
  const microseconds = Number(environment["WATCHDOG_USEC"]);
  if (!Number.isSafeInteger(microseconds) || microseconds <= 0) return undefined;
  const forProcess = environment["WATCHDOG_PID"];
  if (forProcess !== undefined && forProcess !== "" && Number(forProcess) !== process.pid) return undefined;
  return microseconds / 1000;
}
