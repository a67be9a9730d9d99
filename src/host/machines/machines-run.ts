/** The machines of a recorder while they are recorded: who begins when, who is stopped, and what changes in between. */
import { resolve } from "node:path";
import { EndRequest } from "../../base/end-request.ts";
import { log } from "../../base/log.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import { hostLimits } from "../limits.ts";
import { PortLoop } from "../run/port-loop.ts";
import { StopSignals } from "../run/stop-signals.ts";
import type { TraceConfig } from "../run/trace-config.ts";
import { makeCutter } from "../segments/make-cutter.ts";
import { Triggers } from "../triggers/triggers.ts";
import type { Cutter } from "./cutter.ts";
import { Joining, type JoinState } from "./joining.ts";
import { MachineRecording } from "./machine-recording.ts";
import type { MachineRequest, MachinesPlan } from "./machine-request.ts";
import type { MachinesOptions } from "./machines-options.ts";
import type { RecorderControl } from "./recorder-control.ts";
import { MemorySettling } from "./memory-settling.ts";
import { MemoryBound } from "./own-bounds.ts";
import { RunningMachines, wholeKeeper } from "./running-machines.ts";
import type { SessionDirectory } from "./session-directory.ts";
import { SharedEvents } from "./shared-events.ts";
import { StartGate } from "./start-gate.ts";
import { StatusLines } from "./status-lines.ts";
import { StopOrder } from "./stop-order.ts";
import { VcpuSearch } from "./vcpu-threads.ts";

/** `wanted`: what is traced of it; `before`: what was, before that was changed. */
type Begun = { readonly wanted: TraceConfig; readonly before: TraceConfig | undefined };

export class MachinesRun {
  readonly machines: MachineRecording[] = [];
  /** What is missing from the whole, by sentences. */
  readonly missing: string[] = [];
  readonly #directory: SessionDirectory;
  readonly #options: MachinesOptions;
  readonly #signals = new StopSignals();
  readonly #loop = new PortLoop();
  readonly #gate: StartGate;
  readonly #events = new SharedEvents();
  readonly #order: StopOrder;
  readonly #cutter: Cutter | undefined;
  readonly #triggers: Triggers | undefined;
  readonly #begun = new WeakMap<MachineRecording, Begun>();
  /** Are stopped, because they are to be recorded in another way, or no more. */
  readonly #leaving = new WeakSet<MachineRecording>();
  /** Are stopped for want of memory. */
  readonly #givenUp = new WeakSet<MachineRecording>();
  /** Begin as soon as their recording of before has ended. */
  #next: readonly MachineRequest[];
  #plan: MachinesPlan;
  #joining: Joining | undefined;
  readonly #memory: MemoryBound;
  #failure: { error: unknown } | undefined;
  readonly #search: VcpuSearch;
  /** What is left to do when all have ended. */
  readonly #left: (() => Promise<void>)[] = [];
  readonly #settling = new MemorySettling();

  constructor(directory: SessionDirectory, plan: MachinesPlan, options: MachinesOptions, control: RecorderControl) {
    this.#directory = directory;
    this.#plan = plan;
    this.#options = options;
    this.#next = plan.requests;
    this.#memory = new MemoryBound(options.bounds);
    const host = plan.requests.find(({ kind }) => kind === "host");
    this.#search = new VcpuSearch(plan.requests.filter((one) => one !== host).map(({ guest }) => guest));
    const names = plan.requests.map(({ name }) => name);
    this.#gate = new StartGate(names, host?.name);
    const bytes = (): number => this.machines.reduce((sum, machine) => sum + machine.bytes, 0);
    this.#order = new StopOrder(this.#signals, this.#gate, options.until, bytes);
    const stop = (why: string): void => {
      if (!this.#order.isStopping) this.missing.push(why);
      this.#order.stop();
    };
    const { cut, latency, on } = options;
    this.#cutter = cut === undefined ? undefined : makeCutter(directory, options, cut, this.#loop, stop);
    const keeper = this.#cutter ?? wholeKeeper(bytes);
    const running = new RunningMachines(this.machines, keeper, resolve(directory.path), () => this.#order.stop());
    const latencyMs = latency?.ms ?? protocolLimits.latencyMsDefault;
    this.#triggers =
      on === undefined
        ? undefined
        : new Triggers(running, { ...on, latencyMs }, (request) => control.snapshot(request));
    this.#joining = this.#joinAs(plan);
    control.runs(this.machines, running);
    options.running?.(running, (changed) => this.change(changed));
  }

  /** Machines of which nothing else is said than before go on; the others end, and begin anew where they are still wanted. */
  change(plan: MachinesPlan): void {
    const found = [...plan.requests, ...(plan.join?.find() ?? [])];
    this.#plan = plan;
    this.#joining?.close();
    this.#joining = this.#joinAs(plan);
    const kept = new Set<string>();
    for (const machine of this.machines) {
      if (machine.ended) continue;
      const { name, request } = machine;
      const same = found.find((one) => one.name === name && one.guest.path === request.guest.path);
      const { wanted } = this.#begun.get(machine) ?? {};
      if (same !== undefined && Bun.deepEquals(wanted, plan.wantedOf(same))) {
        kept.add(name);
        this.#leaving.delete(machine);
      } else this.#leaving.add(machine);
    }
    this.#next = plan.requests.filter(({ name }) => !kept.has(name)).map((request) => this.#own(request));
  }

  /** Machines may come, and none may have come. */
  get mayBeNone(): boolean {
    return this.#plan.join !== undefined;
  }

  /** Until all have ended, and none is to come. Throws what is a fault of ours. */
  async run(): Promise<void> {
    const lines = new StatusLines();
    try {
      while (this.#turn()) {
        lines.show(this.machines);
        await this.#wait();
      }
      // The last of them may have ended in that time.
      this.#guarded(() => this.#triggers?.turn());
      await this.#triggers?.settled();
      lines.clear();
      for (const work of this.#left) await work();
      // After a failure the spools stay, for who recovers them.
      if (this.#cutter !== undefined && this.#failure === undefined)
        this.missing.push(...(await finishCuts(this.#cutter)));
    } finally {
      lines.clear();
      this.#signals.close();
      this.#joining?.close();
      this.#loop.close();
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** What fails ends the recording, but not before the guests are stopped. */
  #guarded(work: () => void): void {
    if (this.#failure !== undefined) return;
    try {
      work();
    } catch (error) {
      this.#failure = { error };
      this.#order.stop();
    }
  }

  /** Whether the recording goes on. */
  #turn(): boolean {
    this.#guarded(() => {
      this.#cutter?.turn(this.#gate.haveStarted);
      this.#triggers?.turn();
    });
    if (!this.#order.isStopping) {
      for (const request of this.#due()) this.#begin(request);
    }
    if (this.#memory.isOver()) this.#giveUpNewest();
    this.#settling.turn(this.#gate.haveStarted);
    if (this.machines.some(({ ended }) => !ended)) return true;
    return !this.#order.isStopping && (this.#joining !== undefined || this.#next.length > 0);
  }

  /** Of the guests. The first one stays: without it nothing would be recorded. */
  #giveUpNewest(): void {
    const running = this.machines.filter((machine) => !machine.ended && !this.#isStopped(machine));
    const newest = running.length > 1 ? running.findLast(({ entry }) => entry.kind === "guest") : undefined;
    if (newest === undefined) return;
    this.#givenUp.add(newest);
    log.warn(`${newest.name} is recorded no more: the recorder uses more memory than it may, ${this.#memory.text}`);
  }

  /** Ports are served by those who wait for them. Where nobody is recorded this waits for directories, too. */
  async #wait(): Promise<void> {
    const isIdle = this.machines.every(({ ended }) => ended);
    if (isIdle && this.#joining !== undefined)
      await this.#loop.until(hostLimits.pumpWaitMs, () => this.#joining?.hasNews === true, true);
    else await Bun.sleep(hostLimits.machinesTurnMs);
  }

  #joinAs({ join }: MachinesPlan): Joining | undefined {
    return join === undefined ? undefined : new Joining(join, this.#loop);
  }

  #due(): readonly MachineRequest[] {
    const next = this.#next.filter(({ name }) => this.#stateOf(name) !== "taken");
    this.#next = this.#next.filter((request) => !next.includes(request));
    const named = new Set([...next, ...this.#next].map(({ name }) => name));
    const joining = this.#joining?.turn((name) => (named.has(name) ? "taken" : this.#stateOf(name))) ?? [];
    return [...next, ...joining.filter(({ name, kind }) => this.#directory.refusal(name, kind) === undefined)];
  }

  #stateOf(name: string): JoinState {
    const own = this.machines.filter((machine) => machine.name === name);
    if (own.some(({ ended }) => !ended)) return "taken";
    return own.some(({ refused }) => refused !== undefined) ? "refused" : "unknown";
  }

  /** The agent of this machine itself stays the same. */
  #own(request: MachineRequest): MachineRequest {
    return request.kind === "host"
      ? (this.machines.find(({ entry }) => entry.kind === "host")?.request ?? request)
      : request;
  }

  #begin(request: MachineRequest, wanted = this.#plan.wantedOf(request)): void {
    const { name } = request;
    // What was refused before is tried again, and forgotten: a recorder may run for weeks.
    const earlier = this.machines.findIndex((one) => one.name === name && one.refused !== undefined);
    const [tried] = earlier < 0 ? [] : this.machines.splice(earlier, 1);
    const left = this.machines.findLast((one) => one.name === name && this.#leaving.delete(one));
    const machine = new MachineRecording(request, this.#directory, this.#cutter, tried?.refused?.message);
    this.machines.push(machine);
    this.#begun.set(machine, { wanted, before: left === undefined ? undefined : this.#begun.get(left)?.wanted });
    this.#events.join(
      name,
      wanted.events.map(({ word }) => word),
    );
    void this.#record(machine, wanted)
      .catch((error: unknown) => {
        this.#failure ??= { error };
        this.#order.stop();
      })
      .finally(() => {
        this.#gate.leave(name);
        this.#events.leave(name);
        this.#asBefore(machine);
      });
  }

  async #record(machine: MachineRecording, wanted: TraceConfig): Promise<void> {
    const { latency, until, past } = this.#options;
    const { request, name } = machine;
    const { vcpus, waitMsOf, requests } = this.#plan;
    await machine.run(
      {
        loop: this.#loop,
        wanted: { ...wanted, missing: (words, error) => this.#events.missing(name, words, error) },
        until: { seconds: undefined, bytes: undefined },
        restBytes: until.bytes === undefined ? undefined : until.bytes / Math.max(1, requests.length),
        latency,
        waitMs: waitMsOf(request),
        past,
        takesRaw: request.named,
        clocks: request.kind === "guest",
        ...(request.kind === "host"
          ? {}
          : { vcpus: (cpus: number) => vcpus.get(name) ?? this.#search.threads(request.guest, cpus) }),
        stopAsked: () => (this.#isStopped(machine) ? "stop" : this.#order.asked(name)),
        requireRoom: () => this.#memory.requireRoom(name),
        mayStart: () => this.#gate.mayStart(name),
        beforeStart: () => {
          this.#events.check();
          // Where further machines may join, one of those may have what these lack.
          if (!this.mayBeNone) this.#triggers?.check();
        },
        // A cutter may be done with a machine before the others have ended.
        whenEnded: async (work) => {
          if (this.#order.isStopping && this.#cutter === undefined) this.#left.push(work);
          else await work();
        },
      },
      () => {
        this.#gate.started(name);
        this.#settling.begun();
      },
      (error) => error === this.#events.error || error === this.#triggers?.error || this.#isStopped(machine),
    );
  }

  /** Before the others. */
  #isStopped(machine: MachineRecording): boolean {
    return this.#leaving.has(machine) || this.#givenUp.has(machine);
  }

  /** What only the guest could refuse. */
  #asBefore(machine: MachineRecording): void {
    const { before } = this.#begun.get(machine) ?? {};
    const { name, refused, request } = machine;
    if (before === undefined || refused === undefined || this.#order.isStopping) return;
    if (this.#leaving.has(machine)) return;
    log.error(`${name}: ${refused.message}; it is recorded as before`);
    this.#begin(request, before);
  }
}

async function finishCuts(cutter: Cutter): Promise<string[]> {
  const end = new EndRequest();
  try {
    return await cutter.finish(() => end.count > 0);
  } finally {
    end.close();
  }
}
