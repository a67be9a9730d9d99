/**
 * Tells the service manager the state of this program (sd_notify(3)): ready, status, watchdog, stopping.
 *
 * Without NOTIFY_SOCKET in the environment it does nothing. Failures are ignored: tracing matters more.
 */
import { closeFd } from "../../ffi/fd.ts";
import { connectDatagram, sendMessage } from "../../ffi/socket.ts";
import { messageOf } from "./errors.ts";
import { log } from "./log.ts";

export type NotifyEnvironment = Record<string, string | undefined>;

export class Notifier {
  readonly #fd: number | undefined;
  readonly #watchdogMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(environment: NotifyEnvironment = process.env) {
    this.#fd = connect(environment["NOTIFY_SOCKET"]);
    this.#watchdogMs = watchdogMs(environment);
  }

  /** There is a service manager that asked for it. */
  get isHeard(): boolean {
    return this.#fd !== undefined;
  }

  /** It can take orders. From now on the watchdog is served as long as main's event loop runs. */
  ready(status: string): void {
    this.#send(`READY=1\nSTATUS=${status}`);
    if (this.#fd === undefined || this.#watchdogMs === undefined) return;
    this.#send("WATCHDOG=1");
    this.#timer ??= setInterval(() => this.#send("WATCHDOG=1"), this.#watchdogMs / 2);
  }

  /** Whether it was taken: a manager that is busy has a queue that is full. */
  status(text: string): boolean {
    return this.#send(`STATUS=${text}`);
  }

  stopping(reason: string): void {
    this.#send(`STOPPING=1\nSTATUS=ending: ${reason}`);
  }

  close(): void {
    clearInterval(this.#timer);
    if (this.#fd !== undefined) closeFd(this.#fd);
  }

  #send(text: string): boolean {
    if (this.#fd === undefined) return false;
    const encoded = new TextEncoder().encode(text);
    const bytes = new Uint8Array(new ArrayBuffer(encoded.length));
    bytes.set(encoded);
    return sendMessage(this.#fd, bytes) === bytes.length;
  }
}

/** The environment of a program that is started here: the service manager is to hear this one alone. */
export function withoutServiceManager(environment: NotifyEnvironment = process.env): NotifyEnvironment {
  const { NOTIFY_SOCKET: _, WATCHDOG_USEC: __, WATCHDOG_PID: ___, ...others } = environment;
  return others;
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

/** The watchdog interval that the service manager asks for (sd_watchdog_enabled(3)); undefined without a watchdog. */
export function watchdogMs(environment: NotifyEnvironment): number | undefined {
  const microseconds = Number(environment["WATCHDOG_USEC"]);
  if (!Number.isSafeInteger(microseconds) || microseconds <= 0) return undefined;
  const forProcess = environment["WATCHDOG_PID"];
  if (forProcess !== undefined && forProcess !== "" && Number(forProcess) !== process.pid) return undefined;
  return microseconds / 1000;
}
