/** Ends a program by a signal while it writes its output, which has no name until it is whole. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { eventually } from "./agent-process.ts";

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
    const files = filesIn(directory);
    // More and more behind this process, so that the signal comes in time on a busy machine; as far behind as it can be it would get
    // no CPU there for minutes.
    const nice = ["nice", "-n", `${Math.min(19, tries)}`];
    const child = Bun.spawn([...nice, ...command], { cwd: directory, stdio: ["ignore", "ignore", "pipe"] });
    const stderr = child.stderr.text();
    while (child.exitCode === null && !writes(child.pid, directory)) await Bun.sleep(1);
    // It stands still while it is looked at once more: its file may have got its name since.
    child.kill("SIGSTOP");
    await eventually(() => child.exitCode !== null || isStopped(child.pid), "it is stopped");
    const isWriting = writes(child.pid, directory) && filesIn(directory) === files;
    if (isWriting) child.kill(signal);
    child.kill("SIGCONT");
    await child.exited;
    if (isWriting && child.exitCode !== 0)
      return { code: child.exitCode, signal: child.signalCode, stderr: await stderr };
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

/** Also when it has ended. */
function isStopped(pid: number): boolean {
  try {
    return /\) [TZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return true;
  }
}

function filesIn(directory: string): string {
  const names = readdirSync(directory).sort();
  return names.map((name) => `${name} ${lstatSync(`${directory}/${name}`).ino}`).join("\n");
}
