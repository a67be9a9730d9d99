/** QEMU's machine protocol: commands to a running QEMU, and its events. */
import { createConnection, type Socket } from "node:net";

export type QmpEvent = { event: string; data?: Record<string, unknown> };
type Answer = { id?: number; return?: unknown; error?: { class: string; desc: string } };

const answerTimeoutMs = 240_000;
const connectRetryMs = 20;
const closed: Answer = { error: { class: "Closed", desc: "QEMU closed the connection" } };

export class Qmp {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #events: QmpEvent[] = [];
  #eventCame = Promise.withResolvers<void>();
  #nextId = 1;
  #text = "";
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => this.#receive(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#closed = true;
      this.#eventCame.resolve();
      for (const answer of this.#waiting.values()) answer(closed);
    });
  }

  /** Connects to the socket that QEMU makes at `path`; gives up when `signal` is aborted. */
  static async connect(path: string, signal: AbortSignal): Promise<Qmp> {
    for (;;) {
      signal.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<Socket | undefined>();
      const socket = createConnection(path);
      socket.once("connect", () => resolve(socket));
      socket.once("error", () => resolve(undefined));
      const connected = await promise;
      if (connected === undefined) {
        await Bun.sleep(connectRetryMs);
        continue;
      }
      const qmp = new Qmp(connected);
      await qmp.execute("qmp_capabilities");
      return qmp;
    }
  }

  /** Carries out a command and gives its result; a refusal is an Error with QEMU's words. */
  async execute(command: string, commandArguments: Record<string, unknown> = {}): Promise<unknown> {
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#waiting.set(id, resolve);
    // What is written after the end reaches nobody, who would answer.
    if (this.#closed) resolve(closed);
    const late = { error: { class: "Timeout", desc: `no answer within ${answerTimeoutMs} ms` } };
    const timer = setTimeout(() => resolve(late), answerTimeoutMs);
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: commandArguments, id })}\n`);
    const answer = await promise;
    clearTimeout(timer);
    this.#waiting.delete(id);
    if (answer.error !== undefined) throw new Error(`qmp ${command}: ${answer.error.desc}`);
    return answer.return;
  }

  /** Waits for an event of that name that was not waited for yet, and that `wanted` accepts. */
  async event(name: string, timeoutMs: number, wanted: (event: QmpEvent) => boolean = () => true): Promise<QmpEvent> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const at = this.#events.findIndex((event) => event.event === name && wanted(event));
      const [found] = at < 0 ? [] : this.#events.splice(at, 1);
      if (found !== undefined) return found;
      if (this.#closed) throw new Error(`qmp: no event ${name}: QEMU closed the connection`);
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`qmp: no event ${name} within ${timeoutMs} ms`);
      await Promise.race([this.#eventCame.promise, Bun.sleep(Math.min(left, 200))]);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: string): void {
    this.#text += chunk;
    const lines = this.#text.split("\n");
    this.#text = lines.pop() ?? "";
    for (const line of lines) {
      const message = JSON.parse(line) as Answer & Partial<QmpEvent>;
      if (message.event !== undefined) {
        this.#events.push({ event: message.event, ...(message.data === undefined ? {} : { data: message.data }) });
        this.#eventCame.resolve();
        this.#eventCame = Promise.withResolvers<void>();
      } else if (message.id !== undefined) {
        this.#waiting.get(message.id)?.(message);
      }
    }
  }
}
