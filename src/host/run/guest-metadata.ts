/**
 * What a run orders of its guest's metadata: the formats of the systems that are recorded, names of tasks, counters, and symbols where
 * the host does not have them already. An agent that knows no sections gives all of it.
 */
import { ClockReading } from "../../../ffi/clocks.ts";
import { AgentError, messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import type { BodyTarget } from "../../protocol/framed-body.ts";
import type { KnownOrder } from "../../protocol/orders.ts";
import type { HelloReply } from "../../protocol/replies.ts";
import type { Section } from "../../protocol/sections.ts";
import { readMetadata } from "../../trace-dat/spool/metadata-read.ts";
import { guestTitle } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import { ringBufferKbOf } from "./drain.ts";
import type { CutCounters, SymbolsStore } from "./run-sink.ts";
import type { Session } from "./session.ts";
import { SymbolCache, symbolCachePath, type SymbolsKey } from "./symbol-cache.ts";
import { systemsOfEvents } from "./wanted-systems.ts";

/** Entries of ftrace itself, as those of functions and of trace_marker: no -e names them. */
const ftraceFormats = "formats:ftrace";

/** `sent`: our clocks before the order; `arrived`: after its reply. */
export type CountersTrip = { sent: ClockReading; arrived: ClockReading; body: Uint8Array };

/** Symbols are kept after those that are kept now. */
let keeping: Promise<void> = Promise.resolve();

export class GuestMetadata {
  readonly #session: Session;
  readonly #store: SymbolsStore | undefined;
  /** Symbols that the host lacked. */
  #fresh: { key: SymbolsKey; read: () => Uint8Array } | undefined;
  #countersTrip: CountersTrip | undefined;

  constructor(session: Session, store: SymbolsStore | undefined) {
    this.#session = session;
    this.#store = store;
  }

  /**
   * Before the start. `events`: that the run enables; none: those that the guest has enabled. `body`: all that is known, for
   * readMetadata(); without the symbols that went to the store.
   */
  async take(
    hello: HelloReply,
    events: readonly string[],
  ): Promise<{ body: Uint8Array; ringBufferKb: string | undefined }> {
    if (!this.#session.knows("sections")) {
      const body = await this.#stamped(() => this.#all());
      return { body, ringBufferKb: ringBufferKbOf(body) };
    }
    const formats = await this.#formats(events);
    const own = await this.#stamped(() => this.#order([...formats, "tasks", "stats"]));
    const isWanted = (file: string): boolean => file === "buffer_size_kb";
    const { bufferSizeKb } = readMetadata(own, guestTitle(this.#session.guest), "io", isWanted);
    const symbols = await this.#symbols(hello);
    return { body: Buffer.concat([symbols, own]), ringBufferKb: bufferSizeKb?.trim() };
  }

  /** After the end: the tasks that came meanwhile, the counters, and formats of what else was enabled meanwhile. */
  async takeFinal(): Promise<Uint8Array> {
    const bySections = this.#session.knows("sections");
    return this.#stamped(() => (bySections ? this.#order(["formats", "tasks", "stats"]) : this.#all()));
  }

  /** During the run: the counters, and the tasks that came meanwhile. Of an agent that knows no sections counters alone. */
  async takeCounters(): Promise<CutCounters> {
    const session = this.#session;
    const status: KnownOrder = { order: "status" };
    if (!session.knows("sections"))
      return { status: (await session.request(status, "status", hostLimits.cutReply)).reply, body: undefined };
    const earlier = session.lastStatus;
    const names: KnownOrder = { order: "metadata", sections: ["tasks", "stats"] };
    // The agent answers one order after the other: both at once are one turn of either side instead of two.
    const { body } = await session.request(names, "sections", hostLimits.cutReply, { before: status });
    const { lastStatus } = session;
    if (lastStatus === undefined || lastStatus === earlier)
      throw new AgentError("unavailable", `${guestTitle(session.guest)} does not tell its counters`);
    return { status: lastStatus, body };
  }

  async #all(): Promise<Uint8Array> {
    return (await this.#session.request({ order: "metadata", sections: [] }, "metadata")).body;
  }

  async #stamped(take: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const [sent, arrived] = [new ClockReading(), new ClockReading()];
    sent.take();
    const body = await take();
    arrived.take();
    this.#countersTrip = { sent, arrived, body };
    return body;
  }

  /** The last time that the guest's counters were taken, which tell its trace time. It is given once: its body is all that was told. */
  takeCountersTrip(): CountersTrip | undefined {
    const trip = this.#countersTrip;
    this.#countersTrip = undefined;
    return trip;
  }

  /** Keeps what the next run needs not order. It takes a moment, so it is done when no data are waited for. */
  async keep(): Promise<void> {
    const fresh = this.#fresh;
    this.#fresh = undefined;
    if (fresh === undefined) return;
    // One after the other: of many guests not all are in memory at a time.
    keeping = keeping.then(async () => this.#keep(fresh.key, fresh.read));
    await keeping;
  }

  async #keep(key: SymbolsKey, read: () => Uint8Array): Promise<void> {
    let cache: SymbolCache | undefined;
    try {
      const body = read();
      // Hidden ones may be told next time.
      if (readMetadata(body, guestTitle(this.#session.guest), "io").kallsyms === undefined) return;
      cache = SymbolCache.open(symbolCachePath());
      await cache?.write(key, body);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      log.debug(`symbols are not kept: ${messageOf(error)}`);
    } finally {
      cache?.close();
    }
  }

  async #formats(events: readonly string[]): Promise<Section[]> {
    if (events.length === 0) return ["formats", ftraceFormats];
    const systems = systemsOfEvents(events) ?? systemsOfEvents(events, await this.#known());
    if (systems === undefined || systems.length > hostLimits.formatSystemsMax) return ["formats:*"];
    const sections = systems.map((system): Section => `formats:${system}`);
    return [...new Set([...sections, ftraceFormats] satisfies Section[])];
  }

  /** The guest's events, where the names alone do not tell the systems. */
  async #known(): Promise<string> {
    const body = await this.#order(["available_events"]);
    return readMetadata(body, guestTitle(this.#session.guest), "io").availableEvents ?? "";
  }

  async #symbols(hello: HelloReply): Promise<Uint8Array> {
    const key = symbolsKey(this.#session, hello);
    const kept = key === undefined ? undefined : readKept(key);
    if (kept !== undefined) {
      log.debug("symbols are those that were kept of an earlier recording");
      if (this.#store === undefined) return kept;
      this.#store.restart();
      this.#store.write(kept);
      return new Uint8Array(0);
    }
    const body = await this.#order(["kallsyms", "printk"], this.#store);
    if (key !== undefined) this.#fresh = { key, read: this.#store?.read ?? (() => body) };
    return body;
  }

  async #order(sections: readonly Section[], target?: BodyTarget): Promise<Uint8Array> {
    return (await this.#session.request({ order: "metadata", sections }, "sections", hostLimits.reply, { target }))
      .body;
  }
}

function readKept(key: SymbolsKey): Uint8Array | undefined {
  const cache = SymbolCache.open(symbolCachePath());
  try {
    return cache?.read(key);
  } finally {
    cache?.close();
  }
}

/** Undefined where the agent does not tell what its symbols depend on. */
function symbolsKey({ guest }: Session, { bootId, symbols }: HelloReply): SymbolsKey | undefined {
  if (symbols === undefined || bootId === "") return undefined;
  return { guest: guest.local === true ? "" : guest.path, bootId, ...symbols };
}
