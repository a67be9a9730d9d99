/**
 * Records this machine itself, without any VM: an instance of its tracefs, FIFOs in a directory of their own, and a second
 * trace-agent that acts as the guest's agent between the two. Everything else is as with a guest.
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync } from "node:fs";
import { AgentError, errnoOf, exitCodes, messageOf } from "../base/errors.ts";
import { makePrivateDirectory } from "../base/private-directory.ts";
import { findTracing } from "../tracefs/tracefs.ts";
import { tracedCpus } from "../tracefs/cpus.ts";
import { hostLimits } from "./limits.ts";
import { log } from "../base/log.ts";
import { controlPortName } from "../protocol/ports.ts";
import type { GuestDirectory } from "./guest-directory.ts";
import { ownCommand } from "./own-command.ts";
import { SelfFilter } from "./self-filter.ts";
import { makeGuestDirectory } from "./setup/setup.ts";
import { planSetup } from "./setup/setup-plan.ts";

/** The command that starts our own agent: `trace-agent local-agent DIRECTORY INSTANCE PID`. */
export const localAgentCommand = "local-agent";
/** Only root writes there, and it is empty after a boot. */
const runDirectory = "/run";
/**
 * Prefix of instances and directories; the recorder's process id follows, so leftovers of a killed one are
 * recognized.
 */
const ourName = /^trace-agent-(\d+)$/;

/** Runs `use` with a guest that is this machine. `keepSelf`: events of this program and its agent are recorded, too. */
export async function withLocalGuest(
  { keepSelf }: { keepSelf: boolean },
  use: (guest: GuestDirectory, instance: string) => Promise<void>,
): Promise<void> {
  const tracing = findTracing();
  await removeLeft(`${tracing}/instances`);
  const name = `trace-agent-${process.pid}`;
  const instance = `${tracing}/instances/${name}`;
  try {
    mkdirSync(instance);
  } catch (cause) {
    throw new AgentError("unavailable", `cannot make tracefs instance "${instance}": ${messageOf(cause)}`, {
      remedy: "run it as root",
      cause,
    });
  }
  let agent: Bun.Subprocess | undefined;
  let path: string | undefined;
  try {
    path = makeFifoDirectory(name);
    makeGuestDirectory(path, planSetup(Math.max(...tracedCpus(tracing)) + 1), "fifo", undefined);
    agent = Bun.spawn([...ownCommand(), localAgentCommand, path, name, `${process.pid}`], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "inherit",
      // A Ctrl-C is for the recorder, which still needs the agent to stop.
      detached: true,
    });
    await holdsControlPort(agent, path);
    const guest: GuestDirectory = { guest: "this machine", path, local: true };
    if (!keepSelf) guest.self = new SelfFilter(instance, [process.pid, agent.pid]);
    await use(guest, instance);
  } finally {
    agent?.kill("SIGTERM");
    await agent?.exited;
    // Only after the agent ended: a sub-buffer in a FIFO or pipe that outlives its instance crashes some kernels.
    await removeLocal(name, path);
  }
}

/** Takes away the instance and the directory of a recording of this machine. */
export async function removeLocal(name: string, directory: string | undefined): Promise<void> {
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  const instance = `${findTracing()}/instances/${name}`;
  const end = performance.now() + hostLimits.instanceFreeMs;
  for (;;) {
    try {
      if (existsSync(instance)) rmdirSync(instance);
      return;
    } catch (error) {
      const errno = errnoOf(error);
      // ENODEV: the agent's guardian removed it in between (kernel/trace/trace.c, instance_rmdir).
      if (errno === "ENODEV" || errno === "ENOENT") return;
      // EBUSY: a process that was just killed still has a file of it open.
      if (errno !== "EBUSY" || performance.now() >= end)
        return log.warn(`cannot remove tracefs instance "${instance}": ${messageOf(error)}`);
    }
    await Bun.sleep(20);
  }
}

function makeFifoDirectory(name: string): string {
  const path = `${runDirectory}/${name}`;
  try {
    mkdirSync(path, { mode: 0o700 });
    return path;
  } catch {
    // Not root, or no /run: use the temporary directory. The next recorder does not find it if this one and its agent
    // are killed.
    return makePrivateDirectory();
  }
}

/** The agent opens its end of the FIFOs when it is ready for orders; a hello before that would be lost. */
async function holdsControlPort(agent: Bun.Subprocess, path: string): Promise<void> {
  const end = performance.now() + hostLimits.agentReadyMs;
  while (performance.now() < end) {
    if (agent.exitCode !== null)
      throw new AgentError("unavailable", "cannot record this machine: the agent ended", {
        remedy: "see the messages above",
        told: Object.values<number>(exitCodes).includes(agent.exitCode),
      });
    if (hasOpen(agent.pid, `${path}/${controlPortName}.in`)) return;
    await Bun.sleep(10);
  }
  throw new AgentError("unavailable", "cannot record this machine: the agent did not become ready in time");
}

function hasOpen(pid: number, path: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === path);
  } catch {
    return false;
  }
}

/** Removes leftovers of recorders that were killed together with their agents; ends an agent that still lives first. */
async function removeLeft(instances: string): Promise<void> {
  for (const name of new Set([...list(instances), ...list(runDirectory)])) {
    const recorder = ourName.exec(name)?.[1];
    // A directory with our own process id is from an earlier process.
    if (recorder === undefined || (Number(recorder) !== process.pid && existsSync(`/proc/${recorder}`))) continue;
    const agent = agentOf(name);
    if (agent !== undefined) await endAgent(name, agent);
    if (agentOf(name) === undefined)
      await removeLocal(name, isDirectoryOfOurs(name) ? `${runDirectory}/${name}` : undefined);
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => ourName.test(name));
  } catch {
    return [];
  }
}

function isDirectoryOfOurs(name: string): boolean {
  const status = lstatSync(`${runDirectory}/${name}`, { throwIfNoEntry: false });
  return status?.isDirectory() === true && status.uid === process.geteuid?.();
}

async function endAgent(instance: string, agent: number): Promise<void> {
  process.kill(agent, "SIGTERM");
  const end = performance.now() + hostLimits.agentEndMs;
  while (agentOf(instance) === agent && performance.now() < end) await Bun.sleep(10);
}

/** The process of the agent that works for this instance. */
function agentOf(instance: string): number | undefined {
  const pid = readdirSync("/proc").find((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      const words = readFileSync(`/proc/${entry}/cmdline`, "latin1").split("\0");
      return words[words.indexOf(localAgentCommand) + 2] === instance && words.includes(localAgentCommand);
    } catch {
      return false;
    }
  });
  return pid === undefined ? undefined : Number(pid);
}
