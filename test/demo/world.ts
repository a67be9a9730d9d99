/** Where the demo traces: a throwaway guest, or, where none can be had, this machine's own kernel over FIFOs. */
import { mkdtempSync, rmSync } from "node:fs";
import { cpus as hostCpus, tmpdir } from "node:os";
import { join } from "node:path";
import { layoutOf, type SubBufferLayout } from "../../src/ring-buffer/sub-buffer.ts";
import { longSizeBytes, subBufferSizeBytes } from "../../src/tracefs/tracefs.ts";
import { AgentProcess, executable } from "../support/agent-process.ts";
import { bootGuest, whyNoGuest } from "../support/guest.ts";
import { reasonWithoutTracefs, TracefsInstance } from "../support/tracefs.ts";
import { traceAgent } from "./program.ts";
import { detail, step } from "./terminal.ts";

export type World = {
  /** What is traced, for a person. */
  name: string;
  /** The host ends of the ports. */
  directory: string;
  cpus: number[];
  layout: SubBufferLayout;
  close: () => Promise<void>;
};

const guestCpus = 2;
const kernel = "6.12";

/** Something to see in a trace: on every CPU short processes, and sleep between them. */
const work = "while :; do ls /proc >/dev/null; sleep 0.1; done";

/** Makes the ports, boots the guest, starts the agent in it and some work to be traced. */
export async function makeWorld(): Promise<World> {
  const reason = await whyNoGuest(kernel);
  const folder = mkdtempSync(join(tmpdir(), "trace-agent-demo-"));
  const directory = join(folder, "guest");
  try {
    return reason === undefined ? await guestWorld(folder, directory) : await localWorld(folder, directory, reason);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

async function guestWorld(folder: string, directory: string): Promise<World> {
  step("On the host: the FIFOs and QEMU's arguments for them");
  detail(`$ trace-agent setup ${directory} --cpus ${guestCpus}`);
  const printed = await traceAgent("setup", directory, "--cpus", `${guestCpus}`);
  detail(printed);
  const qemuArguments = printed.replaceAll("\\\n", "").trim().split(/\s+/);

  step(`Booting a guest: Debian's ${kernel} cloud kernel, ${guestCpus} CPUs, busybox and trace-agent`);
  const files = { "/bin/trace-agent": executable };
  const guest = await bootGuest({
    kernel,
    cpus: guestCpus,
    memoryMb: 640,
    files,
    prepared: { directory, qemuArguments },
  });
  try {
    step("In the guest: trace-agent as root, scheduling events on, and some work on each CPU");
    detail("# trace-agent &\n# echo 1 > /sys/kernel/tracing/events/sched/enable");
    const agent = await guest.spawn("exec trace-agent");
    await agent.says("armed");
    detail((await agent.stderr()).trim());
    const workers = Array.from(
      { length: guestCpus },
      (_, cpu) => `taskset ${(1 << cpu).toString(16)} sh -c '${work}' &`,
    );
    await guest.spawn(`echo 1 >/sys/kernel/tracing/events/sched/enable\n${workers.join("\n")}\nwait`);
  } catch (error) {
    await guest.close();
    throw error;
  }
  return {
    name: `the guest (kernel ${guest.kernel.release}, no network, no vsock)`,
    directory,
    cpus: Array.from({ length: guestCpus }, (_, cpu) => cpu),
    layout: layoutOf(4096, 8),
    close: async () => {
      await guest.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function localWorld(folder: string, directory: string, reason: string): Promise<World> {
  console.log(`No guest can be booted here: ${reason}`);
  const noTracefs = reasonWithoutTracefs();
  if (noTracefs !== undefined) throw new Error(`nor can this machine's own kernel be traced: ${noTracefs}`);
  const count = hostCpus().length;
  step("Instead of a guest: this machine's own kernel, in a tracefs instance of its own, over FIFOs");
  detail(`$ trace-agent setup ${directory} --cpus ${count}`);
  await traceAgent("setup", directory, "--cpus", `${count}`);
  const instance = new TracefsInstance("demo");
  instance.write("set_event", "sched");
  detail(`$ trace-agent --instance ${instance.name} --ports ${directory} &`);
  const agent = new AgentProcess(["--instance", instance.name, "--ports", directory]);
  const worker = Bun.spawn(["sh", "-c", work], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  const close = async (): Promise<void> => {
    worker.kill();
    agent.child.kill("SIGTERM");
    await Promise.all([worker.exited, agent.end()]);
    await instance.remove();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await agent.says("armed");
    detail(agent.log.trim());
  } catch (error) {
    await agent.kill();
    await close();
    throw error;
  }
  return {
    name: "this machine's own kernel (not a guest)",
    directory,
    cpus: Array.from({ length: count }, (_, cpu) => cpu),
    layout: layoutOf(subBufferSizeBytes(instance.path), longSizeBytes(instance.path) === 4 ? 4 : 8),
    close,
  };
}
