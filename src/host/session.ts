/**
 * The exchange with a guest's agent over the control port: hello first, then orders and their answers, one after the other.
 *
 * An answer is waited for as long as anything comes from the guest; after a silence the guest is given up.
 */
import { randomUUID } from "node:crypto";
import { AgentError } from "../errors.ts";
import { limits } from "../limits.ts";
import { type ReadReply, ReplyReader } from "../protocol/reply-reader.ts";
import type { HelloReply, Reply, StatusReply } from "../protocol/replies.ts";
import type { DataStream } from "./data-stream.ts";
import type { GuestDirectory } from "./guest-directory.ts";
import type { ControlPort } from "./host-port.ts";
import { Pump } from "./pump.ts";

type Kind = Reply["reply"];
type ReplyOf<K extends Kind> = Extract<Reply, { reply: K }>;

export class Session {
  readonly guest: string;
  readonly pump: Pump;
  /** The newest status reply, whoever waited for it. */
  lastStatus: StatusReply | undefined;
  /** The user wants the session to end now: no answer is waited for any more. */
  aborted = false;
  /** Asked while an answer is waited for. */
  cancelled: () => boolean = () => this.aborted;
  readonly #control: ControlPort;
  readonly #nonce = randomUUID();
  readonly #reader = new ReplyReader(this.#nonce);
  #inbox: ReadReply[] = [];

  constructor(guest: GuestDirectory, control: ControlPort, streams: readonly DataStream[] = []) {
    this.guest = guest.guest;
    this.#control = control;
    this.pump = new Pump(control, streams, (bytes) => this.#hear(bytes));
  }

  /** The agent's answer to our hello; undefined when there is none. Said again every second: an agent may be starting. */
  async hello(waitMs: number = limits.helloWaitMs): Promise<HelloReply | undefined> {
    const end = performance.now() + waitMs;
    while (performance.now() < end && !this.cancelled()) {
      this.send(`hello ${this.#nonce}`);
      const found = await this.#await("hello", "hello", limits.helloRepeatMs, limits.helloRepeatMs);
      if (found?.reply.reply === "hello") return found.reply;
      if (this.pump.controlGone) break;
    }
    return undefined;
  }

  send(order: string): void {
    this.#control.send(order);
  }

  /** Sends an order and gives its answer with what belongs to it. Throws what the guest has against it, and silence. */
  async request<K extends Kind>(order: string, kind: K, silenceMs: number = limits.replySilenceMs): Promise<{ reply: ReplyOf<K>; body: Uint8Array }> {
    const word = order.split(" ", 1)[0] ?? order;
    this.send(order);
    const found = await this.#await(kind, word, silenceMs);
    if (found === undefined && this.cancelled()) throw new AgentError("unavailable", `interrupted while waiting for guest "${this.guest}"`);
    if (found === undefined) {
      throw new AgentError("unavailable", `guest "${this.guest}" does not answer order "${order.slice(0, 40)}"`, {
        remedy: this.pump.controlGone ? "the VM has ended" : "see that the guest runs and its trace-agent lives",
      });
    }
    if (found.reply.reply === "error") {
      throw new AgentError("unavailable", `guest "${this.guest}" refused order "${order.slice(0, 80)}": ${found.reply.error}`);
    }
    // Found by its kind.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return { reply: found.reply as ReplyOf<K>, body: found.body ?? new Uint8Array(0) };
  }

  /** Sets a value in the guest and gives the one it had. */
  async set(key: string, value: string): Promise<string> {
    const { reply } = await this.request(`set ${key} ${value}`, "set");
    return reply.previous;
  }

  /** `mostMs`: a guest that sends without end, but no answer, is waited for no longer. */
  async #await(kind: Kind, word: string, silenceMs: number, mostMs = Infinity): Promise<ReadReply | undefined> {
    const begun = performance.now();
    for (;;) {
      const index = this.#inbox.findIndex(({ reply }) => reply.reply === kind || (reply.reply === "error" && names(reply.order, word)));
      const found = this.#inbox[index];
      if (found !== undefined) {
        this.#inbox.splice(0, index + 1);
        return found;
      }
      this.#inbox = [];
      const silentSince = Math.max(begun, this.pump.lastByteMs);
      const left = Math.min(silentSince + silenceMs, begun + mostMs) - performance.now();
      if (left <= 0 || this.cancelled() || this.pump.controlGone || this.pump.full !== undefined) return undefined;
      await this.pump.turns(Math.min(left, limits.pumpWaitMs), () => this.#inbox.length > 0 || this.cancelled());
    }
  }

  #hear(bytes: Uint8Array): void {
    for (const read of this.#reader.push(bytes)) {
      if (read.reply.reply === "status") this.lastStatus = read.reply;
      this.#inbox.push(read);
      // A guest that answers what nobody asked must not fill our memory.
      if (this.#inbox.length > limits.repliesKept) this.#inbox.shift();
    }
  }
}

/** An error names the order it is about: in our word for it, or with its first characters. */
function names(order: string, word: string): boolean {
  const known: Record<string, string> = { "1": "start", "0": "stop" };
  return order === word || order === known[word] || order.startsWith(`${word} `);
}

export function noAgentError(guest: GuestDirectory): AgentError {
  return new AgentError("unavailable", `guest "${guest.guest}" does not answer`, {
    remedy:
      `in the guest: does trace-agent run, and does "grep . /sys/class/virtio-ports/*/name" list agent-ctl-path? ` +
      `On the host: does the VM run with the devices of trace-agent setup, on ${guest.path}? ` +
      `(The kernel's own agent answers nothing; trace-agent record works with it.)`,
  });
}
