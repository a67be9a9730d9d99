/** Ends a program by a signal while it writes its output, which has no name until it is whole. */
import { readdirSync, readlinkSync } from "node:fs";

/** One that is faster than the signal is started again. */
const triesMax = 100;

export type Interrupted = { code: number | null; signal: Bun.Subprocess["signalCode"]; stderr: string };

/** `command` runs in `directory`, and writes a file into it. `before`: done before each try. */
export async function interruptWriting(
  directory: string,
  command: readonly string[],
  signal: NodeJS.Signals,
  before: () => void = () => {},
): Promise<Interrupted> {
  for (let tries = 0; tries < triesMax; tries++) {
    before();
    // More and more behind this process, so that the signal comes in time on a busy machine; as far behind as it can be it would get
    // no CPU there for minutes.
    const nice = ["nice", "-n", `${Math.min(19, tries)}`];
    const child = Bun.spawn([...nice, ...command], { cwd: directory, stdio: ["ignore", "ignore", "pipe"] });
    const stderr = child.stderr.text();
    while (child.exitCode === null && !writes(child.pid, directory)) await Bun.sleep(1);
    child.kill(signal);
    await child.exited;
    if (child.exitCode !== 0) return { code: child.exitCode, signal: child.signalCode, stderr: await stderr };
  }
  throw new Error(`${command.join(" ")}: ended ${triesMax} times before ${signal} came`);
}

/** Whether it has an unnamed file there. */
function writes(pid: number, directory: string): boolean {
  try {
    const fds = readdirSync(`/proc/${pid}/fd`);
    return fds.some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith(`${directory}/#`));
  } catch {
    // It has ended, or closed one meanwhile.
    return false;
  }
}
