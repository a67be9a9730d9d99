/**
 * Records this machine itself, without any VM: an instance of its tracefs, FIFOs in a temporary directory, and a second
 * trace-agent as the guest's agent between the two. All else is as with a guest.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { AgentError, messageOf } from "../errors.ts";
import { findTracing } from "../kernel/tracefs.ts";
import { tracedCpus } from "../kernel/cpus.ts";
import { limits } from "../limits.ts";
import { log } from "../log.ts";
import { controlPortName } from "../protocol/ports.ts";
import type { GuestDirectory } from "./guest-directory.ts";
import { makeGuestDirectory } from "./setup.ts";
import { planSetup } from "./setup-plan.ts";

/** Runs `use` with a guest that is this machine. */
export async function withLocalGuest(use: (guest: GuestDirectory) => Promise<void>): Promise<void> {
  const tracing = findTracing();
  await removeLeftInstances(`${tracing}/instances`);
  const name = `trace-agent-${process.pid}`;
  const instance = `${tracing}/instances/${name}`;
  const path = mkdtempSync(`${tmpdir()}/trace-agent-`);
  try {
    mkdirSync(instance);
  } catch (cause) {
    rmSync(path, { recursive: true });
    throw new AgentError("unavailable", `cannot make tracefs instance "${instance}": ${messageOf(cause)}`, { remedy: "run it as root", cause });
  }
  let agent: Bun.Subprocess | undefined;
  try {
    makeGuestDirectory(path, planSetup(Math.max(...tracedCpus(tracing)) + 1), "fifo", undefined);
    agent = Bun.spawn([...dyingWithUs(), ...ownCommand(), "--ports", path, "--instance", name, "--log-level", "warn"], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "inherit",
      // A Ctrl-C is for the recorder, which still needs the agent to stop.
      detached: true,
    });
    await holdsControlPort(agent, path);
    await use({ guest: "this machine", path });
  } finally {
    agent?.kill("SIGTERM");
    await agent?.exited;
    // Only now: a sub-buffer in a FIFO or pipe that outlives its instance brings some kernels down.
    rmSync(path, { recursive: true, force: true });
    removeInstance(instance);
  }
}

/** A recorder that is killed shall not leave its agent tracing; where util-linux is not to be had, the next one ends it. */
function dyingWithUs(): string[] {
  return Bun.which("setpriv") === null ? [] : ["setpriv", "--pdeathsig", "TERM", "--"];
}

/** This very program: the executable, or Bun with the source. */
function ownCommand(): string[] {
  const script = process.argv[1] ?? "";
  return script.startsWith("/$bunfs/") ? [process.execPath] : [process.execPath, script];
}

/** The agent opens its end of the FIFOs when it is ready to hear; until then there is nobody to say hello to. */
async function holdsControlPort(agent: Bun.Subprocess, path: string): Promise<void> {
  const end = performance.now() + limits.workerReadyMs;
  while (performance.now() < end) {
    if (agent.exitCode !== null) throw new AgentError("unavailable", "cannot record this machine: the agent ended", { remedy: "see its words above" });
    if (hasOpen(agent.pid, `${path}/${controlPortName}.in`)) return;
    await Bun.sleep(10);
  }
  throw new AgentError("unavailable", "cannot record this machine: the agent does not get ready");
}

function hasOpen(pid: number, path: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === path);
  } catch {
    return false;
  }
}

/** Ends the agents of recorders that were killed, and removes their instances. */
async function removeLeftInstances(directory: string): Promise<void> {
  for (const entry of readdirSync(directory)) {
    const recorder = /^trace-agent-(\d+)$/.exec(entry)?.[1];
    if (recorder === undefined || existsSync(`/proc/${recorder}`)) continue;
    const agent = agentOf(entry);
    if (agent !== undefined) {
      process.kill(agent, "SIGTERM");
      const end = performance.now() + limits.agentEndMs;
      while (agentOf(entry) === agent && performance.now() < end) await Bun.sleep(10);
    }
    if (agentOf(entry) === undefined) removeInstance(`${directory}/${entry}`);
  }
}

/** The process of the agent that works for this instance. */
function agentOf(instance: string): number | undefined {
  const pid = readdirSync("/proc").find((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      const words = readFileSync(`/proc/${entry}/cmdline`, "latin1").split("\0");
      return words[words.indexOf("--instance") + 1] === instance && words.includes("--ports");
    } catch {
      return false;
    }
  });
  return pid === undefined ? undefined : Number(pid);
}

function removeInstance(instance: string): void {
  try {
    rmdirSync(instance);
  } catch (error) {
    log.warn(`cannot remove tracefs instance "${instance}": ${messageOf(error)}`);
  }
}
