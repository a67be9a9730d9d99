/**
 * The exchange with a guest's agent over the control port: hello first, then orders, each with its reply.
 *
 * A reply is waited for as long as the guest makes progress, but not for ever: a silence or a total limit ends the
 * wait. A capable agent reports that it is working (`progress`).
 */
import { ClockReading } from "../../../ffi/clocks.ts";
import { AgentError } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { hostLimits } from "../limits.ts";
import type { BodyTarget } from "../../protocol/framed-body.ts";
import { type KnownOrder, type SetOrder, writeOrder } from "../../protocol/orders.ts";
import { type ReadReply, ReplyReader } from "../../protocol/reply-reader.ts";
import type { ClockReply, HelloReply, Reply, StartReply, StatusReply } from "../../protocol/replies.ts";
import { type AgentWord, agentWords, firstProtocol, hostWords, protocolVersion } from "../../protocol/words.ts";
import type { DataPortReader } from "./data-port-reader.ts";
import { goneText, type GuestDirectory, guestTitle } from "../guest-directory.ts";
import type { ControlPort } from "../../transport/host-port.ts";
import { Inbox } from "./inbox.ts";
import { invalidHelloError, localRemedy } from "./no-agent.ts";
import { Patience, type PatienceLimits } from "./patience.ts";
import type { PortLoop } from "./port-loop.ts";
import { Pump } from "./pump.ts";
import type { StopAsked } from "./stop-signals.ts";

type Kind = Reply["reply"];
type ReplyOf<K extends Kind> = Extract<Reply, { reply: K }>;

/** What the user sees while an order's reply is waited for. */
const works: Record<string, string> = {
  hello: "waiting for the agent",
  "1": "starting",
  "0": "stopping",
  metadata: "taking event formats and symbols",
};

/** `word`: the agent's last progress word. */
export type Waiting = { what: string; sinceMs: number; word: string | undefined };

/** `sent`: our clocks before the order was written; `arrived`: after its reply was read. */
export type ClockRound = { sent: ClockReading; reply: ClockReply; arrived: ClockReading };

type AskedRound = { readonly nonce: string; reply: ClockReply | undefined };

export class Session {
  readonly guest: GuestDirectory;
  readonly pump: Pump;
  /** The protocol that is spoken, from the hello on. */
  protocol: number = firstProtocol;
  /** The newest status reply, whoever waited for it. */
  lastStatus: StatusReply | undefined;
  /** The agent's last progress word, and its time (performance.now()). */
  progress: { word: string; atMs: number } | undefined;
  /** Why the agent ended this session by itself. */
  ended: string | undefined;
  /** What the user asked for; checked during waits. */
  stopAsked: () => StopAsked = () => "no";
  /** Nothing was set or started in the guest yet: the first request to stop ends it at once. */
  untouched = true;
  /** Called repeatedly during waits. */
  onWait: (waiting: Waiting) => void = () => {};
  /** An order got no reply: no further one is waited for. */
  unresponsive = false;
  readonly #control: ControlPort;
  readonly #nonce = crypto.randomUUID();
  readonly #reader = new ReplyReader(this.#nonce);
  readonly #inbox = new Inbox();
  #words: readonly string[] = [];
  #answers = false;
  readonly #sentAt = new ClockReading();
  readonly #arrivedAt = new ClockReading();
  /** The clock order that is on its way. */
  #round: AskedRound | undefined;
  #rounds = 0;

  constructor(loop: PortLoop, guest: GuestDirectory, control: ControlPort, readers: readonly DataPortReader[] = []) {
    this.guest = guest;
    this.#control = control;
    this.pump = new Pump(loop, control, readers, (bytes) => this.#hear(bytes), loop.allowances.of(guest.path));
  }

  /**
   * The agent's reply to our hello; undefined if there is none. Repeated every second, because the agent may be
   * starting.
   */
  async hello(waitMs: number = hostLimits.helloWaitMs): Promise<HelloReply | undefined> {
    const begun = performance.now();
    const end = begun + waitMs;
    while (performance.now() < end && !this.cancelled) {
      // A port that nobody reads would fill up with them.
      if (!this.#control.hasUnread) this.send({ order: "hello", nonce: this.#nonce });
      const ms = Math.min(hostLimits.helloRepeatMs, end - performance.now());
      const patience = new Patience({ silenceMs: ms, totalMs: ms }, this.pump.cameBytes);
      const found = await this.#await("hello", "hello", patience, begun);
      if (found?.reply.reply === "hello") {
        await this.#introduce(found.reply);
        return found.reply;
      }
      if (this.#reader.invalidHello !== undefined) throw invalidHelloError(this.guest, this.#reader.invalidHello);
      if (this.pump.controlGone) break;
    }
    return undefined;
  }

  /** A hello was answered. */
  get answers(): boolean {
    return this.#answers;
  }

  /** Whether the agent listed this word in its hello: what it does not list is not ordered. */
  knows(word: AgentWord): boolean {
    return this.#words.includes(word);
  }

  /** Where the guest's agent wants to know, it is told from now on what is taken. Nothing of its streams may be on its way. */
  acknowledge({ cpus }: StatusReply): void {
    if (this.#acks) this.pump.acknowledge(cpus);
  }

  get #acks(): boolean {
    return this.knows("ack") && this.pump.readers.length > 0;
  }

  /** No reply is waited for any more. */
  get cancelled(): boolean {
    const asked = this.stopAsked();
    return asked === "abort" || (asked === "stop" && this.untouched);
  }

  /** Several at once are one call, and wake the agent once. */
  send(...orders: readonly KnownOrder[]): void {
    this.#control.send(orders.map(writeOrder).join("\n"));
  }

  close(): void {
    this.#reader.close();
  }

  /**
   * Sends an order and returns its reply with the body, which goes to `target` where there is one. Throws the guest's refusal, or on silence.
   * `before`: an order that goes before it, whose reply is not waited for.
   */
  async request<K extends Kind>(
    order: KnownOrder,
    kind: K,
    limits: PatienceLimits = hostLimits.reply,
    { target, before }: { target?: BodyTarget | undefined; before?: KnownOrder } = {},
  ): Promise<{ reply: ReplyOf<K>; body: Uint8Array }> {
    const text = writeOrder(order);
    const word = text.split(" ", 1)[0] ?? text;
    this.progress = undefined;
    this.#reader.broken = undefined;
    this.#reader.bodyTarget = target;
    this.#reader.skipsBodies = kind !== "metadata" && kind !== "sections";
    this.send(...(before === undefined ? [] : [before]), order);
    const patience = new Patience(limits, this.pump.cameBytes);
    const found = await this.#await(kind, word, patience, performance.now());
    this.#reader.bodyTarget = undefined;
    this.#reader.skipsBodies = true;
    if (found === undefined) throw this.#noAnswer(text, patience);
    if (found.reply.reply === "error") {
      throw new AgentError(
        "unavailable",
        `${guestTitle(this.guest)} refused order "${text.slice(0, 80)}": ${found.reply.error}`,
      );
    }
    // `found` was selected by its kind.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return { reply: found.reply as ReplyOf<K>, body: found.body ?? new Uint8Array(0) };
  }

  /**
   * One round trip to the guest's clocks; undefined where it does not answer in time. The readings are valid until the next one.
   * `enough`: it is not waited for any more.
   */
  async clockRound(waitMs: number, enough: () => boolean): Promise<ClockRound | undefined> {
    const round: AskedRound = { nonce: `${this.#nonce}.${++this.#rounds}`, reply: undefined };
    this.#round = round;
    const endMs = performance.now() + waitMs;
    const isOver = (): boolean =>
      round.reply !== undefined || this.cancelled || enough() || this.pump.controlGone || this.pump.full !== undefined;
    this.#sentAt.take();
    this.send({ order: "clock", nonce: round.nonce });
    while (!isOver() && performance.now() < endMs)
      await this.pump.turns(Math.min(endMs - performance.now(), hostLimits.pumpWaitMs), isOver);
    this.#round = undefined;
    return round.reply === undefined ? undefined : { sent: this.#sentAt, reply: round.reply, arrived: this.#arrivedAt };
  }

  /** Sets a value in the guest and returns the earlier one. */
  async set(order: SetOrder, limits?: PatienceLimits): Promise<string> {
    return (await this.request(order, "set", limits)).reply.previous;
  }

  /** Tells the agent which protocol we know, so that it may use it. */
  async #introduce(hello: HelloReply): Promise<void> {
    this.#words = hello.words;
    this.#answers = true;
    const words = this.#acks ? [hostWords.ack] : [];
    this.protocol = hello.protocol;
    if (!this.knows("host")) return;
    this.protocol = (await this.request({ order: "host", protocol: protocolVersion, words }, "host")).reply.protocol;
  }

  async #await(kind: Kind, word: string, patience: Patience, sinceMs: number): Promise<ReadReply | undefined> {
    this.#inbox.expect(kind, word);
    for (;;) {
      const { found } = this.#inbox;
      if (found !== undefined) {
        this.#inbox.close();
        return found;
      }
      patience.see(this.pump.cameBytes);
      if (this.progress !== undefined) patience.working(this.progress.atMs);
      const left = patience.leftMs;
      if (
        left <= 0 ||
        (this.#reader.broken ?? this.#reader.invalidHello) !== undefined ||
        this.cancelled ||
        this.pump.controlGone ||
        // What was set is restored whether the disk is full or not.
        (this.pump.full !== undefined && !patience.isOf(hostLimits.restore))
      ) {
        this.#inbox.close();
        return undefined;
      }
      this.onWait({ what: works[word] ?? `waiting for "${word}"`, sinceMs, word: this.progress?.word });
      await this.pump.turns(
        Math.min(left, hostLimits.pumpWaitMs),
        () => this.#inbox.found !== undefined || this.cancelled,
      );
    }
  }

  #noAnswer(order: string, patience: Patience): AgentError {
    const who = guestTitle(this.guest);
    if (this.#reader.broken !== undefined)
      return new AgentError(
        "unavailable",
        `${who} answered order "${order.slice(0, 40)}" with something that is no reply: "${this.#reader.broken}"`,
        { remedy: "find the program that uses the control port in the guest: trace-agent check names it" },
      );
    this.unresponsive = true;
    if (this.cancelled) return new AgentError("unavailable", `interrupted while waiting for ${who}`);
    const asked = `order "${order.slice(0, 40)}"`;
    if (this.pump.controlGone)
      return new AgentError("unavailable", `${who} does not answer ${asked}`, { remedy: goneText(this.guest) });
    const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;
    const working = this.progress === undefined ? "" : `; its last progress: ${this.progress.word}`;
    return new AgentError(
      "unavailable",
      patience.exhausted
        ? `${who} has not answered ${asked} for ${seconds(patience.waitedMs)}, although it keeps sending${working}`
        : `${who} does not answer ${asked}: nothing useful arrived for ${seconds(patience.silentMs)}${working}`,
      { remedy: this.guest.local === true ? localRemedy : "check that the guest and its trace-agent are running" },
    );
  }

  #hear(bytes: Uint8Array): void {
    const round = this.#round;
    if (round !== undefined && round.reply === undefined) this.#arrivedAt.take();
    for (const read of this.#reader.push(bytes)) {
      const { reply } = read;
      if (reply.reply === "progress") this.progress = { word: reply.word, atMs: performance.now() };
      if (reply.reply === "clock" && reply.nonce === round?.nonce) round.reply ??= reply;
      if (reply.reply === "progress" || reply.reply === "clock") continue;
      if (reply.reply === "error" && reply.order === agentWords.lease) this.ended = reply.error;
      if (reply.reply === "status") this.lastStatus = reply;
      this.#inbox.push(read);
    }
  }
}

/** Stops a run that a killed host left behind. */
export async function stopEarlierRun(session: Session, hello: HelloReply): Promise<void> {
  if (hello.state !== "running") return;
  log.info("the guest's agent still runs for an earlier host: stopped");
  await session.request({ order: "stop" }, "stop");
}

/** A start without a reply may still have been received: it is undone. */
export async function startGuest(session: Session): Promise<StartReply> {
  session.untouched = false;
  try {
    return (await session.request({ order: "start" }, "start")).reply;
  } catch (error) {
    sendQuietly(session, { order: "stop" });
    throw error;
  }
}

/** An order whose reply is not waited for. */
export function sendQuietly(session: Session, order: KnownOrder): void {
  try {
    session.send(order);
  } catch {
    // The port cannot be written: nobody would receive it.
  }
}
