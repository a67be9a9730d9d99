/** The host's ends of a guest's ports, as a person with echo and cat would use them: FIFOs or sockets. */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { connectUnix } from "../../ffi/socket.ts";
import { controlPortName, dataPortName } from "../../src/protocol/ports.ts";
import { PortReader } from "./port-reader.ts";
import type { Transport } from "./qemu.ts";
import type { Qmp } from "./qmp.ts";
import { allowedMs } from "./timing.ts";

/** Where ports lie, and what serves them: a guest, or an agent without a VM. */
export type PortsPlace = { readonly directory: string; readonly transport?: Transport; readonly qmp?: Qmp };

export type HostEndsOptions = {
  cpus: readonly number[];
  /** True: nothing is read from the data ports before `reader(cpu).resume()`. Sockets are connected all the same. */
  paused?: boolean;
};

/** Time for an answer of an agent in a guest. */
const answerTimeoutMs = 240_000;
const lookMs = 5;

export class HostEnds {
  /** What the control port gave. */
  readonly replies: PortReader;
  readonly #data = new Map<number, PortReader>();
  readonly #orders: number;
  readonly #closeOrders: () => void;
  readonly #qmp: Qmp | undefined;

  constructor(place: PortsPlace, options: HostEndsOptions) {
    const path = (name: string): string => join(place.directory, name);
    this.#qmp = place.qmp;
    if (place.transport === "socket") {
      this.#orders = connectUnix(path(`${controlPortName}.sock`));
      this.#closeOrders = () => {};
      this.replies = new PortReader(this.#orders);
      for (const cpu of options.cpus) {
        this.#data.set(cpu, new PortReader(connectUnix(path(`${dataPortName(cpu)}.sock`)), options));
      }
      return;
    }
    // For both ways, so that an order waits in the FIFO when nobody reads it yet.
    const orders = openSync(path(`${controlPortName}.in`), constants.O_RDWR);
    this.#orders = orders;
    this.#closeOrders = () => closeSync(orders);
    this.replies = new PortReader(path(`${controlPortName}.out`));
    for (const cpu of options.cpus) this.#data.set(cpu, new PortReader(path(`${dataPortName(cpu)}.out`), options));
  }

  order(text: string): void {
    writeSync(this.#orders, text);
  }

  reader(cpu: number): PortReader {
    const reader = this.#data.get(cpu);
    if (reader === undefined) throw new Error(`no port for CPU ${cpu}`);
    return reader;
  }

  get readers(): PortReader[] {
    return [...this.#data.values()];
  }

  /** Sends an order of words and gives the JSON line that answers it with `reply`. */
  async ask(order: string, reply: string): Promise<Record<string, unknown>> {
    this.replies.take();
    this.order(`${order}\n`);
    const deadline = performance.now() + answerTimeoutMs;
    for (let text = ""; performance.now() < deadline; await Bun.sleep(lookMs)) {
      text += this.replies.take().toString("latin1");
      for (const line of text.split("\n").slice(0, -1)) {
        // In front of it may lie the body of an older answer that was cut by its agent's end.
        const start = line.lastIndexOf(`{"reply":"${reply}"`);
        if (start >= 0) return JSON.parse(line.slice(start)) as Record<string, unknown>;
      }
    }
    throw new Error(`no reply "${reply}" to order "${order}" within ${answerTimeoutMs} ms`);
  }

  /**
   * Resolves when no data port gave anything for `quietMs`, longer on a machine that is late, and QEMU had nothing more to bring: while it
   * does not run, ports are silent as well.
   */
  async silence(quietMs = 500, timeoutMs = 240_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    do await this.#quiet(quietMs, deadline);
    while (await this.#brings());
  }

  /** Whether QEMU brings more once it has run: its loop answers, and passes on what a port with room has, each time that it comes round. */
  async #brings(): Promise<boolean> {
    const look = (): number => {
      for (const reader of this.readers) reader.look();
      return this.#length;
    };
    const before = look();
    for (let rounds = 0; rounds < 2; rounds++) await this.#qmp?.execute("query-status");
    return look() !== before;
  }

  get #length(): number {
    return this.readers.reduce((sum, reader) => sum + reader.length, 0);
  }

  async #quiet(quietMs: number, deadline: number): Promise<void> {
    let last = -1;
    let since = performance.now();
    let looked = since;
    let lateMs = 0;
    while (performance.now() - since < allowedMs(quietMs, { lateMs, contendedMs: 0 })) {
      if (performance.now() > deadline) throw new Error("the data ports do not fall silent");
      await Bun.sleep(lookMs);
      lateMs = Math.max(lateMs, performance.now() - looked - lookMs);
      looked = performance.now();
      if (this.#length !== last) since = performance.now();
      last = this.#length;
    }
  }

  close(): void {
    this.#closeOrders();
    this.replies.close();
    for (const reader of this.readers) reader.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
