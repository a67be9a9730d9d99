/** The agent: preflight, set-up, the run, and an end that gives back all that was taken, on every way out. */
import { makeEventFd } from "../../ffi/eventfd.ts";
import { closeFd } from "../../ffi/fd.ts";
import { AgentError, messageOf } from "../errors.ts";
import { formatCpuList } from "../kernel/cpu-list.ts";
import { tracedCpus } from "../kernel/cpus.ts";
import { findTracing } from "../kernel/tracefs.ts";
import { limits } from "../limits.ts";
import { log } from "../log.ts";
import { controlPortName } from "../protocol/ports.ts";
import { ControlChannel } from "./control-channel.ts";
import { Controller } from "./controller.ts";
import { MachineWatch } from "./machine-watch.ts";
import { Notifier } from "./notify.ts";
import type { AgentOptions } from "./options.ts";
import { openDataPort } from "./port-open.ts";
import { requireDescriptors } from "./preflight.ts";
import { awaitPorts, findPorts } from "./port-place.ts";
import { RunState, WorkerState } from "./run-state.ts";
import { Settings } from "./settings.ts";
import { Supervisor } from "./supervisor.ts";
import { Waiters } from "./waiters.ts";

/** Runs until a signal, or until the reader of stdout is gone. */
export async function runAgent(options: AgentOptions): Promise<void> {
  const tracingDirectory = findTracing(options);
  const cpus = chooseCpus(tracingDirectory, options.cpus);
  requireDescriptors(cpus.length);
  let place = options.stdout ? findPorts(options.portsDirectory) : await awaitPorts(options.portsDirectory);
  if (place.control === undefined && !options.stdout && !options.start) throw noControlPort(options);

  const ending = Promise.withResolvers<string>();
  const cleanUp: (() => void | Promise<void>)[] = [];
  const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, () => ending.resolve(signal));
  const notifier = new Notifier();
  cleanUp.push(() => notifier.close());
  try {
    const readerGone = (): void => ending.resolve("the reader of stdout is gone");
    const stdout = options.stdout
      ? await (await import("./stdout-outputs.ts")).openStdout(options.format, tracingDirectory, cpus, readerGone)
      : undefined;
    if (stdout !== undefined) cleanUp.push(stdout.close);
    const doneFd = makeEventFd();
    cleanUp.push(() => closeFd(doneFd));
    const run = new RunState(cpus.length);
    const changes = new Waiters();
    const settings = new Settings(tracingDirectory);
    cleanUp.push(() => {
      for (const failure of settings.restore()) log.error(`cannot put back what the host had set: ${failure}`);
    });
    const supervisor = new Supervisor({
      run,
      tracingDirectory,
      cpus,
      pipeSizeBytes: options.pipeSizeBytes,
      doneFd,
      findOutputs: () => {
        place = findPorts(options.portsDirectory);
      },
      openOutput: (cpu) => stdout?.open(cpu) ?? openDataPort(place, cpu),
      onChange: () => changes.changed(),
      onOutputClosed: readerGone,
    });
    const machine = new MachineWatch(() => void rescan());
    cleanUp.push(() => machine.close());
    const watchRegularly = (): void => machine.lookRegularly(controller.state === "running" || !channel.attached);
    // Orders that lie in the port already are carried out once the workers are there to obey.
    const armed = Promise.withResolvers<void>();
    const channel = new ControlChannel(run, doneFd, {
      onOrders: async (orders) => {
        await armed.promise;
        await controller.carryOut(orders);
      },
      onHost: (present) => {
        if (!present) controller.forgetHost();
      },
      onDone: () => {
        supervisor.settle();
        changes.changed();
      },
      onLost: () => {
        controller.forgetHost();
        watchRegularly();
      },
    });
    const controller = new Controller({
      run,
      supervisor,
      settings,
      tracingDirectory,
      replies: channel.replies,
      changes,
      onState: (state) => {
        notifier.status(state === "running" ? `running: CPUs ${servedCpus(supervisor)}` : "armed");
        watchRegularly();
      },
    });
    await channel.open(place.control);
    cleanUp.push(() => channel.close());
    cleanUp.push(async () => {
      supervisor.close();
      await changes.until(() => supervisor.serving === 0, limits.exitWorkersMs);
    });
    const rescan = async (): Promise<void> => {
      supervisor.rescan();
      if (channel.attached || place.control === undefined) return;
      try {
        await channel.open(place.control);
      } catch (error) {
        log.debug(messageOf(error));
      }
      watchRegularly();
    };
    supervisor.rescan();
    if (supervisor.serving === 0) throw noStreams(supervisor, options);
    await changes.until(() => supervisor.all(WorkerState.armed), limits.workerReadyMs);
    machine.begin();
    process.on("SIGUSR1", () => controller.logSummary());
    const served = `armed: CPUs ${servedCpus(supervisor)} on ${tracingDirectory}`;
    log.info(served);
    notifier.ready(served);
    armed.resolve();
    if (options.start || place.control === undefined) await controller.start();
    const reason = await ending.promise;
    log.info(`ending: ${reason}`);
    notifier.stopping(reason);
    if (controller.state === "running") await controller.stop(limits.exitFlushMs);
  } finally {
    for (const step of cleanUp.toReversed()) await step();
  }
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

function servedCpus(supervisor: Supervisor): string {
  return formatCpuList(supervisor.seats.filter((seat) => seat.port === "open").map((seat) => seat.cpu));
}

function noControlPort(options: AgentOptions): AgentError {
  const where = options.portsDirectory === undefined ? "no virtio-serial port of that name" : `not in ${options.portsDirectory}`;
  return new AgentError("unavailable", `cannot open control port "${controlPortName}": ${where}`, {
    remedy: "add one to the VM (trace-agent setup --help), or use --stdout, or --start to begin without orders",
  });
}

function noStreams(supervisor: Supervisor, options: AgentOptions): AgentError {
  const cpus = formatCpuList(supervisor.unserved);
  if (options.stdout) return new AgentError("unavailable", `cannot serve any of CPUs ${cpus}`, { remedy: "see the warnings above" });
  return new AgentError("unavailable", `cannot serve any CPU: no data port could be opened for CPUs ${cpus}`, {
    remedy: "see the warnings above; add ports named trace-path-cpuN to the VM (trace-agent setup --help)",
  });
}
