/**
 * Takes snapshots of a ring by itself: watches machines and their streams for what the user named. Several things at once make one
 * snapshot; how often there is one, and what follows the moment, is the ring's business.
 */
import { log } from "../../base/log.ts";
import { type AgentError, messageOf } from "../../base/errors.ts";
import { hostLimits } from "../limits.ts";
import type { RunningMachine, RunningRecorder, SnapshotRequest, SnapshotResult } from "../machines/running-recorder.ts";
import { MachineWatch } from "./machine-watch.ts";
import type { Trigger, TriggerOptions } from "./trigger.ts";
import { unwatched } from "./watchable.ts";

type Watched = {
  watch: MachineWatch | undefined;
  lostEvents: number;
  /** Its silence, or its end, was told. */
  isGone: boolean;
};

export class Triggers {
  readonly #recorder: Pick<RunningRecorder, "machines">;
  readonly #options: TriggerOptions & { latencyMs: number };
  readonly #snapshot: (request: SnapshotRequest) => Promise<SnapshotResult>;
  /** By a machine's recording. */
  readonly #watched = new WeakMap<object, Watched>();
  readonly #readsStreams: boolean;
  readonly #asked = new Set<Promise<void>>();
  #isChecked = false;
  /** No machine can be watched for a trigger. */
  error: AgentError | undefined;

  /** `latencyMs`: how long an event may wait in a guest. */
  constructor(
    recorder: Pick<RunningRecorder, "machines">,
    options: TriggerOptions & { latencyMs: number },
    snapshot: (request: SnapshotRequest) => Promise<SnapshotResult>,
  ) {
    this.#recorder = recorder;
    this.#options = options;
    this.#snapshot = snapshot;
    this.#readsStreams = options.triggers.some(({ kind }) => kind === "event" || kind === "latency");
  }

  /** Once, when all machines are ready and none has started. Throws the same error for each of them. */
  check(): void {
    if (!this.#isChecked && this.#readsStreams) {
      const ready = this.#recorder.machines.filter(({ state }) => state === "waiting").map((one) => one.metadata());
      this.error = unwatched(
        this.#options.triggers,
        ready.filter((metadata) => metadata !== undefined),
      );
    }
    this.#isChecked = true;
    if (this.error !== undefined) throw this.error;
  }

  /** Called some twenty times a second, and once when all machines have ended. */
  turn(nowMs = performance.now()): void {
    const machines = this.#recorder.machines.filter(({ state }) => state === "recording" || state === "ended");
    const forMs = hostLimits.triggerTurnMs / Math.max(1, machines.length);
    for (const machine of machines) {
      let watched = this.#watched.get(machine.recording);
      if (watched === undefined)
        this.#watched.set(machine.recording, (watched = { watch: undefined, lostEvents: 0, isGone: false }));
      if (this.#readsStreams && isNewest(machine, machines)) this.#readStreams(machine, watched, { nowMs, forMs });
      this.#lookAtLosses(machine, watched);
      this.#lookWhetherGone(machine, watched);
    }
  }

  #readStreams(machine: RunningMachine, watched: Watched, { nowMs, forMs }: { nowMs: number; forMs: number }): void {
    const metadata = machine.metadata();
    if (metadata === undefined) return;
    const { name, since } = machine;
    const { triggers, latencyMs } = this.#options;
    watched.watch ??= new MachineWatch({ name, metadata, since, latencyMs }, triggers, (trigger, what) =>
      this.#fire(trigger, what),
    );
    if (watched.watch.isNeeded) watched.watch.turn(machine.streams(), nowMs, forMs);
  }

  #lookAtLosses({ name, lostEvents = 0 }: RunningMachine, watched: Watched): void {
    const more = lostEvents - watched.lostEvents;
    watched.lostEvents = lostEvents;
    if (more > 0) this.#fireOf("lost", `${name} lost ${more} events`);
  }

  #lookWhetherGone({ name, state, trouble, silentMs }: RunningMachine, watched: Watched): void {
    const isSilent = state === "recording" && silentMs > this.#options.silentAfterMs;
    const isGone = isSilent || (state === "ended" && trouble !== undefined);
    if (isGone && !watched.isGone)
      this.#fireOf(
        "guest-gone",
        isSilent ? `${name} has not answered for ${(silentMs / 1000).toFixed(1)} s` : `${name}: ${trouble}`,
      );
    watched.isGone = isGone;
  }

  #fireOf(kind: Trigger["kind"], what: string): void {
    for (const trigger of this.#options.triggers) if (trigger.kind === kind) this.#fire(trigger, what);
  }

  /** Resolves when all snapshots that were asked for are taken, or refused. */
  async settled(): Promise<void> {
    while (this.#asked.size > 0) await Promise.all(this.#asked);
  }

  /** What happens while a snapshot is taken is in it, or soon after it; but the end of a guest has one of its own. */
  #fire(trigger: Trigger, what: string): void {
    if (this.#asked.size > 0 && trigger.kind !== "guest-gone") return;
    const asked = this.#take(trigger, what).finally(() => this.#asked.delete(asked));
    this.#asked.add(asked);
  }

  async #take({ text }: Trigger, what: string): Promise<void> {
    try {
      const result = await this.#snapshot({ trigger: text });
      if (result.taken) log.info(`${what}: a snapshot was taken`);
      else log.debug(`${what}: no snapshot: ${result.reason}`);
    } catch (error) {
      log.warn(`${what}: no snapshot: ${messageOf(error)}`);
    }
  }
}

/** Of a machine that was recorded before, the streams are those of its newest recording. */
function isNewest({ name, recording }: RunningMachine, machines: readonly RunningMachine[]): boolean {
  return machines.findLast((other) => other.name === name)?.recording === recording;
}
