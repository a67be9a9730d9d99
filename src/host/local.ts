/**
 * Records this machine itself, without any VM: an instance of its tracefs, FIFOs in a directory of their own, and a second
 * trace-agent that acts as the guest's agent between the two. Everything else is as with a guest.
 */
import { mkdirSync, readdirSync, readlinkSync } from "node:fs";
import { AgentError, exitCodes, messageOf } from "../base/errors.ts";
import { withoutServiceManager } from "../base/notify.ts";
import { makePrivateDirectory } from "../base/private-directory.ts";
import { findTracing } from "../tracefs/tracefs.ts";
import { tracedCpus } from "../tracefs/cpus.ts";
import { hostLimits } from "./limits.ts";
import { controlPortName } from "../protocol/ports.ts";
import type { GuestDirectory } from "./guest-directory.ts";
import { localAgentCommand, removeLeft, removeLocal, runDirectory } from "./local-left.ts";
import { ownCommand } from "./own-command.ts";
import { SelfFilter } from "./self-filter.ts";
import { makeGuestDirectory } from "./setup/setup.ts";
import { planSetup } from "./setup/setup-plan.ts";

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
      env: withoutServiceManager(),
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
