/** Makes files of what is cut, one cut after the other, while more is received. */
import { AgentError } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { hostLimits } from "../limits.ts";
import type { MachineStream } from "./machine-stream.ts";
import type { WrittenSegment } from "./segment-file.ts";
import type { SegmentPlan } from "./segment-plan.ts";
import { bytesOf, type SegmentStore } from "./segment-store.ts";

/** Bytes on the disk beside segments; those that may come before ports are no longer read; how many ports these are. */
export type Live = { readonly liveBytes: number; readonly marginBytes: number; readonly ports: number };

/** What is recorded now. */
export type Recorded = {
  readonly streams: () => readonly MachineStream[];
  readonly live: () => Live;
  /** A file is whole, session.json tells of it, and so does its spool. True: its machine's last one. */
  readonly written: (plan: SegmentPlan, segment: WrittenSegment) => boolean;
};

type Store = Pick<SegmentStore, "makeRoom" | "keepFree" | "write" | "save">;
type Written = { readonly plan: SegmentPlan; readonly segment: WrittenSegment };

export class SegmentWriter {
  readonly #store: Store;
  readonly #recorded: Recorded;
  readonly #turn: () => Promise<void>;
  /** Cut, and not yet written. */
  readonly #plans: SegmentPlan[] = [];
  #working: Promise<void> | undefined;
  #retryMs = 0;
  #hasFailed = false;

  constructor(store: Store, recorded: Recorded, turn: () => Promise<void>) {
    this.#store = store;
    this.#recorded = recorded;
    this.#turn = turn;
  }

  add(plan: SegmentPlan): void {
    this.#plans.push(plan);
  }

  /** Whether parts of this stream are to be written. */
  has(stream: MachineStream): boolean {
    return this.#plans.some((plan) => plan.stream === stream);
  }

  get isWorking(): boolean {
    return this.#working !== undefined;
  }

  workIfDue(now: number): void {
    if (this.#working === undefined && this.#plans.length > 0 && now >= this.#retryMs) this.#work();
  }

  /** All of it. `isEnough`: no more is written. */
  async finish(isEnough: () => boolean): Promise<void> {
    while (this.#plans.length > 0 && !isEnough()) {
      this.#hasFailed = false;
      if (this.#working === undefined) this.#work();
      await this.#working;
      if (this.#hasFailed) break;
    }
    await this.#working;
  }

  #work(): void {
    this.#working = this.#write().finally(() => (this.#working = undefined));
  }

  async #write(): Promise<void> {
    for (let [first] = this.#plans; first !== undefined; [first] = this.#plans) {
      const { number } = first;
      const cut = this.#plans.filter((plan) => plan.number === number);
      const written: Written[] = [];
      let failure: { plan: SegmentPlan; error: unknown } | undefined;
      for (const plan of cut) {
        try {
          written.push({ plan, segment: await this.#writeOne(plan) });
        } catch (error) {
          failure = { plan, error };
          break;
        }
      }
      if (written.length > 0) await this.#tell(written);
      if (failure !== undefined) return this.#failed(failure.plan, failure.error);
    }
  }

  async #writeOne(plan: SegmentPlan): Promise<WrittenSegment> {
    const store = this.#store;
    // Packed before room is made: meanwhile more comes.
    await plan.stream.tables();
    const { marginBytes, liveBytes, ports } = this.#recorded.live();
    store.makeRoom(bytesOf(plan) + marginBytes, liveBytes);
    store.keepFree(bytesOf(plan), ports);
    const streams = this.#recorded.streams();
    const host = streams.find(({ kind }) => kind === "host");
    const guests = streams.filter(({ kind }) => kind === "guest");
    return store.write(plan, { host, guests }, this.#turn);
  }

  /** All files of a cut at once: to write session.json takes as long as a small file. */
  async #tell(written: readonly Written[]): Promise<void> {
    // Before the spools tell that it is done: killed in between, nobody would know of the files.
    await this.#store.save();
    let isLast = false;
    for (const { plan, segment } of written) {
      plan.stream.noteCut({ done: plan.number });
      plan.stream.removeBelow(plan.to);
      this.#plans.splice(this.#plans.indexOf(plan), 1);
      isLast = this.#recorded.written(plan, segment) || isLast;
    }
    const { marginBytes, liveBytes } = this.#recorded.live();
    this.#store.makeRoom(marginBytes, liveBytes);
    if (isLast) await this.#store.save();
  }

  #failed({ file }: SegmentPlan, error: unknown): void {
    if (!(error instanceof AgentError)) throw error;
    if (!this.#hasFailed) log.warn(`${file} is not written yet: ${error.text}; what was received is in the spool`);
    this.#hasFailed = true;
    this.#retryMs = performance.now() + hostLimits.segmentRetryMs;
  }
}
