/**
 * What a recording sets in its guest, and restores. An agent that knows leases restores it itself when we are not
 * heard of any more.
 */
import { AgentError, messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import { timelineLimits } from "../../timeline/limits.ts";
import type { StatusReply } from "../../protocol/replies.ts";
import { type SetOrder, type SettableKey, writeOrder } from "../../protocol/orders.ts";
import type { EventChoice } from "../../tracefs/event-choice.ts";
import { guestTitle, theGuest } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import type { Session } from "./session.ts";
import { setOrders } from "./set-orders.ts";
import { requireWord, type TraceConfig, wantedSettings } from "./trace-config.ts";

/** `required`: by the user; else a guest that cannot do it is taken as it is. */
export type Latency = { ms: number; required: boolean };

/** What is set here. */
type Key = SettableKey | "latency_ms";

export class GuestSettings {
  readonly #session: Session;
  /** Key and earlier value, in the order in which they were set. */
  readonly #before: [key: Key, value: string][] = [];
  #leased = false;
  #tracerSet = false;
  /** Tracing was on until it was stopped here. */
  #tracingStopped = false;
  #unsure = false;
  /** The trace clock that was set here. */
  clock: string | undefined;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Sets how long an event may wait in the guest. Gives how long it may now; undefined where the agent knows nothing of that. */
  async chooseLatency(latency: Latency | undefined): Promise<number | undefined> {
    const ms = latency?.ms ?? protocolLimits.latencyMsDefault;
    if (this.#session.knows("latency_ms")) {
      if (ms !== protocolLimits.latencyMsDefault) await this.#set("latency_ms", [`${ms}`]);
      return ms;
    }
    const unknown = `the agent of ${guestTitle(this.#session.guest)} is older and knows no latency_ms`;
    if (latency?.required === true)
      throw new AgentError("unavailable", `cannot set the delay to ${ms} ms: ${unknown}`, {
        remedy: "leave --delay out, or update the agent",
      });
    if (latency !== undefined) log.info(`events come up to ${timelineLimits.liveHoldUntoldMs} ms late: ${unknown}`);
    return undefined;
  }

  async prepare(wanted: TraceConfig): Promise<void> {
    if (wanted.bufferKb !== undefined) await this.#set("buffer_size_kb", [`${wanted.bufferKb}`]);
    if (wanted.clock !== undefined) await this.#set("clock", [wanted.clock]);
    for (const clock of wanted.clock === undefined ? (wanted.clocksTried ?? []) : [])
      if (await this.#tryClock(clock)) break;
  }

  async #tryClock(clock: string): Promise<boolean> {
    try {
      await this.#set("clock", [clock]);
      return true;
    } catch (error) {
      if (!(error instanceof AgentError) || this.#session.unresponsive || this.#session.stopAsked() !== "no")
        throw error;
      log.debug(messageOf(error));
      return false;
    }
  }

  /** Throws before anything is set where the guest lacks what the user asked for. */
  require(wanted: TraceConfig): void {
    for (const { key, option } of wantedSettings(wanted)) requireWord(this.#session, key, option);
    if (wanted.tracer !== undefined) requireWord(this.#session, "tracer", "-p");
  }

  /** Last step before the start, so that no earlier events are recorded. The tracer comes last: it records most. */
  async enable(wanted: TraceConfig, choice: EventChoice): Promise<void> {
    for (const { key, words } of wantedSettings(wanted)) await this.#set(key, words);
    for (const { events, filter } of choice.filters) await this.#set("filter", forEvents(events, filter));
    await this.#tryTriggers(choice);
    await this.#set("tracing_on", ["1"]);
    if (choice.enabled !== undefined) await this.#set("events", choice.enabled);
    if (wanted.tracer === undefined) return;
    this.#tracerSet = true;
    await this.#set("tracer", [wanted.tracer]);
  }

  /** Right after the start: some kernels count what a trigger does also while tracing is off. */
  async started(choice: EventChoice): Promise<void> {
    await this.#setTriggers(choice);
  }

  async #setTriggers({ triggers }: EventChoice): Promise<void> {
    for (const { events, trigger } of triggers) await this.#set("trigger", forEvents(events, trigger));
  }

  /** What the guest refuses is refused before the start. */
  async #tryTriggers(choice: EventChoice): Promise<void> {
    if (choice.triggers.length === 0) return;
    await this.#setTriggers(choice);
    await this.#restoreKeys(["trigger"]);
  }

  /** First step of the stop, so that no further events are added. */
  async putEventsBack(): Promise<void> {
    if (!this.#session.knows("restore")) return this.#restoreEach((key) => key === "events");
    // The tracer itself goes back last, since that empties the ring buffer.
    if (this.#tracerSet) await this.#stopTracing();
    await this.#restoreKeys(["events", "trigger"]);
  }

  async #stopTracing(): Promise<void> {
    try {
      this.#tracingStopped = (await this.#set("tracing_on", ["0"])) === "1";
    } catch (error) {
      if (!this.#session.unresponsive) log.warn(`cannot stop the tracer of ${this.#who} now: ${messageOf(error)}`);
    }
  }

  /** Of the counters after the stop: that tracing is off since it was stopped here explains no empty recording. */
  asFound(after: StatusReply | undefined): StatusReply | undefined {
    if (!this.#tracingStopped || after?.found === undefined) return after;
    return { ...after, found: { ...after.found, tracingOn: true } };
  }

  get #who(): string {
    return theGuest(this.#session.guest);
  }

  async restore(): Promise<void> {
    if (!this.#session.knows("restore")) return this.#restoreEach(() => true);
    if (this.#leased) await this.#restoreKeys([]);
  }

  /** The guest rebooted: nothing to restore. */
  forget(): void {
    this.#before.length = 0;
    this.#leased = false;
  }

  /** Gives the value before. */
  async #set(key: Key, words: readonly string[]): Promise<string> {
    const { stopAsked, guest } = this.#session;
    if (key !== "tracing_on" && stopAsked() !== "no")
      throw new AgentError("unavailable", "stopped before the first event");
    this.#session.untouched = false;
    if (!this.#leased && this.#session.knows("lease")) {
      await this.#session.set({ order: "lease", seconds: protocolLimits.leaseSecondsDefault });
      this.#leased = true;
    }
    const orders = key === "latency_ms" ? [orderOf(key, words.join(" "))] : setOrders(key, words);
    if (orders.length > 1 && !this.#session.knows("parts"))
      throw new AgentError("unavailable", `${guestTitle(guest)} takes no list of ${words.length} ${key}`, {
        remedy: "its trace-agent is older than this one; name less, or whole systems",
      });
    let previous = "";
    for (const order of orders) previous = await this.#session.set(order);
    if (key === "clock") this.clock = words.join(" ");
    if (previous !== words.join(" ")) this.#before.push([key, previous]);
    return previous;
  }

  /** Of these keys, or of all. */
  async #restoreKeys(keys: readonly SettableKey[]): Promise<void> {
    const session = this.#session;
    const order = { order: "restore", keys } as const;
    try {
      if (session.unresponsive) session.send(order);
      else {
        const { reply } = await session.request(order, "restore", hostLimits.restore);
        for (const failure of reply.failures)
          log.warn(`${this.#who} could not restore all of its settings: ${failure}`);
        return;
      }
    } catch (error) {
      if (!session.unresponsive) log.warn(`cannot restore the settings of ${this.#who}: ${messageOf(error)}`);
    }
    if (session.unresponsive && !this.#unsure) this.#sayUnsure(["its settings"]);
    this.#unsure = session.unresponsive;
  }

  async #restoreEach(which: (key: string) => boolean): Promise<void> {
    const unsure: string[] = [];
    for (const entry of this.#before.toReversed()) {
      const [key, value] = entry;
      if (!which(key)) continue;
      this.#before.splice(this.#before.indexOf(entry), 1);
      const order = orderOf(key, value);
      if (writeOrder(order).length > protocolLimits.orderLineBytes) {
        const later = this.#leased ? ": its agent does so when the lease runs out" : "";
        log.warn(`the earlier ${key} of ${this.#who} do not fit into an order and are not restored now${later}`);
        continue;
      }
      try {
        if (this.#session.unresponsive) {
          unsure.push(key);
          this.#session.send(order);
        } else await this.#session.set(order, hostLimits.restore);
      } catch (error) {
        if (this.#session.unresponsive) unsure.push(key);
        else log.warn(`cannot put ${key} back to "${value}" in ${this.#who}: ${messageOf(error)}`);
      }
    }
    if (unsure.length > 0) this.#sayUnsure([...new Set(unsure)]);
  }

  /** The orders were sent; whether they were received is unknown. */
  #sayUnsure(keys: readonly string[]): void {
    const then = this.#leased
      ? `its agent restores it when it has received nothing for ${protocolLimits.leaseSecondsDefault} s`
      : `check it in ${this.#who}`;
    log.warn(`${this.#who} did not confirm that it restored ${keys.join(", ")}: ${then}`);
  }
}

function orderOf(key: Key, value: string): SetOrder {
  return key === "latency_ms" ? { order: key, ms: Number(value) } : { order: "set", key, value };
}

/** "SYSTEM:EVENT, SYSTEM:EVENT REST" in words. */
function forEvents(events: readonly string[], rest: string): string[] {
  return events.map((event, index) => (index < events.length - 1 ? `${event},` : `${event} ${rest}`));
}
