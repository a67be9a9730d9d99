/** What a recording of this machine has outside of its output, an instance of tracefs and FIFOs, and what killed recorders left of it. */
import { existsSync, lstatSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { attempt } from "../base/attempt.ts";
import { errnoOf, messageOf } from "../base/errors.ts";
import { log } from "../base/log.ts";
import { findTracing } from "../tracefs/tracefs.ts";
import { hostLimits } from "./limits.ts";

/** The command that starts our own agent: `trace-agent local-agent DIRECTORY INSTANCE PID`. */
export const localAgentCommand = "local-agent";
/** Only root writes there, and it is empty after a boot. */
export const runDirectory = "/run";
/**
 * Prefix of instances and directories; the recorder's process id follows, so leftovers of a killed one are
 * recognized.
 */
const ourName = /^trace-agent-(\d+)$/;

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

/** Removes leftovers of recorders that were killed together with their agents; ends an agent that still lives first. */
export async function removeLeft(instances: string): Promise<void> {
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
  // It may end by itself: its recorder is gone.
  attempt(() => process.kill(agent, "SIGTERM"));
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
