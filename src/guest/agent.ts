/** The agent: preflight, set-up, run, and an end that releases everything, on every way out. */
import { makeEventFd } from "../../ffi/eventfd.ts";
import { closeFd } from "../../ffi/fd.ts";
import { endSignals } from "../base/end-signals.ts";
import { AgentError, messageOf } from "../base/errors.ts";
import { formatCpuList } from "../tracefs/cpu-list.ts";
import { tracedCpus } from "../tracefs/cpus.ts";
import { findTracing, requireTracing } from "../tracefs/tracefs.ts";
import { guestLimits } from "./limits.ts";
import { limitLog, log } from "../base/log.ts";
import { protocolLimits } from "../protocol/limits.ts";
import { controlPortName } from "../protocol/ports.ts";
import { ControlChannel } from "./control/control-channel.ts";
import { Controller } from "./control/controller.ts";
import { HeapSettling } from "./heap-settling.ts";
import { Latency } from "./control/latency.ts";
import { MachineWatch } from "./machine-watch.ts";
import { Notifier } from "../base/notify.ts";
import type { AgentOptions } from "./options.ts";
import { openDataPort } from "../transport/port-open.ts";
import { requireDescriptors } from "./preflight.ts";
import type { StdoutOutputs } from "./stdout-outputs.ts";
import { awaitPorts, findPorts, type PortPlace } from "../transport/port-place.ts";
import { RunState, WorkerState } from "./transfer/run-state.ts";
import { SessionNotes } from "./control/session-notes.ts";
import { bootId } from "../tracefs/machine.ts";
import { Settings } from "./control/settings.ts";
import { Supervisor } from "./supervisor.ts";
import { Waiters } from "./control/waiters.ts";

/** Runs until a signal, or until the reader of stdout is gone. */
export async function runAgent(options: AgentOptions): Promise<void> {
  const tracingDirectory = findTracing(options);
  const cpus = chooseCpus(tracingDirectory, options.cpus);
  requireDescriptors(cpus.length);
  limitLog(guestLimits.logLinesAtOnce + cpus.length * guestLimits.logLinesPerCpu, guestLimits.logLinesPerSecond);
  const place = options.stdout ? findPorts(options.portsDirectory) : await awaitPorts(options.portsDirectory);
  if (place.control === undefined && !options.stdout && !options.start) throw noControlPort(options);
  const agent = new Agent(options, tracingDirectory, cpus, place);
  try {
    await agent.open();
    await agent.arm();
    await agent.run();
  } finally {
    await agent.close();
  }
}

class Agent {
  readonly #options: AgentOptions;
  readonly #tracingDirectory: string;
  readonly #cpus: readonly number[];
  #place: PortPlace;
  #stdout: StdoutOutputs | undefined;
  readonly #doneFd = makeEventFd();
  readonly #changes = new Waiters();
  readonly #notifier = new Notifier();
  readonly #heap = new HeapSettling();
  readonly #machine = new MachineWatch(() => void this.#rescan());
  readonly #notes: SessionNotes;
  readonly #settings: Settings;
  readonly #latency: Latency;
  readonly #supervisor: Supervisor;
  readonly #channel: ControlChannel;
  readonly #controller: Controller;
  /** Orders that are already in the port are carried out once the workers are ready. */
  readonly #armed = Promise.withResolvers<void>();
  /** The reason of the end, as text. Rejects when an unhandled promise rejection is seen: that is a bug. */
  readonly #ending = Promise.withResolvers<string>();
  /** Resolves at a second signal: remaining data is not waited for. */
  readonly #hurry = Promise.withResolvers<void>();
  #signalled = false;
  #hurried = false;
  /** performance.now() when the end began. */
  #endingMs: number | undefined;

  constructor(options: AgentOptions, tracingDirectory: string, cpus: readonly number[], place: PortPlace) {
    this.#options = options;
    this.#tracingDirectory = tracingDirectory;
    this.#cpus = cpus;
    this.#place = place;
    const run = new RunState(cpus.length);
    this.#notes = new SessionNotes(tracingDirectory, bootId());
    this.#settings = new Settings(tracingDirectory, this.#notes);
    this.#supervisor = new Supervisor({
      run,
      tracingDirectory,
      cpus,
      pipeSizeBytes: options.pipeSizeBytes,
      doneFd: this.#doneFd,
      findOutputs: () => {
        this.#place = findPorts(options.portsDirectory);
      },
      openOutput: (cpu) => this.#stdout?.open(cpu) ?? openDataPort(this.#place, cpu),
      onChange: () => this.#workersChanged(),
      onOutputClosed: () => this.#readerGone(),
    });
    this.#channel = new ControlChannel(
      { run, doneFd: this.#doneFd, devicesFd: this.#machine.devicesFd, tracingDirectory, cpus },
      {
        onOrders: async (orders) => {
          await this.#armed.promise;
          await this.#controller.carryOut(orders);
          if (this.#controller.state === "armed") this.#heap.soon();
        },
        onHost: (present) => {
          if (!present) this.#controller.forgetHost();
        },
        onDone: () => this.#workersChanged(),
        onPorts: () => this.#machine.portsChanged(),
        onLost: () => {
          this.#controller.forgetHost();
          this.#watchRegularly();
        },
      },
    );
    this.#latency = new Latency(run, () => this.#channel.wake());
    this.#controller = new Controller({
      run,
      supervisor: this.#supervisor,
      settings: this.#settings,
      latency: this.#latency,
      tracingDirectory,
      replies: this.#channel.replies,
      changes: this.#changes,
      onState: (state) => {
        this.#latency.setRunning(state === "running");
        if (state === "running") this.#heap.notNow();
        else this.#heap.soon();
        this.#notifier.status(state === "running" ? `running: CPUs ${this.#servedCpus}` : "armed");
        this.#watchRegularly();
      },
    });
  }

  /** Opens the outputs and the control port, and starts the workers. */
  async open(): Promise<void> {
    for (const signal of endSignals()) process.on(signal, () => this.#endBy(signal));
    process.on("unhandledRejection", (error) => this.#fail(error));
    const { stdout, format } = this.#options;
    if (stdout) {
      const { openStdout } = await import("./stdout-outputs.ts");
      this.#stdout = await openStdout(format, this.#tracingDirectory, this.#cpus, () => this.#readerGone());
      if (this.#stdout.live) this.#latency.useDefault(protocolLimits.latencyMsLive);
    }
    putBackOfKilled(this.#settings, this.#notes);
    await this.#channel.open(this.#place.control);
    this.#supervisor.rescan();
    if (this.#supervisor.serving === 0) throw noStreams(this.#supervisor, this.#options);
  }

  /** Waits for the workers; from then on orders are carried out. */
  async arm(): Promise<void> {
    await this.#changes.until(() => this.#supervisor.all(WorkerState.armed), guestLimits.workerReadyMs);
    this.#machine.begin();
    process.on("SIGUSR1", () => this.#controller.logSummary());
    const served = `armed: CPUs ${this.#servedCpus} on ${this.#tracingDirectory}`;
    log.info(served);
    this.#notifier.ready(served);
    this.#armed.resolve();
    this.#controller.permitEarlyStart(true);
    // So that the code is there when the first order comes.
    requireTracing(this.#tracingDirectory);
    this.#heap.soon();
  }

  /** Runs to the end, then hands over the rest of a run. */
  async run(): Promise<void> {
    if (this.#options.start || this.#place.control === undefined) await this.#controller.start();
    const reason = await this.#ending.promise;
    this.#endingMs = performance.now();
    log.info(`ending: ${reason}`);
    this.#notifier.stopping(reason);
    this.#controller.permitEarlyStart(false);
    if (this.#controller.state !== "running") return;
    const flushMs = this.#stdout === undefined ? guestLimits.exitFlushMs : guestLimits.exitStdoutFlushMs;
    await Promise.race([this.#controller.stop(flushMs), this.#hurry.promise]);
  }

  /** Releases what was opened, however far `open` came, in reverse order. */
  async close(): Promise<void> {
    this.#controller.permitEarlyStart(false);
    this.#supervisor.close();
    await this.#changes.until(() => this.#supervisor.serving === 0, guestLimits.exitWorkersMs);
    await this.#channel.close();
    this.#supervisor.release();
    this.#machine.close();
    this.#heap.notNow();
    for (const failure of this.#settings.restore()) log.error(`cannot restore what the host had set: ${failure}`);
    this.#notes.close();
    closeFd(this.#doneFd);
    const endMs = (this.#endingMs ?? performance.now()) + guestLimits.exitStdoutFlushMs;
    await this.#stdout?.close(() => this.#hurried || performance.now() > endMs);
    this.#notifier.close();
  }

  /** A worker's state, or whether a CPU is served. */
  #workersChanged(): void {
    this.#supervisor.settle();
    this.#controller.permitEarlyStart();
    this.#changes.changed();
  }

  /** CPUs and ports may have appeared or gone. */
  async #rescan(): Promise<void> {
    this.#supervisor.rescan();
    this.#controller.permitEarlyStart();
    if (this.#channel.attached || this.#place.control === undefined) return;
    try {
      await this.#channel.open(this.#place.control);
    } catch (error) {
      log.debug(messageOf(error));
    }
    this.#watchRegularly();
  }

  #watchRegularly(): void {
    this.#machine.checkRegularly(this.#controller.state === "running" || !this.#channel.attached);
  }

  #readerGone(): void {
    this.#ending.resolve("the reader of stdout is gone");
    this.#hurryUp();
  }

  #hurryUp(): void {
    this.#hurried = true;
    this.#hurry.resolve();
  }

  #endBy(signal: string): void {
    if (this.#signalled) this.#hurryUp();
    this.#signalled = true;
    this.#ending.resolve(signal);
  }

  /** The agent ends in good order, so that a session's settings are restored. */
  #fail(error: unknown): void {
    log.error(`unhandled promise rejection: ${messageOf(error)}`);
    // Nothing may wait for the end yet; an unhandled rejection of it would call this handler again.
    this.#ending.promise.catch(() => {});
    this.#ending.reject(error);
  }

  get #servedCpus(): string {
    return formatCpuList(this.#supervisor.slots.filter((slot) => slot.port === "open").map((slot) => slot.cpu));
  }
}

/** An agent that was killed during a session left events enabled, and noted the earlier values. */
function putBackOfKilled(settings: Settings, notes: SessionNotes): void {
  const earlier = notes.takeOver();
  if (earlier.length === 0) return;
  const trouble = settings.adopt(earlier);
  trouble.push(...settings.restore());
  log.info(`restored what a killed agent's session had set: ${earlier.map(({ key }) => key).join(", ")}`);
  for (const failure of trouble) log.error(`cannot restore what a killed agent's session had set: ${failure}`);
}

function chooseCpus(tracingDirectory: string, wanted: number[] | undefined): number[] {
  const traced = tracedCpus(tracingDirectory);
  const missing = wanted?.filter((cpu) => !traced.includes(cpu)) ?? [];
  if (missing.length > 0) {
    throw new AgentError("usage", `cannot trace CPU ${formatCpuList(missing)}: not in this machine`, {
      remedy: `it has CPUs ${formatCpuList(traced)}`,
    });
  }
  return wanted ?? traced;
}

function noControlPort(options: AgentOptions): AgentError {
  const where =
    options.portsDirectory === undefined ? "no virtio-serial port of that name" : `not in ${options.portsDirectory}`;
  return new AgentError("unavailable", `cannot open control port "${controlPortName}": ${where}`, {
    remedy: "add one to the VM (trace-agent setup --help), or use --stdout, or --start to begin without orders",
  });
}

function noStreams(supervisor: Supervisor, options: AgentOptions): AgentError {
  const cpus = formatCpuList(supervisor.unserved.filter(({ offline }) => !offline).map(({ cpu }) => cpu));
  if (options.stdout)
    return new AgentError("unavailable", `cannot serve any of CPUs ${cpus}`, { remedy: "see the warnings above" });
  return new AgentError("unavailable", `cannot serve any CPU: no data port could be opened for CPUs ${cpus}`, {
    remedy: "see the warnings above; add ports named trace-path-cpuN to the VM (trace-agent setup --help)",
  });
}
