/** The host's end of the command loop in a guest (guest-init.ts): sends commands, sorts the answers. */
import { answerMark } from "./guest-init.ts";

export type CommandResult = { stdout: string; stderr: string; code: number; stdoutBytes: Buffer };

/** Bytes that a serial port takes: a write to QEMU's standard input. */
export type SendLine = (line: string) => void;

/** The guest's tty holds about so much of an unread line. */
const lineBytesMax = 48 * 1024;

/** `timeout` in the guest kills the command first; the answer has so much more time to come. */
const answerExtraMs = 30_000;

type Waiting = { resolve: (result: CommandResult) => void; reject: (error: Error) => void };

export class GuestConsole {
  readonly #send: SendLine;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ready = Promise.withResolvers<void>();
  #nextReady = Promise.withResolvers<void>();
  #nextId = 1;
  /** Of the line that has not ended. */
  #parts: string[] = [];
  #end: Error | undefined;

  constructor(send: SendLine) {
    this.#send = send;
    this.#ready.promise.catch(() => {});
    this.#nextReady.promise.catch(() => {});
  }

  /** Resolves when the loop runs for the first time; rejects when the guest ends before. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Resolves when the loop runs again, after a reboot. */
  get readyAgain(): Promise<void> {
    return this.#nextReady.promise;
  }

  run(command: string, timeoutMs: number): Promise<CommandResult> {
    const id = this.#nextId++;
    const line = `${id} ${Math.ceil(timeoutMs / 1000)} ${Buffer.from(command).toString("base64")}\n`;
    if (line.length > lineBytesMax) throw new RangeError(`command of ${line.length} bytes; push a file instead`);
    const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
    if (this.#end !== undefined) reject(this.#end);
    const timer = setTimeout(() => reject(new Error("the guest gave no answer")), timeoutMs + answerExtraMs);
    this.#waiting.set(id, { resolve, reject });
    if (this.#end === undefined) this.#send(line);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(id);
    });
  }

  /** Takes what the serial port gave: a long line comes in thousands of pieces. */
  receive(chunk: Uint8Array): void {
    const [first = "", ...lines] = Buffer.from(chunk).toString("latin1").split("\n");
    this.#parts.push(first);
    for (const line of lines) {
      this.#line(this.#parts.join(""));
      this.#parts = [line];
    }
  }

  /** The guest is gone: nothing will be answered. */
  end(error: Error): void {
    this.#end = error;
    this.#ready.reject(error);
    this.#nextReady.reject(error);
    for (const { reject } of this.#waiting.values()) reject(error);
  }

  #line(line: string): void {
    // The loop may have been ended within a line.
    const [, answer] = line.split(`${answerMark} `).slice(-2);
    if (answer === undefined) return;
    if (answer.trim() === "ready") {
      // A second "ready" is a reboot: what ran before is lost.
      for (const { reject } of this.#waiting.values()) reject(new Error("the guest rebooted"));
      this.#ready.resolve();
      this.#nextReady.resolve();
      this.#nextReady = Promise.withResolvers<void>();
      this.#nextReady.promise.catch(() => {});
      return;
    }
    const [id, code, stdout = ".", stderr = "."] = answer.trim().split(" ");
    const stdoutBytes = Buffer.from(stdout.slice(1), "base64");
    this.#waiting.get(Number(id))?.resolve({
      code: Number(code),
      stdout: stdoutBytes.toString(),
      stderr: Buffer.from(stderr.slice(1), "base64").toString(),
      stdoutBytes,
    });
  }
}
